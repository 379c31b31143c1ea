package dev.theriac.vision;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.op.Autograd;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Without gradients a pass holds what one block leaves, however many there are. */
class InferenceMemoryTest {
  @Test
  void aPassHoldsOneBlockAtATime() {
    long few = peak(2);
    assertThat(peak(8)).isLessThan(few + few / 10);
  }

  @Test
  void featuresAreThoseOfARecordedPass() {
    VisionTransformer encoder = encoder(4);
    try (Scope _ = Scope.open()) {
      float[] recorded = encoder.features(images()).toFloats();
      Tensor free = Autograd.noGrad(() -> encoder.features(images()));
      assertThat(free.toFloats()).isEqualTo(recorded);
    }
  }

  /** The most of several passes: what collections free of other tests meanwhile only lowers it. */
  private static long peak(int layers) {
    VisionTransformer encoder = encoder(layers);
    return LongStream.range(0, 5).map(_ -> peak(encoder)).max().orElseThrow();
  }

  private static long peak(VisionTransformer encoder) {
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        Tensor images = images();
        long held = Memory.stats().live();
        Memory.resetPeak();
        encoder.features(images);
        return Memory.stats().peak() - held;
      }
    });
  }

  private static VisionTransformer encoder(int layers) {
    VisionConfig config = new VisionConfig(64, 8, 64, layers, 4, 256, 1e-5, -1, 0.1);
    VisionTransformer encoder = new VisionTransformer(config, new Rng(1));
    encoder.train(false);
    return encoder;
  }

  private static Tensor images() {
    return Tensor.randn(new Rng(2), 1, 1, 3, 64, 64);
  }
}
