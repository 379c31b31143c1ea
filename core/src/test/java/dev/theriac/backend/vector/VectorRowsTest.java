package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.LossKernels;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.SoftmaxKernels;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Softmax, cross-entropy and the norms: kernels that work row by row. */
class VectorRowsTest extends KernelFixture {
  private static final float INF = Float.POSITIVE_INFINITY;

  @ParameterizedTest
  @CsvSource({"0, 5", "1, 1", "3, 4", "5, 15", "2, 16", "3, 17", "7, 129", "3, 1000", "100, 64"})
  void softmaxAgreesWithScalar(long rows, long columns) {
    SoftmaxKernels s = scalar.softmax();
    SoftmaxKernels v = vector.softmax();
    Strided x = random(rows, columns);
    Strided g = random(rows, columns);
    scalar.elementwise().affine(copyOf(x), 5, 20, x);
    Strided y = run(empty(rows, columns), o -> s.softmax(x, o));
    Strided log = run(empty(rows, columns), o -> s.logSoftmax(x, o));
    assertClose("softmax", run(empty(rows, columns), o -> v.softmax(x, o)), y, 1e-6, 1e-7);
    assertClose("log", run(empty(rows, columns), o -> v.logSoftmax(x, o)), log, 1e-6, 1);
    assertClose(
        "softmax gradient",
        run(empty(rows, columns), o -> v.softmaxGradient(y, g, o)),
        run(empty(rows, columns), o -> s.softmaxGradient(y, g, o)),
        2e-6,
        1);
    assertClose(
        "log-softmax gradient",
        run(empty(rows, columns), o -> v.logSoftmaxGradient(log, g, o)),
        run(empty(rows, columns), o -> s.logSoftmaxGradient(log, g, o)),
        1e-5,
        1);
  }

  @Test
  void softmaxOfSpecialRows() {
    float[] row = new float[20];
    for (int spoiled : new int[] {0, 7, 15, 16, 19}) {
      for (float value : new float[] {Float.NaN, -INF, 1e30f, -1e30f}) {
        java.util.Arrays.fill(row, 1);
        row[spoiled] = value;
        special(row);
        java.util.Arrays.fill(row, -INF);
        row[spoiled] = value;
        special(row);
      }
    }
  }

  /** Infinity minus itself: the row is lost, and says so. */
  @Test
  void softmaxOfInfinityIsNotANumber() {
    Strided x = of(1, INF, 2).with(Layout.contiguous(1, 3));
    assertThat(values(run(empty(1, 3), o -> vector.softmax().softmax(x, o)))[1]).isNaN();
  }

  private void special(float[] row) {
    Strided flat = of(row);
    Strided x = flat.with(Layout.contiguous(1, row.length));
    Strided target = ofLongs(3);
    Strided[] out = new Strided[8];
    for (int i = 0; i < out.length; i++) out[i] = empty(1, i % 4 < 2 ? row.length : 1);
    scalar.softmax().softmax(x, out[0]);
    scalar.softmax().logSoftmax(x, out[1]);
    scalar.loss().crossEntropy(x, target, -100, out[2], out[3]);
    vector.softmax().softmax(x, out[4]);
    vector.softmax().logSoftmax(x, out[5]);
    vector.loss().crossEntropy(x, target, -100, out[6], out[7]);
    String what = java.util.Arrays.toString(row);
    for (int i = 0; i < 4; i++) assertClose(i + " of " + what, out[4 + i], out[i], 1e-6, 1e-6);
  }

  @ParameterizedTest
  @CsvSource({"0, 5", "1, 1", "3, 4", "5, 15", "2, 16", "3, 17", "7, 129", "3, 1000", "100, 515"})
  void crossEntropyAgreesWithScalar(long rows, long classes) {
    LossKernels s = scalar.loss();
    LossKernels v = vector.loss();
    Strided x = random(rows, classes);
    long[] ids = new long[(int) rows];
    for (int i = 0; i < rows; i++) ids[i] = i % 3 == 2 ? -100 : rng.nextInt((int) classes);
    Strided targets = ofLongs(ids);
    Strided[] out = {empty(rows), empty(rows), empty(rows), empty(rows)};
    s.crossEntropy(x, targets, -100, out[0], out[1]);
    v.crossEntropy(x, targets, -100, out[2], out[3]);
    assertClose("losses", out[2], out[0], 1e-6, 1);
    assertClose("lse", out[3], out[1], 1e-6, 1);
    assertClose(
        "dlogits",
        run(empty(rows, classes), o -> v.crossEntropyGradient(x, targets, -100, out[1], 0.25f, o)),
        run(empty(rows, classes), o -> s.crossEntropyGradient(x, targets, -100, out[1], 0.25f, o)),
        1e-6,
        0.25);
  }

  @ParameterizedTest
  @CsvSource({"0, 5", "1, 1", "3, 4", "5, 15", "2, 16", "3, 17", "7, 129", "3, 1000", "999, 64"})
  void normsAgreeWithScalar(long rows, long columns) {
    NormKernels s = scalar.norm();
    NormKernels v = vector.norm();
    Strided x = random(rows, columns);
    scalar.elementwise().affine(copyOf(x), 2, 1.5f, x);
    Strided w = random(columns);
    Strided b = random(columns);
    Strided g = random(rows, columns);
    Strided[] e = norms(s, x, w, b, g);
    Strided[] a = norms(v, x, w, b, g);
    for (int i = 0; i < e.length; i++) {
      boolean parameter = i == 4 || i == 5 || i == 9;
      assertClose(i + "", a[i], e[i], 4e-6, parameter ? Math.sqrt(rows) * 3 : 3);
    }
    assertClose("rstd", a[2], e[2], 2e-6, 0);
    // Gradients that nobody asked for.
    Strided dx = empty(rows, columns);
    v.layerNormGradient(x, w, e[1], e[2], g, dx, null, null);
    assertThat(bits(dx)).isEqualTo(bits(a[3]));
    Strided db = empty(columns);
    v.layerNormGradient(x, w, e[1], e[2], g, null, null, db);
    assertThat(bits(db)).isEqualTo(bits(a[5]));
  }

  /** Of LayerNorm y, mean, rstd, dx, dw, db, then of RMSNorm y, rstd, dx, dw. */
  private Strided[] norms(NormKernels n, Strided x, Strided w, Strided b, Strided g) {
    long rows = x.size(0);
    long columns = x.size(1);
    Strided[] out = new Strided[10];
    for (int i : new int[] {0, 3, 6, 8}) out[i] = empty(rows, columns);
    for (int i : new int[] {1, 2, 7}) out[i] = empty(rows);
    for (int i : new int[] {4, 5, 9}) out[i] = empty(columns);
    n.layerNorm(x, w, b, 1e-5f, out[0], out[1], out[2]);
    Strided mean = empty(rows);
    Strided rstd = empty(rows);
    Strided rms = empty(rows);
    Strided unused = empty(rows, columns);
    scalar.norm().layerNorm(x, w, b, 1e-5f, unused, mean, rstd);
    scalar.norm().rmsNorm(x, w, 1e-6f, unused, rms);
    n.layerNormGradient(x, w, mean, rstd, g, out[3], out[4], out[5]);
    n.rmsNorm(x, w, 1e-6f, out[6], out[7]);
    n.rmsNormGradient(x, w, rms, g, out[8], out[9]);
    return out;
  }

  /** Equal rows give equal bits, whatever their alignment: 33 floats are not a whole line. */
  @Test
  void positionDoesNotMatter() {
    Strided x = empty(40, 33);
    for (long i = 0; i < x.size(); i++) {
      Host.setFloat(x.address() + 4 * i, (float) Math.sin(i % 33));
    }
    Strided w = random(33);
    Strided y = run(empty(40, 33), o -> vector.softmax().softmax(x, o));
    Strided z = run(empty(40, 33), o -> vector.norm().rmsNorm(x, w, 1e-6f, o, empty(40)));
    for (int r = 1; r < 40; r++) {
      for (int i = 0; i < 33; i++) {
        long o = 4L * (33 * r + i);
        assertThat(Host.getInt(y.address() + o)).isEqualTo(Host.getInt(y.address() + 4L * i));
        assertThat(Host.getInt(z.address() + o)).isEqualTo(Host.getInt(z.address() + 4L * i));
      }
    }
  }

  @Test
  void bitsDoNotDependOnThreads() {
    Strided x = random(3000, 67);
    Strided g = random(3000, 67);
    Strided w = random(67);
    Strided mean = random(3000);
    Strided rstd = random(3000);
    assertSameForThreads(() -> {
      Strided[] out = {empty(3000, 67), empty(3000, 67), empty(67), empty(67)};
      vector.softmax().softmax(x, out[0]);
      vector.norm().layerNormGradient(x, w, mean, rstd, g, out[1], out[2], out[3]);
      return out;
    });
  }

  @Test
  void warmCallsAllocateNothing() {
    Strided x = random(64, 100);
    Strided y = random(64, 100);
    Strided w = random(100);
    Strided mean = random(64);
    Strided rstd = random(64);
    Strided out = random(64, 100);
    Strided dw = random(100);
    Strided targets = ofLongs(new long[64]);
    assertWarmCallAllocatesNothing("softmax", () -> vector.softmax().softmax(x, out));
    assertWarmCallAllocatesNothing(
        "softmax gradient", () -> vector.softmax().softmaxGradient(y, x, out));
    assertWarmCallAllocatesNothing(
        "layer norm", () -> vector.norm().layerNorm(x, w, w, 1e-5f, out, mean, rstd));
    assertWarmCallAllocatesNothing(
        "layer norm gradient",
        () -> vector.norm().layerNormGradient(x, w, mean, rstd, y, out, dw, dw));
    assertWarmCallAllocatesNothing(
        "cross-entropy", () -> vector.loss().crossEntropy(x, targets, -100, mean, rstd));
    assertWarmCallAllocatesNothing(
        "cross-entropy gradient",
        () -> vector.loss().crossEntropyGradient(x, targets, -100, rstd, 1, out));
  }
}
