package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.SafeTensors;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig.Family;
import dev.theriac.vision.VisionConfig.Feature;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Encoders read from Hugging Face directories against transformers in F64. */
class VisionModelsTest {
  private static final double OUTPUTS = 2e-5;
  private static final double GRADIENTS = 1e-4;

  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  /** The folders of make_models.py. */
  static List<String> models() {
    return List.of(
        "clip",
        "clip-gelu",
        "clip-gelu-new",
        "clip-silu",
        "clip-relu",
        "clip-projection",
        "clip-whole",
        "siglip",
        "siglip-no-head",
        "siglip-gelu",
        "siglip-whole");
  }

  private static void assertOutput(SafeTensors expected, String key, Tensor got) {
    float[] wanted = expected.get(key).to(DType.F32).toFloats();
    ModelFixtures.assertClose(key, got.toFloats(), wanted, ModelFixtures.largest(wanted), OUTPUTS);
  }

  @ParameterizedTest
  @MethodSource("models")
  void outputsAreThoseOfTransformers(String name) {
    SafeTensors expected = ModelFixtures.expected(name);
    VisionTransformer model = VisionDirectory.load(ModelFixtures.folder(name));
    Tensor images = expected.get("images").to(DType.F32);
    Autograd.noGrad(() -> {
      int layers = model.config().layers();
      for (int i = 0; i <= layers; i++) {
        assertOutput(expected, "hidden." + i, model.hiddenState(images, i));
        assertOutput(expected, "hidden." + i, model.hiddenState(images, i - layers - 1));
      }
      assertOutput(expected, "last", model.lastHiddenState(images));
      if (expected.keys().contains("pooled")) {
        assertOutput(expected, "pooled", model.pooled(images));
      } else {
        assertThatThrownBy(() -> model.pooled(images)).hasMessageContaining("no pooling head");
      }
      if (expected.keys().contains("embeds")) {
        assertOutput(expected, "embeds", model.embed(images));
      } else {
        assertThatThrownBy(() -> model.embed(images)).hasMessageContaining("no projection");
      }
      return null;
    });
  }

  @ParameterizedTest
  @MethodSource("models")
  void gradientsAreThoseOfTransformers(String name) {
    SafeTensors expected = ModelFixtures.expected(name);
    VisionTransformer model = VisionDirectory.load(ModelFixtures.folder(name));
    for (Parameter p : model.parameters().values()) {
      // Gradients have the type of what they belong to, and are compared in F32.
      p.set(p.value().to(DType.F32));
      p.setTrainable(true);
    }
    Tensor images = expected.get("images").to(DType.F32);
    int selected = Integer.parseInt(expected.metadata().get("selected"));
    Tensor loss = weighted(expected, "selected", model.hiddenState(images, selected));
    Set<String> keys = expected.keys();
    if (keys.contains("pooled"))
      loss = loss.add(weighted(expected, "pooled", model.pooled(images)));
    if (keys.contains("embeds")) loss = loss.add(weighted(expected, "embeds", model.embed(images)));
    Gradients gradients = loss.backward();
    int compared = 0;
    for (Map.Entry<String, Parameter> e : model.parameters().entrySet()) {
      String key = "gradient." + e.getKey();
      Tensor got = gradients.get(e.getValue().value());
      if (!expected.keys().contains(key)) {
        assertThat(got == null || ModelFixtures.largest(got.toFloats()) == 0).as(key).isTrue();
        continue;
      }
      float[] wanted = expected.get(key).toFloats();
      double scale = ModelFixtures.largest(wanted);
      if (key.endsWith("k_proj.bias")) {
        // It adds the same to all scores of a query: its gradient is zero but for rounding.
        String query = key.replace("k_proj", "q_proj");
        scale = ModelFixtures.largest(expected.get(query).toFloats());
      }
      ModelFixtures.assertClose(key, got.toFloats(), wanted, scale, GRADIENTS);
      compared++;
    }
    assertThat(compared)
        .isEqualTo(expected.keys().stream().filter(k -> k.startsWith("gradient.")).count())
        .isGreaterThan(15);
  }

  private static Tensor weighted(SafeTensors expected, String what, Tensor output) {
    return output.mul(expected.get(what + ".weight").to(DType.F32)).sum();
  }

  @ParameterizedTest
  @ValueSource(ints = {-3, -2, -1, 0, 1, 2})
  void featuresAreTheSelectedHiddenState(int layer) {
    SafeTensors expected = ModelFixtures.expected("clip");
    Tensor images = expected.get("images").to(DType.F32);
    for (Feature feature : Feature.values()) {
      VisionTransformer model = VisionDirectory.load(ModelFixtures.folder("clip"), layer, feature);
      Tensor hidden = expected.get("hidden." + (layer < 0 ? 3 + layer : layer));
      Tensor wanted = feature == Feature.PATCH ? hidden.slice(1, 1, 5) : hidden;
      Tensor got = Autograd.noGrad(() -> model.features(images));
      assertThat(got.size(1)).isEqualTo(model.config().features());
      float[] values = wanted.toFloats();
      ModelFixtures.assertClose(
          "features", got.toFloats(), values, ModelFixtures.largest(values), OUTPUTS);
    }
  }

  @Test
  void featuresOfSiglipAreAllPositions() {
    SafeTensors expected = ModelFixtures.expected("siglip");
    VisionTransformer model =
        VisionDirectory.load(ModelFixtures.folder("siglip"), -2, Feature.PATCH);
    Tensor images = expected.get("images").to(DType.F32);
    assertOutput(expected, "hidden.1", Autograd.noGrad(() -> model.features(images)));
    assertThat(model.config().features()).isEqualTo(4);
    assertThatThrownBy(
            () -> VisionDirectory.load(ModelFixtures.folder("siglip"), -1, Feature.CLS_PATCH))
        .hasMessageContaining("no class token");
    assertThatThrownBy(() -> VisionDirectory.load(ModelFixtures.folder("clip"), 3, Feature.PATCH))
        .hasMessageContaining("selected layer 3 of 2");
    assertThatThrownBy(() -> model.hiddenState(images, -4))
        .hasMessageContaining("hidden state -4; there are 0 to 2, or -1 to -3");
    assertThatThrownBy(() -> model.features(images.slice(2, 0, 8)))
        .hasMessageContaining("[B, 3, 16, 16] is wanted");
  }

  @Test
  void publishedSizesHaveThePublishedNumbersOfParameters() {
    // From the tables of the papers' repositories, vision half without projection.
    assertCount(VisionConfig.clipBase32(), 87_456_000);
    assertCount(VisionConfig.clipLarge14(), 303_179_776);
    assertCount(VisionConfig.clipLarge336(), 303_507_456);
    assertCount(VisionConfig.siglipBase16(224), 92_884_224);
    assertCount(VisionConfig.siglipSo400m384(), 428_225_600);
    assertThat(VisionConfig.siglipSo400m384().features()).isEqualTo(27 * 27);
    assertThat(VisionConfig.clipLarge336().features()).isEqualTo(576);
    assertThat(VisionConfig.clipBase32().withProjection(512).projection()).isEqualTo(512);
  }

  private static void assertCount(VisionConfig config, long wanted) {
    long sum = 0;
    for (long[] shape : VisionParameters.of(config).values()) {
      long size = 1;
      for (long n : shape) size *= n;
      sum += size;
    }
    assertThat(sum).isEqualTo(wanted);
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip-projection", "siglip", "siglip-no-head"})
  void shapesWithoutAModelAreThoseOfTheModel(String name) {
    VisionConfig config = VisionDirectory.config(ModelFixtures.folder(name));
    var shapes = VisionParameters.of(config);
    var made = new VisionTransformer(config, new Rng(1)).parameters();
    assertThat(made.keySet()).containsExactlyElementsOf(shapes.keySet());
    made.forEach((path, p) -> assertThat(p.value().shape()).isEqualTo(shapes.get(path)));
  }

  @Test
  void sizesThatDoNotFitAreRefused() {
    VisionConfig small = VisionConfig.small(16);
    assertThat(small.family()).isEqualTo(Family.CLIP);
    assertThatThrownBy(() -> new VisionConfig(16, 17, 8, 1, 2, 8, 1e-5, -1, 0.1))
        .hasMessageContaining("image size 16 is smaller than patch size 17");
    assertThatThrownBy(() -> new VisionConfig(16, 8, 8, 1, 3, 8, 1e-5, -1, 0.1))
        .hasMessageContaining("width 8 and 3 heads do not divide");
    assertThatThrownBy(() -> new VisionConfig(16, 8, 8, 0, 2, 8, 1e-5, -1, 0.1))
        .hasMessageContaining("layers 0; 1 or more");
    assertThatThrownBy(() -> VisionConfig.siglipBase16(32).withProjection(4))
        .hasMessageContaining("only CLIP has one");
  }
}
