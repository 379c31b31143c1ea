package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Strided;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VectorAttentionTest extends KernelFixture {
  /** batch, queries, keys, heads, key-value heads, depth. */
  private record Case(int b, int t, int s, int h, int g, int d, boolean causal, Strided lengths) {}

  private void check(Case c) {
    // Queries, keys and values as slices of one projection, the way models make them.
    Strided all = random(c.b, Math.max(c.t, c.s), c.h + 2 * c.g, c.d);
    Strided q = all.with(all.layout().slice(2, 0, c.h).slice(1, 0, c.t));
    Strided k = all.with(all.layout().slice(2, c.h, c.h + c.g).slice(1, 0, c.s));
    Strided v = all.with(all.layout().slice(2, c.h + c.g, c.h + 2 * c.g).slice(1, 0, c.s));
    Strided grad = random(c.b, c.t, c.h, c.d);
    float scale = (float) (1 / Math.sqrt(c.d));
    Strided[] e = both(scalar.attention(), c, q, k, v, grad, scale, null);
    Strided[] a = both(vector.attention(), c, q, k, v, grad, scale, e);
    assertClose("out " + c, a[0], e[0], 2e-6, 1);
    assertClose("lse " + c, a[1], e[1], 2e-6, 1);
    double sums = Math.sqrt(c.t * (double) c.h / c.g + 1);
    assertClose("dq " + c, a[2], e[2], 4e-6, 1);
    assertClose("dk " + c, a[3], e[3], 4e-6, sums);
    assertClose("dv " + c, a[4], e[4], 4e-6, sums);
  }

  /** Forward, then backward from {@code saved}'s result, or from its own where null. */
  private static Strided[] both(
      AttentionKernels kernels,
      Case c,
      Strided q,
      Strided k,
      Strided v,
      Strided grad,
      float scale,
      Strided[] saved) {
    Strided out = empty(c.b, c.t, c.h, c.d);
    Strided lse = empty(c.b, c.h, c.t);
    Strided dq = empty(c.b, c.t, c.h, c.d);
    Strided dk = empty(c.b, c.s, c.g, c.d);
    Strided dv = empty(c.b, c.s, c.g, c.d);
    kernels.attention(q, k, v, c.lengths, c.causal, scale, out, lse);
    Strided y = saved == null ? out : saved[0];
    Strided l = saved == null ? lse : saved[1];
    kernels.attentionGradient(q, k, v, c.lengths, c.causal, scale, y, l, grad, dq, dk, dv);
    return new Strided[] {out, lse, dq, dk, dv};
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 1, 1, 1, 1",
    "2, 3, 3, 2, 1, 8",
    "1, 17, 17, 4, 2, 16",
    "2, 50, 50, 2, 2, 32",
    "1, 64, 64, 1, 1, 64",
    "1, 129, 129, 2, 1, 17",
    "1, 1, 129, 4, 4, 20",
    "3, 1, 40, 4, 2, 16",
    "2, 1, 17, 2, 1, 32",
    "1, 1, 300, 1, 1, 80",
    "2, 1, 1, 2, 2, 64",
    "2, 1, 6000, 4, 2, 16",
    "1, 1, 0, 2, 1, 16",
    "2, 5, 33, 3, 3, 15",
    "1, 200, 300, 1, 1, 80",
    "0, 4, 4, 2, 2, 8",
    "1, 25, 16, 1, 1, 48",
    "1, 100, 2100, 2, 1, 16",
    "1, 1100, 1100, 1, 1, 8"
  })
  void agreesWithScalar(int b, int t, int s, int h, int g, int d) {
    for (boolean causal : new boolean[] {false, true}) {
      check(new Case(b, t, s, h, g, d, causal, null));
      long[] lengths = new long[b];
      for (int i = 0; i < b; i++) lengths[i] = i == 0 ? s / 2 : s;
      check(new Case(b, t, s, h, g, d, causal, ofLongs(lengths)));
    }
  }

  @Test
  void nothingToSeeGivesZeros() {
    check(new Case(2, 30, 30, 2, 2, 16, false, ofLongs(0, 30)));
    check(new Case(1, 30, 7, 1, 1, 16, true, null));
    check(new Case(2, 1, 30, 2, 2, 32, false, ofLongs(0, 9)));
  }

  /** What lies behind a sequence's end must not leak in, not even as 0 times infinity. */
  @Test
  void hiddenKeysAreNotRead() {
    Strided q = random(1, 30, 2, 16);
    Strided k = random(1, 40, 2, 16);
    Strided v = random(1, 40, 2, 16);
    Strided grad = random(1, 30, 2, 16);
    for (long i = 21 * 32; i < k.size(); i++) {
      Host.setFloat(k.address() + 4 * i, Float.NaN);
      Host.setFloat(v.address() + 4 * i, Float.POSITIVE_INFINITY);
    }
    Case c = new Case(1, 30, 40, 2, 2, 16, false, ofLongs(21));
    for (Strided x : both(vector.attention(), c, q, k, v, grad, 0.25f, null)) {
      for (double value : values(x)) assertThat(value).isFinite();
    }
  }

  /**
   * A NaN or an infinity in one row of an operand goes where the scalar kernels let it go, and
   * nowhere else: not to the queries that do not see a key, nor to the keys that a query hides.
   */
  @ParameterizedTest
  @CsvSource({"8, 8, 16", "32, 32, 20", "70, 70, 64", "50, 131, 8", "30, 25, 16", "9, 1100, 16"})
  void hiddenRowsDoNotLeak(int t, int s, int d) {
    for (int operand = 0; operand < 4; operand++) {
      int rows = operand == 0 || operand == 3 ? t : s;
      for (int row : new int[] {0, rows / 2, rows / 2 + 1, rows - 2, rows - 1}) {
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
          // An infinite query or key makes scores of -infinity: a matter of its own.
          if (!Float.isNaN(value) && operand < 2) continue;
          leak(new Case(1, t, s, 2, 1, d, true, null), operand, row, value);
          leak(new Case(1, t, s, 2, 1, d, true, ofLongs(s - 3)), operand, row, value);
          leak(new Case(1, t, s, 2, 1, d, false, ofLongs(s - 3)), operand, row, value);
        }
      }
    }
  }

  private void leak(Case c, int operand, int row, float value) {
    Strided[] x = {
      random(1, c.t, c.h, c.d),
      random(1, c.s, c.g, c.d),
      random(1, c.s, c.g, c.d),
      random(1, c.t, c.h, c.d)
    };
    long width = x[operand].size(2) * c.d;
    Host.setFloat(x[operand].address() + 4 * (row * width), value);
    Strided[] e = both(scalar.attention(), c, x[0], x[1], x[2], x[3], 0.25f, null);
    Strided[] a = both(vector.attention(), c, x[0], x[1], x[2], x[3], 0.25f, e);
    for (int i = 0; i < e.length; i++) {
      double[] expected = values(e[i]);
      double[] actual = values(a[i]);
      for (int j = 0; j < expected.length; j++) {
        assertThat(Double.isFinite(actual[j]))
            .as("%s: %f in row %d of %d, result %d at %d", c, value, row, operand, i, j)
            .isEqualTo(Double.isFinite(expected[j]));
      }
    }
  }

  /** Scratch beyond what a thread keeps is counted while it is used, and then given back. */
  @Test
  void largeScratchIsCountedAndFreed() {
    int keys = 40_000;
    Strided q = random(1, 1, 2, 128);
    Strided k = empty(1, keys, 2, 128);
    scalar.elementwise().fill(k, 0.5);
    Strided dk = empty(1, keys, 2, 128);
    Strided out = empty(1, 1, 2, 128);
    Strided lse = empty(1, 2, 1);
    Strided dq = empty(1, 1, 2, 128);
    AttentionKernels kernels = vector.attention();
    kernels.attention(q, k, k, null, true, 0.1f, out, lse);
    long live = Memory.stats().live();
    Memory.resetPeak();
    kernels.attentionGradient(q, k, k, null, true, 0.1f, out, lse, q, dq, dk, dk);
    assertThat(Memory.stats().peak() - live).isGreaterThan(4L * 4 * 128 * keys);
    assertThat(Memory.stats().live()).isEqualTo(live);
  }

  @Test
  void bitsDoNotDependOnThreads() {
    Strided q = random(3, 160, 4, 32);
    Strided k = random(3, 160, 2, 32);
    Strided v = random(3, 160, 2, 32);
    Case c = new Case(3, 160, 160, 4, 2, 32, true, ofLongs(160, 100, 7));
    assertSameForThreads(() -> both(vector.attention(), c, q, k, v, q, 0.2f, null));
  }

  /** Scalar code that stands in for tiles not compiled yet must not show in the result. */
  @Test
  void bitsDoNotDependOnTheCompiler() throws InterruptedException {
    Strided q = random(1, 70, 2, 20);
    Strided k = random(1, 90, 1, 20);
    Case c = new Case(1, 70, 90, 2, 1, 20, true, null);
    assertThat(AttentionWarmUp.await(120)).isTrue();
    Strided[] compiled = both(vector.attention(), c, q, k, k, q, 0.2f, null);
    AttentionWarmUp.use(false);
    try {
      Strided[] scalar = both(vector.attention(), c, q, k, k, q, 0.2f, null);
      for (int i = 0; i < scalar.length; i++) {
        assertThat(values(scalar[i])).isEqualTo(values(compiled[i]));
      }
    } finally {
      AttentionWarmUp.use(true);
    }
  }

  /** A query gives the same bits alone among others, wherever its block begins. */
  @Test
  void rowsDoNotDependOnTheirNeighbours() {
    Strided q = random(1, 131, 2, 20);
    Strided k = random(1, 131, 2, 20);
    double[] all = values(forward(q, k));
    for (int t : new int[] {3, 49, 100, 131}) {
      for (int first : new int[] {0, t / 2, t - 2}) {
        Strided some = q.with(q.layout().slice(1, first, t));
        double[] part = values(forward(some, k.with(k.layout().slice(1, 0, t))));
        assertThat(part).isEqualTo(Arrays.copyOfRange(all, first * 40, t * 40));
      }
    }
  }

  private Strided forward(Strided q, Strided k) {
    Strided out = empty(q.layout().shape());
    Strided lse = empty(q.size(0), q.size(2), q.size(1));
    vector.attention().attention(q, k, k, null, true, 0.2f, out, lse);
    return out;
  }

  @Test
  void warmCallsAllocateNothing() throws InterruptedException {
    assertThat(AttentionWarmUp.await(120)).isTrue();
    Strided q = random(2, 50, 4, 32);
    Strided k = random(2, 50, 2, 32);
    Strided out = empty(2, 50, 4, 32);
    Strided lse = empty(2, 4, 50);
    Strided dk = empty(2, 50, 2, 32);
    AttentionKernels kernels = vector.attention();
    Runnable forward = () -> kernels.attention(q, k, k, null, true, 0.2f, out, lse);
    forward.run();
    assertWarmCallAllocatesNothing("attention", forward);
    Strided one = random(2, 1, 4, 32);
    Strided oneOut = empty(2, 1, 4, 32);
    Strided oneLse = empty(2, 4, 1);
    assertWarmCallAllocatesNothing(
        "attention of one query",
        () -> kernels.attention(one, k, k, null, true, 0.2f, oneOut, oneLse));
    Strided dq = empty(2, 50, 4, 32);
    assertWarmCallAllocatesNothing(
        "attention gradient",
        () -> kernels.attentionGradient(q, k, k, null, true, 0.2f, out, lse, q, dq, dk, dk));
  }
}
