package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;

class CudaSelectionTest extends CudaFixture {
  @Test
  void checksOfTheFamily() {
    assertChecks("selection.", 2 * 0x1p-24);
  }

  /** Few values, so that many are equal, with NaN and infinities among them. */
  private Strided scores(long rows, int columns, long seed) {
    Strided x = empty(rows, columns);
    Rng rng = new Rng(seed);
    float[] values = {1, 1, 2, 0, -0f, -1, Float.NaN, Float.NEGATIVE_INFINITY, 3, 0.5f};
    for (long i = 0; i < x.size(); i++) {
      Host.setFloat(x.address() + 4 * i, values[rng.nextInt(values.length)]);
    }
    return x;
  }

  @Test
  void choosesAsTheScalarKernels() {
    int[][] cases = {
      {1, 1, 1, 1, 1}, {4, 2, 1, 1, 1}, {33, 5, 1, 1, 1}, {129, 8, 1, 1, 1}, {64, 64, 1, 1, 1},
      {8, 2, 4, 2, 2}, {64, 6, 8, 3, 2}, {60, 7, 12, 5, 1}, {96, 4, 3, 1, 5}, {6, 1, 6, 2, 4}
    };
    for (int[] c : cases) {
      for (long rows : new long[] {1, 3, 17, 129}) {
        Strided x = scores(rows, c[0], rows + c[0]);
        Strided wanted = empty(DType.I64, rows, c[1]);
        Strided found = empty(DType.I64, rows, c[1]);
        scalar.selection().select(x, c[1], c[2], c[3], c[4], wanted);
        cuda.selection().select(x, c[1], c[2], c[3], c[4], found);
        assertSame("select", found, wanted);
      }
    }
  }

  @Test
  void saysWhatIsUnusable() {
    for (int columns : new int[] {1, 3, 40}) {
      Strided x = scores(129, columns, columns);
      Strided wanted = empty(DType.BOOL, 129);
      Strided found = empty(DType.BOOL, 129);
      scalar.selection().unusable(x, wanted);
      cuda.selection().unusable(x, found);
      assertSame("unusable", found, wanted);
    }
  }

  private record Sorted(
      long rows, Strided offsets, Strided token, Strided slot, Strided start, Strided row) {}

  private Sorted sort(Backend backend, Strided ids, int groups, boolean known) {
    long tokens = ids.size(0);
    Sorted s =
        new Sorted(
            0,
            empty(DType.I64, groups + 1),
            empty(DType.I64, ids.size()),
            empty(DType.I64, ids.size()),
            empty(DType.I64, tokens + 1),
            empty(DType.I64, ids.size()));
    long rows =
        backend
            .selection()
            .sortRows(ids, groups, known, s.offsets, s.token, s.slot, s.start, s.row);
    return new Sorted(rows, s.offsets, s.token, s.slot, s.start, s.row);
  }

  private Strided ids(long tokens, int topK, int groups, double dropped, long seed) {
    Strided ids = empty(DType.I64, tokens, topK);
    Rng rng = new Rng(seed);
    for (long t = 0; t < tokens; t++) {
      int first = rng.nextInt(groups);
      for (int j = 0; j < topK; j++) {
        boolean none = rng.nextFloat() < dropped;
        // A step that shares no divisor with the number of groups meets each once.
        Host.setLong(ids.address() + 8 * (t * topK + j), none ? -1 : (first + 5L * j) % groups);
      }
    }
    return ids;
  }

  /** In one launch and in four; with and without dropped choices. */
  @Test
  void sortsAsTheScalarKernels() {
    int[][] cases = {{1, 1, 1}, {3, 2, 4}, {17, 3, 8}, {129, 2, 16}, {700, 4, 64}, {700, 2, 1999}};
    for (int[] c : cases) {
      for (double dropped : new double[] {0, 0.3, 1}) {
        Strided ids = ids(c[0], c[1], c[2], dropped, c[0]);
        Sorted wanted = sort(scalar, ids, c[2], false);
        Sorted found = sort(cuda, ids, c[2], dropped == 0);
        assertThat(found.rows).isEqualTo(wanted.rows);
        assertSame("offsets", found.offsets, wanted.offsets);
        assertSame("tokenStart", found.start, wanted.start);
        Strided[][] pairs = {
          {found.token, wanted.token}, {found.slot, wanted.slot}, {found.row, wanted.row}
        };
        for (Strided[] pair : pairs) {
          for (long r = 0; r < wanted.rows; r++) {
            assertThat(Host.getLong(pair[0].address() + 8 * r))
                .isEqualTo(Host.getLong(pair[1].address() + 8 * r));
          }
        }
      }
    }
  }

  @Test
  void wrongChoicesAreNamed() {
    Strided ids = ids(200, 2, 8, 0, 1);
    Host.setLong(ids.address() + 8 * (150 * 2 + 1), 8);
    assertThatThrownBy(() -> sort(cuda, ids, 8, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("id 8 of token 150, choice 1 is not in [0, 8)");
    Host.setLong(ids.address() + 8 * (100 * 2), 3);
    Host.setLong(ids.address() + 8 * (100 * 2 + 1), 3);
    assertThatThrownBy(() -> sort(cuda, ids, 8, false))
        .hasMessageContaining("token 100 chose 3 twice, the second time with choice 1");
  }
}
