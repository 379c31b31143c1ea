package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;

class GemmLeftTest {
  private static final int ROWS = 2100;
  private static final int DEPTH = 4099;
  private static final int COLUMNS = 600;

  /** Packed operands too large to keep are counted, freed, and dispensable. */
  @Test
  void largeOperandsComeFromThePool() throws InterruptedException {
    assertThat(GemmWarmUp.await(120)).isTrue();
    Strided a = Matrices.matrix(ROWS, DEPTH, Order.ROWS, 1);
    Strided b = Matrices.matrix(DEPTH, COLUMNS, Order.ROWS, 2);
    Strided c = Matrices.empty(Layout.contiguous(ROWS, COLUMNS), DType.F32);
    Strided d = Matrices.empty(Layout.contiguous(ROWS, COLUMNS), DType.F32);
    VectorMatmul matmul = new VectorMatmul();
    Memory.trim();
    long live = Memory.stats().live();
    Memory.resetPeak();
    matmul.matmul(a, b, null, c, false);
    assertThat(Memory.stats().peak() - live).isGreaterThan(4L * ROWS * DEPTH);
    assertThat(Memory.stats().live()).isEqualTo(live);
    Memory.trim();
    Memory.setLimit(1);
    try {
      matmul.matmul(a, b, null, d, false);
    } finally {
      Memory.setLimit(0);
    }
    for (int i = 0; i < ROWS; i += 7) {
      for (int j = 0; j < COLUMNS; j++) {
        Matrices.assertSame(Matrices.get(d, i, j), Matrices.get(c, i, j));
      }
    }
  }
}
