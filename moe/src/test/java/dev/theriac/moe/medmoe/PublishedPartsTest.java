package dev.theriac.moe.medmoe;

import static dev.theriac.moe.medmoe.PublishedModels.CLIP;
import static dev.theriac.moe.medmoe.PublishedModels.PHI;
import static dev.theriac.moe.medmoe.PublishedModels.SIGLIP;
import static dev.theriac.moe.medmoe.PublishedModels.STABLELM;
import static dev.theriac.moe.medmoe.PublishedModels.STAGE1;
import static dev.theriac.moe.medmoe.PublishedModels.TINYMED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import dev.theriac.tensor.Scope;
import dev.theriac.vision.VisionConfig.Feature;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Parts of published models that lie elsewhere, and those that are had already. */
class PublishedPartsTest {
  @TempDir Path all;

  private PublishedModels published;
  private Scope scope;

  @BeforeEach
  void open() throws IOException, URISyntaxException {
    scope = Scope.open();
    published = PublishedModels.copy(all);
  }

  @AfterEach
  void close() {
    scope.close();
  }

  @Test
  void theEncoderMayBeNamedOrLieInside() throws IOException {
    Path encoder = all.resolve("clip-vit-tiny-patch6-18");
    Path other = all.resolve("other");
    Files.move(encoder, other);
    assertThatThrownBy(() -> published.load(PHI))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(
            "config.json",
            "mm_image_tower",
            "/data/models/clip-vit-tiny-patch6-18",
            all.resolve(PHI).resolve("clip-vit-tiny-patch6-18").toString(),
            "ModelParts.vision");
    published.assertIsReference(
        PHI, MedMoe.load(all.resolve(PHI), ModelParts.none().withVision(other)));
    // The checkpoint has the weights.
    Files.delete(other.resolve("model.safetensors"));
    Files.move(other, all.resolve(PHI).resolve("clip-vit-tiny-patch6-18"));
    published.assertIsReference(PHI, published.load(PHI));
  }

  @Test
  void partsMayBeNamed() throws IOException {
    Path router = all.resolve("my-router.bin");
    Files.move(all.resolve(STABLELM).resolve("stablelm_router.pth"), router);
    assertThatThrownBy(() -> published.load(STABLELM))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("4 missing", "deepspeed_moe.gate.wg.", "ModelParts.router");
    ModelParts given = ModelParts.none().withRouter(router);
    published.assertIsReference(STABLELM, MedMoe.load(all.resolve(STABLELM), given));
    assertThatThrownBy(() -> MedMoe.load(all.resolve(PHI), given))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(
            "my-router.bin",
            "llavaphi-2.7b-medmoe/model-0000",
            "has its own routers, in ",
            "leave this one out (--router");
    assertThatThrownBy(
            () -> MedMoe.load(all.resolve(STAGE1), published.parts(STAGE1).withRouter(router)))
        .hasMessageContainingAll("my-router.bin", "MedMoe.upcycle");

    Path projector = all.resolve("my-projector.bin");
    assertThatThrownBy(() -> MedMoe.load(all.resolve(STAGE1)))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(all.resolve(STAGE1).toString(), "ModelParts.language");
    Files.move(all.resolve(STAGE1).resolve("mm_projector.bin"), projector);
    assertThatThrownBy(() -> published.load(STAGE1))
        .hasMessageContainingAll("4 missing", "image_spatial_proj", "ModelParts.projector");
    published.assertIsReference(
        STAGE1, MedMoe.load(all.resolve(STAGE1), published.parts(STAGE1).withProjector(projector)));
    assertThatThrownBy(
            () -> MedMoe.load(all.resolve(STAGE1), published.parts(STAGE1).withProjector(router)))
        .hasMessageContainingAll("my-router.bin", "not a projector", "image_spatial_proj");
  }

  /** Beside the family's own router that of another is nothing to the model. */
  @Test
  void theRouterIsLookedForByTheNameOfTheFamily() throws IOException {
    Files.writeString(all.resolve(STABLELM).resolve("phi_router.pth"), "another family's");
    published.assertIsReference(STABLELM, published.load(STABLELM));
  }

  /** Else users would believe that another part answers than does. */
  @Test
  void partsThatTheModelHasAreNotToBeNamed() throws IOException {
    ModelParts language = ModelParts.none().withLanguage(all.resolve("phi-2"));
    assertThatThrownBy(() -> MedMoe.load(all.resolve(PHI), language))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(
            "phi-2", PHI, "has its own language model, in ", "leave this one out");
    Path bare = all.resolve(PHI);
    for (String name : List.of("vocab.json", "merges.txt")) Files.delete(bare.resolve(name));
    published.assertIsReference(PHI, MedMoe.load(bare, language));
    Path saved = all.resolve("saved");
    published.load(STAGE1).save(saved, Provenance.unknown());
    ModelParts vision = ModelParts.none().withVision(all.resolve("clip-vit-tiny-patch6-18"));
    assertThatThrownBy(() -> MedMoe.load(saved, vision))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(
            "patch6-18", "has its own image encoder, in ", "model.safetensors; leave this one out");
  }

  /** The weights are in the checkpoint, the sizes are found beside it. */
  @Test
  void anEncoderBesideThatOfTheCheckpointIsRefused() throws IOException {
    Path other = all.resolve("other");
    copy(all.resolve(CLIP), other);
    assertRefused(
        PHI,
        ModelParts.none().withVision(other),
        "" + other,
        "its own image encoder, in " + all.resolve(PHI).resolve("model-0000"),
        "with its sizes by " + all.resolve(CLIP),
        "--vision, ModelParts.vision");
    // It is the one that is found.
    Path roundabout = all.resolve(SIGLIP).resolve("..").resolve(CLIP);
    published.assertIsReference(
        PHI, MedMoe.load(all.resolve(PHI), ModelParts.none().withVision(roundabout)));
  }

  /** It is needed, although the weights are the checkpoint's. */
  @Test
  void anEncoderThatSaysSomethingElseThanWhatIsFoundMayBeNamed() throws IOException {
    Path other = all.resolve("other");
    copy(all.resolve(CLIP), other);
    otherMeans(other);
    ModelParts named = ModelParts.none().withVision(other);
    assertThat(MedMoe.load(all.resolve(PHI), named).preprocessing().mean())
        .containsExactly(0.5f, 0.4578275f, 0.40821073f);
    assertThat(published.load(PHI).preprocessing().mean()[0]).isEqualTo(0.48145466f);
    // What is found cannot be read.
    Files.writeString(all.resolve(CLIP).resolve("preprocessor_config.json"), "{");
    assertThat(MedMoe.load(all.resolve(PHI), named).preprocessing().mean()[0]).isEqualTo(0.5f);
  }

  /** Whoever names where a part lies anyway says nothing wrong. */
  @Test
  void everyPartMayBeNamedWhereTheModelHasIt() throws IOException {
    Path phi = all.resolve(SIGLIP).resolve("..").resolve(PHI);
    published.assertIsReference(
        PHI, MedMoe.load(all.resolve(PHI), ModelParts.none().withLanguage(phi)));
    Path router = phi.resolve("model-00001-of-00002.safetensors");
    published.assertIsReference(
        PHI, MedMoe.load(all.resolve(PHI), ModelParts.none().withRouter(router)));
    Path projector = all.resolve(TINYMED).resolve("pytorch_model.bin");
    published.assertIsReference(
        TINYMED, MedMoe.load(all.resolve(TINYMED), ModelParts.none().withProjector(projector)));
    Path saved = all.resolve("saved");
    published.load(PHI).save(saved, Provenance.unknown());
    Path again = phi.resolve("..").resolve("saved");
    published.assertIsReference(PHI, MedMoe.load(saved, new ModelParts(again, again, null, null)));
  }

  /** A checkpoint without an encoder takes the one that is named, wherever another may lie. */
  @Test
  void anEncoderInsideTheModelIsItsOwn() throws IOException {
    Path other = all.resolve("other");
    copy(all.resolve(SIGLIP), other);
    ModelParts named = ModelParts.none().withVision(other);
    Files.writeString(all.resolve(SIGLIP).resolve("model.safetensors"), "not read");
    published.assertIsReference(STABLELM, MedMoe.load(all.resolve(STABLELM), named));
    Path inside = all.resolve(STABLELM).resolve(SIGLIP);
    Files.move(all.resolve(SIGLIP), inside);
    assertRefused(STABLELM, named, "" + other, "its own image encoder, in " + inside);
    // That has the sizes alone.
    Files.delete(inside.resolve("model.safetensors"));
    published.assertIsReference(STABLELM, MedMoe.load(all.resolve(STABLELM), named));
  }

  /** By such a name an encoder is known, but others are called so too. */
  @Test
  void anEncoderOfAKnownNameIsNeededWhereItIsAnother() throws IOException {
    String name = "openai/clip-vit-base-patch32";
    Path given = Files.createDirectory(all.resolve("given"));
    Path config = given.resolve("config.json");
    Files.writeString(config, "{\"model_type\": \"clip_vision_model\"}");
    VisionTower.Unnamed unnamed =
        VisionTower.find(all.resolve(PHI), given, name, -2, Feature.PATCH, false).unnamed();
    assertThat(unnamed)
        .isEqualTo(new VisionTower.Unnamed("its name, clip-vit-base-patch32", false));
    Files.copy(
        all.resolve(CLIP).resolve("preprocessor_config.json"),
        given.resolve("preprocessor_config.json"));
    replace(given, "18", "224");
    assertThat(VisionTower.find(all.resolve(PHI), given, name, -2, Feature.PATCH, false).unnamed())
        .isEqualTo(unnamed);
    otherMeans(given);
    assertThat(VisionTower.find(all.resolve(PHI), given, name, -2, Feature.PATCH, false).unnamed())
        .isNull();
    Files.delete(given.resolve("preprocessor_config.json"));
    Files.writeString(config, "{\"model_type\": \"clip_vision_model\", \"num_hidden_layers\": 2}");
    assertThat(VisionTower.find(all.resolve(PHI), given, name, -2, Feature.PATCH, false).unnamed())
        .isNull();
  }

  @Test
  void aProjectorOrRouterBesideTheModelsOwnFileIsRefused() throws IOException {
    Path own = all.resolve(STAGE1).resolve("mm_projector.bin");
    Path projector = Files.copy(own, all.resolve("my-projector.bin"));
    ModelParts parts = published.parts(STAGE1);
    assertRefused(
        STAGE1,
        parts.withProjector(projector),
        "" + projector,
        "has its own projector, in %s; leave this one out (--projector".formatted(own));
    published.assertIsReference(STAGE1, MedMoe.load(all.resolve(STAGE1), parts.withProjector(own)));

    own = all.resolve(STABLELM).resolve("stablelm_router.pth");
    Path router = Files.copy(own, all.resolve("my-router.bin"));
    assertRefused(
        STABLELM,
        ModelParts.none().withRouter(router),
        "" + router,
        "has its own router, in %s; leave this one out (--router".formatted(own));
    published.assertIsReference(
        STABLELM, MedMoe.load(all.resolve(STABLELM), ModelParts.none().withRouter(own)));

    assertRefused(
        TINYMED,
        ModelParts.none().withProjector(projector),
        "its own projector, in " + all.resolve(TINYMED).resolve("pytorch_model.bin"));
  }

  @Test
  void partsOfAModelThatHasNoneAreNamed() {
    ModelParts.none().requireNone(all, "llama");
    assertThatThrownBy(() -> ModelParts.none().withRouter(Path.of("r.pth")).requireNone(all, ""))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(all.toString())
        .hasMessageEndingWith("this is none; leave out --router r.pth (ModelParts)");
    ModelParts three = new ModelParts(Path.of("v"), Path.of("l"), Path.of("p"), null);
    assertThatThrownBy(() -> three.requireNone(all, "llama"))
        .hasMessageEndingWith(
            "this is a \"llama\"; leave out --vision v, --language l and --projector p"
                + " (ModelParts)");
  }

  private void assertRefused(String name, ModelParts parts, String... said) {
    assertThatThrownBy(() -> MedMoe.load(all.resolve(name), parts))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(said);
  }

  private static void otherMeans(Path encoder) throws IOException {
    replace(encoder, "0.48145466", "0.5");
  }

  private static void replace(Path encoder, String from, String to) throws IOException {
    Path file = encoder.resolve("preprocessor_config.json");
    Files.writeString(file, Files.readString(file).replaceAll("\\b" + from + "\\b", to));
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.createDirectory(to);
    for (String name : List.of("config.json", "model.safetensors", "preprocessor_config.json")) {
      Files.copy(from.resolve(name), to.resolve(name));
    }
  }
}
