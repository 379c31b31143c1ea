package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.FileException;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.tokenizer.TokenizerException;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionConfig.Feature;
import dev.theriac.vision.VisionTransformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Model directories at fault, and what none could hold. */
class ModelDirectoryFaultsTest extends ModelDirectoryFixture {
  private void edit(String file, UnaryOperator<String> change) throws IOException {
    Path path = dir.resolve(file);
    String text = Files.readString(path);
    String changed = change.apply(text);
    assertThat(changed).isNotEqualTo(text);
    Files.writeString(path, changed);
  }

  @Test
  void partsThatNoDirectoryCouldHoldAreRefused() {
    VisionConfig grey =
        new VisionConfig(
            VisionConfig.Family.CLIP,
            16,
            8,
            1,
            12,
            2,
            3,
            20,
            UnaryKind.QUICK_GELU,
            1e-5,
            false,
            0,
            -1,
            Feature.PATCH,
            0.1);
    DecoderConfig plain = TinyModels.decoder(Family.STABLELM, 0);
    assertThatThrownBy(() ->
            MedMoe.builder()
                .vision(new VisionTransformer(grey, new Rng(1)))
                .language(new Decoder(plain, new Rng(2)))
                .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("takes 1 channels", "RGB, 3");
    DecoderConfig tied = plain.withTiedHead(true);
    assertThatThrownBy(() ->
            MedMoe.builder()
                .vision(new VisionTransformer(TinyModels.vision(), new Rng(1)))
                .language(new Decoder(tied, new Rng(2)))
                .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("tiedHead=false", "tiedHead=true");
  }

  @Test
  void optionsThatNoFileHoldsAreRefused() {
    assertThatThrownBy(() -> options(List.of(1, 1), 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a layer twice in [1, 1]");
    assertThatThrownBy(() -> options(List.of(), 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no layer gets experts");
    for (double coefficient : new double[] {-1, Double.NaN, 1e300}) {
      assertThatThrownBy(() -> options(null, coefficient))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("auxiliary coefficient " + coefficient);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"hidden_size\" : 16|\"hidden_sise\" : 16|\"hidden_size\" is missing",
        "\"hidden_size\" : 16|\"hidden_size\" : \"16\"|\"hidden_size\" is \"16\"; a whole number",
        "\"hidden_size\" : 16|\"hidden_size\" : 16.5|\"hidden_size\" is 16.5; a whole number",
        "\"rope_theta\" : 10000.0|\"rope_theta\" : true|\"rope_theta\" is true; a number",
        "\"patch_size\" : 8|\"patch_size\" : 8, \"patches\" : 4|unknown field"
            + " \"theriac.vision.patches\"",
        "\"image_size\" : 16|\"image_size\" : 1000000000|a whole number from 1 to 65536",
        "\"image_size\" : 16|\"image_size\" : 60000|at most 1048576 patches",
        "\"patch_size\" : 8|\"patch_size\" : 17|\"theriac.vision.patch_size\" is 17; a whole"
            + " number",
        "\"image_size\" : 16|\"image_size\" : 17|prepared in 16 pixels, the image encoder takes 17",
        "\"rope_theta\" : 10000.0|\"rope_theta\" : 0|\"rope_theta\" is 0; a number from 1 to",
        "\"rope_theta\" : 10000.0|\"rope_theta\" : 1e999|\"rope_theta\" is",
        "\"max_position_embeddings\" : 512|\"max_position_embeddings\" : 0|\"max_position_emb",
        "\"embd_pdrop\" : 0.0|\"embd_pdrop\" : 1|\"embd_pdrop\" is 1; a number from 0 to below 1",
        "\"resid_pdrop\" : 0.0|\"resid_pdrop\" : -0.5|\"resid_pdrop\" is -0.5; a number from 0",
        "\"vocab_size\" : 512|\"vocab_size\" : 2000000000|\"vocab_size\" is",
        "\"num_key_value_heads\" : 2|\"num_key_value_heads\" : 0|\"num_key_value_heads\" is 0",
        "\"partial_rotary_factor\" : 0.5|\"partial_rotary_factor\" : 2|\"partial_rotary_factor\"",
        "\"top_k_experts\" : 1|\"top_k_experts\" : 5|\"moe.top_k_experts\" is 5; a whole number",
        "\"router_aux_loss_coef\" : 0.0|\"router_aux_loss_coef\" : -1|\"moe.router_aux_loss_coef\"",
        "\"patch_size\" : 8|\"patch_size\" : 8, \"family\" : \"dino\"|\"theriac.vision.family\" is"
            + " \"dino\"; one of [CLIP, SIGLIP], in small letters",
        "_feature\" : \"patch\"|_feature\" : \"cls\"|\"mm_vision_select_feature\" is \"cls\"",
        "\"moe_enable\" : true|\"moe_enabled\" : true|unknown field \"moe.moe_enabled\"",
        "\"meta_expert\" : true|\"meta_expert\" : 1|\"theriac.moe.meta_expert\" is 1; true or"
            + " false",
        "moe_llava_phi|moe_llava_qwen|\"model_type\" is \"moe_llava_qwen\"",
        "\"image_aspect_ratio\" : \"pad\"|\"image_aspect_ratio\" : \"fit\"|\"image_aspect_ratio\"",
        "\"weighting\" : \"probability\"|\"weighting\" : \"renormalised\"|use PROBABILITY for"
            + " top_k_experts 1",
        "\"theriac\" :|\"other\" :|field \"mm_image_tower\" is \"\", an encoder that is neither"
            + " known",
        "\"vocab_size\" : 512|\"vocab_size\" : 100|512 tokens, but vocab_size is 100",
        "\"vocab_size\" : 512|\"vocab_size\" : 512,|not valid JSON",
        "\"hidden_size\" : 16|\"hidden_size\" : 16, \"hidden_size\" : 16|not valid JSON",
      })
  void aWrongConfigurationNamesFileAndField(String from, String to, String said)
      throws IOException {
    TinyModels.mixture(Family.PHI).save(dir, Provenance.unknown());
    edit("config.json", text -> text.replace(from, to));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(dir.toString())
        .hasMessageContaining(said);
  }

  @Test
  void wrongTensorsNameFileKeyAndBothShapes() {
    MedMoe model = TinyModels.mixture(Family.PHI);
    String key = "model.layers.2.mlp.deepspeed_moe.experts.deepspeed_experts.3.fc1.weight";
    String file = dir.resolve("model.safetensors").toString();

    model.save(dir, Provenance.unknown());
    rewrite(key, Tensor.zeros(16, 24));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file, key, "[16, 24]", "[24, 16]");

    model.save(dir, Provenance.unknown());
    rewrite(key, Tensor.zeros(24, 16).to(DType.I32));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file, key, "I32[24, 16]", "F32[24, 16]");

    model.save(dir, Provenance.unknown());
    rewrite(key, null);
    rewrite("model.layers.9.extra", Tensor.zeros(1));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file, "1 missing", key, "1 unknown", "model.layers.9.extra");
  }

  @Test
  void missingFilesAreNamed() throws IOException {
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(dir.resolve("config.json").toString());
    TinyModels.dense(Family.PHI).save(dir, Provenance.unknown());
    Files.delete(dir.resolve("model.safetensors"));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("model.safetensors");
    Files.delete(dir.resolve("tokenizer.json"));
    assertThatThrownBy(() -> MedMoe.load(dir))
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(dir.resolve("tokenizer.json").toString());
  }

  /** The weights' name is taken by a directory, so that writing them fails after all the others. */
  @Test
  void aFailedSaveLeavesTheOldModelAsItWas() throws IOException {
    MedMoe old = TinyModels.dense(Family.PHI);
    ModelDirectory.save(old, dir, Provenance.unknown(), 40_000);
    Files.createDirectory(dir.resolve("model.safetensors"));
    Map<String, byte[]> before = new TreeMap<>();
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        before.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    assertThatThrownBy(() -> TinyModels.mixture(Family.STABLELM).save(dir, Provenance.unknown()))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("model.safetensors");
    Files.delete(dir.resolve("model.safetensors"));
    assertThat(contents(dir).keySet()).isEqualTo(before.keySet());
    before.forEach((name, bytes) -> assertThat(dir.resolve(name)).hasBinaryContent(bytes));
    assertThat(logits(MedMoe.load(dir))).isEqualTo(logits(old));
  }

  @Test
  void aPlaceThatIsNoDirectoryIsAnErrorThatNamesIt() throws IOException {
    Path file = Files.writeString(dir.resolve("file"), "x");
    assertThatThrownBy(() -> TinyModels.dense(Family.PHI).save(file, Provenance.unknown()))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(file.toString());
    assertThat(file).hasContent("x");
  }
}
