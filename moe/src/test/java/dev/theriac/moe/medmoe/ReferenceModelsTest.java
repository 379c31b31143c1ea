package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.io.SafeTensors;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.nn.Module;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The encoder and both decoder families against Hugging Face's transformers in F64: {@code
 * reference.py} beside the fixture made it.
 */
class ReferenceModelsTest {
  private static final double TOLERANCE = 2e-5;
  private static final int DIM = 24;
  private static final int[] LENGTHS = {11, 7};

  private Scope scope;
  private SafeTensors reference;

  @BeforeEach
  void open() throws URISyntaxException {
    scope = Scope.open();
    reference =
        SafeTensors.open(
            Path.of(ReferenceModelsTest.class.getResource("reference.safetensors").toURI()));
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private Tensor floats(String key) {
    return reference.get(key).to(DType.F32);
  }

  private void loadWeights(Module model, String prefix, String drop) {
    Map<String, Tensor> weights = new LinkedHashMap<>();
    for (String key : reference.keys()) {
      if (!key.startsWith(prefix)) continue;
      String path = key.substring(prefix.length());
      weights.put(path.startsWith(drop) ? path.substring(drop.length()) : path, floats(key));
    }
    model.load(weights);
    model.train(false);
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

  @Test
  void theVisionEncoderIsThatOfClip() {
    var config = new VisionConfig(18, 6, DIM, 3, 3, 56, 1e-5, -2, 0.02);
    var model = new VisionTransformer(config, new Rng(0));
    loadWeights(model, "vision.weights.", "vision_model.");
    Tensor images = floats("vision.input");
    Autograd.noGrad(() -> {
      for (int i = 0; i <= 3; i++) {
        float[] wanted = floats("vision.hidden." + i).toFloats();
        assertClose("hidden state " + i, model.hiddenState(images, i).toFloats(), wanted);
      }
      float[] features = floats("vision.hidden.2").slice(1, 1, 10).toFloats();
      assertClose("patch features", model.features(images).toFloats(), features);
      assertClose("pooled", model.pooled(images).toFloats(), floats("vision.pooled").toFloats());
      return null;
    });
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void theDecodersAreThoseOfPhiAndStableLm(Family family) {
    String name = family == Family.PHI ? "phi" : "stablelm";
    var config = new DecoderConfig(family, 37, DIM, 56, 3, 3, 3, 4, 1e4, 64, 1e-5, 0, 0.02);
    var model = new Decoder(config, new Rng(0));
    loadWeights(model, name + ".weights.", "model.");
    Tensor x = floats(name + ".input");
    long[] positions = new long[2 * 11];
    for (int i = 0; i < positions.length; i++) positions[i] = i % 11;
    Autograd.noGrad(() -> {
      Decoder.Output out =
          model.forward(
              x,
              Tensor.of(positions, 2, 11),
              Tensor.of(Arrays.stream(LENGTHS).asLongStream().toArray()),
              null,
              true);
      assertThat(out.hiddenStates()).hasSize(4);
      for (int i = 0; i < 4; i++) {
        assertRows("hidden state " + i, out.hiddenStates().get(i), name + ".hidden." + i);
      }
      assertRows("logits", model.logits(out.hidden()), name + ".logits");
      return null;
    });
  }

  /** Compares what lies before the end of each row. */
  private void assertRows(String what, Tensor got, String key) {
    Tensor wanted = floats(key);
    for (int row = 0; row < LENGTHS.length; row++) {
      assertClose(
          what + " of row " + row,
          got.select(0, row).slice(0, 0, LENGTHS[row]).toFloats(),
          wanted.select(0, row).slice(0, 0, LENGTHS[row]).toFloats());
    }
  }
}
