package dev.theriac.llm;

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
  private static final int LENGTH = 128;

  @Test
  void aPassHoldsOneBlockAtATime() {
    long few = peak(2, false);
    long many = peak(8, false);
    assertThat(many).isLessThan(few + few / 10);
    // What was asked for is there.
    assertThat(peak(8, true)).isGreaterThan(many);
  }

  @Test
  void statesThatWereAskedForCanBeRead() {
    Decoder decoder = decoder(4);
    try (Scope _ = Scope.open()) {
      Decoder.Output recorded = decoder.forward(input(), positions(), null, null, true);
      Decoder.Output free =
          Autograd.noGrad(() -> decoder.forward(input(), positions(), null, null, true));
      for (int i = 0; i < 5; i++) {
        assertThat(free.hiddenStates().get(i).toFloats())
            .isEqualTo(recorded.hiddenStates().get(i).toFloats());
      }
    }
  }

  @Test
  void theInputIsLeftToItsOwner() {
    Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        Tensor x = input();
        float[] before = x.toFloats();
        decoder(2).forward(x, positions(), null, null, false);
        assertThat(x.toFloats()).isEqualTo(before);
      }
      return null;
    });
  }

  /** The most of several passes: what collections free of other tests meanwhile only lowers it. */
  private static long peak(int layers, boolean allStates) {
    Decoder decoder = decoder(layers);
    return LongStream.range(0, 5).map(_ -> peak(decoder, allStates)).max().orElseThrow();
  }

  private static long peak(Decoder decoder, boolean allStates) {
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        Tensor x = input();
        Tensor positions = positions();
        long held = Memory.stats().live();
        Memory.resetPeak();
        decoder.forward(x, positions, null, null, allStates);
        return Memory.stats().peak() - held;
      }
    });
  }

  private static Decoder decoder(int layers) {
    DecoderConfig small =
        new DecoderConfig(
            DecoderConfig.Family.STABLELM, 64, 64, 256, layers, 4, 4, 8, 10000, 512, 1e-5, 0, 0.05);
    Decoder decoder = new Decoder(small, new Rng(1));
    decoder.train(false);
    return decoder;
  }

  private static Tensor input() {
    return Tensor.randn(new Rng(2), 1, 1, LENGTH, 64);
  }

  private static Tensor positions() {
    return Tensor.of(LongStream.range(0, LENGTH).toArray(), 1, LENGTH);
  }
}
