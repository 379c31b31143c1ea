package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Encoders whose weights are stored in F32, BF16 and F16: kept so, and computed with in F32. */
class VisionPrecisionTest {
  private static final DType[] TYPES = {DType.F32, DType.BF16, DType.F16};

  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static VisionTransformer widened(VisionTransformer model) {
    VisionTransformer out = new VisionTransformer(model.config(), Rng.placeholders(0));
    model
        .parameters()
        .forEach((path, p) -> out.parameters().get(path).set(p.value().to(DType.F32)));
    return out;
  }

  private static Tensor output(VisionTransformer model, Tensor images) {
    boolean last =
        model.config().family() == VisionConfig.Family.SIGLIP && !model.config().poolingHead();
    return last ? model.lastHiddenState(images) : model.pooled(images);
  }

  @ParameterizedTest
  @ValueSource(strings = {"clip", "clip-gelu", "clip-projection", "siglip", "siglip-no-head"})
  void weightsKeepTheirTypeAndGiveTheNumbersOfTheirValues(String name) {
    Tensor images = ModelFixtures.expected(name).get("images").to(DType.F32);
    for (DType type : TYPES) {
      VisionTransformer model = VisionDirectory.load(ModelFixtures.folder(name));
      model.parameters().values().forEach(p -> p.set(p.value().to(type)));
      Path to = dir.resolve(type.name());
      VisionDirectory.save(model, to);
      VisionTransformer read = VisionDirectory.load(to);
      read.parameters()
          .forEach((path, p) -> assertThat(p.value().dtype()).as(path).isEqualTo(type));
      Autograd.noGrad(() -> {
        Tensor got = output(read, images);
        assertThat(got.dtype()).isEqualTo(DType.F32);
        assertThat(got.toFloats()).isEqualTo(output(widened(read), images).toFloats());
        return null;
      });
    }
  }

  /** Products widen as they read: no wide copy of the weights is made. */
  @Test
  void narrowWeightsStayInTheirFile() {
    VisionConfig config = new VisionConfig(32, 16, 512, 4, 8, 2048, 1e-5, -1, 0.02);
    for (DType type : TYPES) {
      Path to = dir.resolve(type.name());
      long bytes;
      try (Scope _ = Scope.open()) {
        VisionTransformer model = new VisionTransformer(config, new Rng(1));
        model.parameters().values().forEach(p -> p.set(p.value().to(type)));
        VisionDirectory.save(model, to);
        bytes = model.parameterCount() * type.bytes();
        model.parameters().values().stream().map(Parameter::value).forEach(Tensor::close);
      }
      Memory.resetPeak();
      long before = Memory.stats().live();
      VisionTransformer model = VisionDirectory.load(to);
      assertThat(Memory.stats().live() - before).as("loaded").isLessThan(bytes / 20);
      Autograd.noGrad(() -> model.features(Tensor.zeros(1, 3, 32, 32)).toFloats());
      // An F32 copy of a single block would be a quarter or half of that.
      assertThat(Memory.stats().peak() - before).as("run in " + type).isLessThan(bytes / 5);
    }
  }
}
