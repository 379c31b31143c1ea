package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.io.SafeTensors;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * The small models of {@code make_published.py}, in the layout in which the authors of Med-MoE
 * publish theirs, with what the reference computes.
 *
 * @param all a copy of all their directories, to be changed
 */
record PublishedModels(Path all) {
  static final String PHI = "llavaphi-2.7b-medmoe";
  static final String STABLELM = "llavastablelm-1.6b-medmoe";
  static final String STAGE1 = "llavaphi-2.7b-stage1";
  static final String TINYMED = "tinymed-phi2";
  static final String CLIP = "clip-vit-tiny-patch6-18";
  static final String SIGLIP = "siglip-tiny";
  private static final double TOLERANCE = 2e-5;

  /** Copies them. */
  static PublishedModels copy(Path to) throws IOException, URISyntaxException {
    Path from = Path.of(PublishedModels.class.getResource("published").toURI());
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path at = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) Files.createDirectories(at);
        else Files.copy(file, at);
      }
    }
    return new PublishedModels(to);
  }

  /** What has to be named for a model to be read. */
  ModelParts parts(String name) {
    return name.equals(STAGE1)
        ? ModelParts.none().withLanguage(all.resolve("phi-2"))
        : ModelParts.none();
  }

  MedMoe load(String name) {
    return MedMoe.load(all.resolve(name), parts(name));
  }

  /** Ids, pixels and logits are those that PyTorch and transformers gave. */
  void assertIsReference(String name, MedMoe model) throws IOException {
    SafeTensors reference = SafeTensors.open(all.resolve("reference.safetensors"));
    String key =
        switch (name) {
          case PHI -> "phi";
          case STABLELM -> "stablelm";
          case STAGE1 -> "stage1";
          default -> "tinymed";
        };
    int[] ids =
        new PromptEncoder(model.tokenizer(), Template.PHI, 1000)
            .inference(Conversation.ask("Is there a  nodule in the left lung?"));
    assertThat(Arrays.stream(ids).asLongStream().toArray())
        .isEqualTo(reference.get(key + ".ids").toLongs());
    float[] pixels = model.preprocess(Images.read(all.resolve("picture.png")));
    float[] wantedPixels = reference.get(key + ".pixels").toFloats();
    for (int i = 0; i < pixels.length; i++) {
      assertThat(pixels[i]).as("pixel %d", i).isCloseTo(wantedPixels[i], within(2e-6f));
    }
    Tensor logits = logits(model, ids, pixels);
    long[] positions = reference.get(key + ".positions").toLongs();
    assertThat(logits.size(1)).isEqualTo(ids.length - 1 + 9);
    Tensor wanted = reference.get(key + ".logits");
    for (int i = 0; i < positions.length; i++) {
      assertClose(
          name + ", position " + positions[i],
          logits.select(0, 0).select(0, positions[i]).toFloats(),
          wanted.select(0, i).toFloats());
    }
  }

  private static Tensor logits(MedMoe model, int[] ids, float[] pixels) {
    return Autograd.noGrad(() -> {
      ModelInput in =
          model.input(List.of(new Example(ids, new int[ids.length])), new float[][] {pixels});
      Tensor hidden =
          model
              .language()
              .forward(model.embed(in), in.positions(), in.lengths(), null, false)
              .hidden();
      return model.language().logits(hidden);
    });
  }

  private static void assertClose(String what, float[] got, float[] wanted) {
    assertThat(got).as(what).hasSameSizeAs(wanted);
    double largest = 0;
    for (float w : wanted) largest = Math.max(largest, Math.abs(w));
    for (int i = 0; i < got.length; i++) {
      assertThat((double) got[i])
          .as("%s, value %d", what, i)
          .isCloseTo(wanted[i], within(TOLERANCE * largest));
    }
  }
}
