package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PlaceholderTest {
  @Test
  void placeholdersTakeNoMemoryAndMoveTheGeneratorAsDrawingDoes() {
    try (Scope _ = Scope.open()) {
      Rng drawing = new Rng(5);
      Rng none = Rng.placeholders(5);
      for (long[] shape : new long[][] {{}, {3}, {17, 1, 5}, {0, 4}}) {
        Tensor.randn(drawing, 2, shape);
        Tensor.uniform(drawing, -1, 1, shape);
        for (Tensor t :
            new Tensor[] {Tensor.randn(none, 2, shape), Tensor.uniform(none, 1, 2, shape)}) {
          assertThat(t.shape()).isEqualTo(shape);
          assertThat(t.dtype()).isEqualTo(DType.F32);
          for (float v : t.toFloats()) assertThat(v).isZero();
        }
        assertThat(none.position()).isEqualTo(drawing.position());
      }
      long before = Memory.stats().live();
      assertThat(Tensor.randn(none, 1, 1L << 20, 1L << 20).size()).isEqualTo(1L << 40);
      assertThat(Memory.stats().live() - before).isLessThan(1 << 20);
      assertThat(none.split(3).nextInt()).isEqualTo(drawing.split(3).nextInt());
      Tensor split = Tensor.randn(none.split(3), 1, 2);
      assertThat(split.toFloats()).isNotEqualTo(new float[2]);
    }
  }
}
