package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.FewRowsProduct.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.backend.vector.Matrices.Order;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How far the kernels for few rows reach, and that they reach no further. */
class FewRowsReachTest {

  @BeforeEach
  void useKernelsAtOnce() {
    assumeTrue(JitDirectives.LARGE_KERNELS, "the compiler's first tier would take these kernels");
    FewRowsWarmUp.always = true;
  }

  @AfterEach
  void waitForKernels() {
    FewRowsWarmUp.always = false;
  }

  /**
   * The rows of all products are copied into one array, of which the kernels reach 2^24 elements:
   * the last product is up against that end, and one more is one too many.
   */
  @Test
  void copiedRowsEndWhereTheKernelsReach() {
    int most = (1 << 24) / (4 * 4096);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (int count = most; count <= most + 1; count++) {
        FewRowsProduct product = new FewRowsProduct(4, 17, 4096, type, Order.ROWS);
        FewRowsProduct[] own = new FewRowsProduct[count];
        Arrays.fill(own, product);
        int[] rows = new int[count];
        rows[count - 1] = 4;
        int[] depths = new int[count];
        Arrays.fill(depths, 4096);
        boolean fits = count == most;
        Strided old = Matrices.values(9, 4, 17);
        assertThat(FewRows.run(new FewRowsProduct.Different(own, rows, depths), product.shape()))
            .isEqualTo(fits);
        for (int r = 0; r < 4; r++) {
          for (int j = 0; j < 17; j++) {
            float expected = fits ? product.chain(r, j, 0) : Matrices.get(old, r, j);
            assertSameBits(Matrices.get(product.c, r, j), expected);
          }
        }
      }
    }
  }

  /** Strides of 2^27 bytes and more, in memory of which only the rows themselves are there. */
  @ParameterizedTest
  @ValueSource(longs = {-64, 0, 64})
  void rowsOfTheWeightsLieFarApart(long beyond, @TempDir Path folder) throws IOException {
    int columns = 17;
    long stride = (1L << 27) + beyond;
    Set<OpenOption> options =
        Set.of(
            StandardOpenOption.CREATE_NEW,
            StandardOpenOption.SPARSE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE);
    try (Arena arena = Arena.ofConfined();
        FileChannel file = FileChannel.open(folder.resolve("weights"), options)) {
      MemorySegment far =
          file.map(FileChannel.MapMode.READ_WRITE, 0, (columns - 1) * stride + 4096, arena);
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        for (int rows = 1; rows <= FewRows.MOST; rows++) {
          FewRowsProduct product = new FewRowsProduct(rows, columns, 67, type, Order.ROWS);
          for (int j = 0; j < columns; j++) {
            for (int k = 0; k < 67; k++) {
              Host.set(
                  type,
                  far.address() + j * stride + (long) k * type.bytes(),
                  0,
                  Matrices.get(product.b, k, j));
            }
          }
          GemmGroups there = new FewRowsProduct.Elsewhere(product, far.address());
          GemmF32.Shape near = product.shape();
          GemmF32.Shape distant =
              new GemmF32.Shape(
                  columns,
                  near.aRowStride(),
                  near.aColStride(),
                  near.bType(),
                  near.bRowStride(),
                  stride,
                  near.cRowStride(),
                  false);
          assertThat(FewRows.run(there, distant)).isTrue();
          for (int r = 0; r < rows; r++) {
            for (int j = 0; j < columns; j++) {
              assertSameBits(Matrices.get(product.c, r, j), product.chain(r, j, 0));
            }
          }
        }
      }
    }
  }

  /** Memory behind a matrix may not be there. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void touchesNothingBesideTheMatrix(int rows) {
    try (Arena arena = Arena.ofConfined()) {
      for (boolean half : new boolean[] {false, true}) {
        for (int blocks = 1; blocks <= 9; blocks++) {
          long row = Lanes.BYTES * blocks;
          long stride = row + 64;
          MemorySegment w = arena.allocate(33 * stride, 64);
          for (long at = 0; at < w.byteSize(); at += 8) {
            boolean inside = at < 32 * stride && at % stride < row;
            w.set(ValueLayout.JAVA_LONG, at, inside ? 0 : 1 + at * at);
          }
          float[] x = new float[2 * Lanes.LENGTH * blocks];
          long c = arena.allocate(4 * 64, 64).address();
          long next = w.address() + 16 * stride;
          long touched =
              FewRows.kernel(half, rows, w.address(), stride, next, x, 0, 0, blocks, c, 64, c, 64);
          assertThat(touched).isZero();
          touched = FewRows.kernel(half, rows, next, stride, next, x, 0, 0, blocks, c, 64, c, 64);
          assertThat(touched).isZero();
        }
      }
    }
  }
}
