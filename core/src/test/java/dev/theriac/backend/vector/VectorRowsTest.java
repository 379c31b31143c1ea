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

  /** Rows that are computed together do not disturb each other. */
  @ParameterizedTest
  @CsvSource({"9, 64", "9, 33", "5, 9000"})
  void specialRowsAmongOthers(int rows, int columns) {
    Strided x = random(rows, columns);
    for (int r : new int[] {0, 2, 3, rows - 1}) {
      for (long i = 0; i < columns; i++) {
        Host.setFloat(x.address() + 4 * (r * columns + i), r == 3 && i == 0 ? Float.NaN : -INF);
      }
    }
    Host.setFloat(x.address() + 4L * (columns + columns - 1), Float.NaN);
    Strided soft = run(empty(rows, columns), o -> scalar.softmax().softmax(x, o));
    assertClose("in place", run(copyOf(x), o -> vector.softmax().softmax(o, o)), soft, 1e-6, 1e-7);
    Strided log = run(empty(rows), o -> scalar.softmax().logSumExp(x, o));
    assertClose("lse", run(empty(rows), o -> vector.softmax().logSumExp(x, o)), log, 1e-6, 1);
  }

  /** NaN is not lost where the first blocks of a long row hold nothing else. */
  @Test
  void notANumberBeforeTheFirstNumber() {
    float[] row = new float[9000];
    java.util.Arrays.fill(row, -INF);
    row[17] = Float.NaN;
    row[8000] = 3;
    special(row);
    row[17] = -INF;
    row[5] = 2;
    row[8999] = 90;
    special(row);
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
    String what = row.length < 100 ? java.util.Arrays.toString(row) : "a long row";
    for (int i = 0; i < 4; i++) assertClose(i + " of " + what, out[4 + i], out[i], 1e-6, 1e-6);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 5",
    "1, 1",
    "3, 4",
    "5, 15",
    "2, 16",
    "3, 17",
    "7, 129",
    "3, 1000",
    "100, 515",
    "70, 512",
    "5, 10007",
    "4, 12288"
  })
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
  @CsvSource({
    "0, 5",
    "1, 1",
    "3, 4",
    "5, 15",
    "2, 16",
    "3, 17",
    "7, 129",
    "3, 1000",
    "999, 64",
    "41, 2048"
  })
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
    v.layerNormGradient(x, w, e[1], e[2], g, dx, false, null, null);
    assertThat(bits(dx)).isEqualTo(bits(a[3]));
    Strided db = empty(columns);
    v.layerNormGradient(x, w, e[1], e[2], g, null, false, null, db);
    assertThat(bits(db)).isEqualTo(bits(a[5]));
  }

  /** Elements far from the others, where the first guess of the mean is taken from too. */
  @ParameterizedTest
  @CsvSource({"64", "129", "2048"})
  void normOfRowsWithOutliers(int columns) {
    Strided x = random(6, columns);
    Strided w = random(columns);
    Strided g = random(6, columns);
    for (int r = 0; r < 4; r++) Host.setFloat(x.address() + 4L * columns * r, 1000 * (r + 1));
    for (int i = 0; i < columns; i++) {
      Host.setFloat(x.address() + 4L * (4 * columns + i), 1e4f + i % 3);
    }
    Strided[] e = norms(scalar.norm(), x, w, w, g);
    Strided[] a = norms(vector.norm(), x, w, w, g);
    for (int i : new int[] {0, 1, 2, 6, 7}) assertClose(i + "", a[i], e[i], 4e-6, i == 0 ? 1e4 : 3);
    assertClose("rstd", a[2], e[2], 2e-6, 0);
  }

  /** Rows whose sums or squares F32 does not hold, and rows with elements that are no numbers. */
  @ParameterizedTest
  @CsvSource({"1", "5", "64", "129", "512"})
  void normOfLargeElements(int columns) {
    Strided w = random(columns);
    Strided zero = run(empty(2, columns), o -> scalar.elementwise().fill(o, 0));
    for (float large : new float[] {1e38f, 3e38f, 1e20f, 1e19f, INF, Float.NaN}) {
      for (boolean constant : new boolean[] {true, false}) {
        Strided x = random(2, columns);
        for (int i = 0; i < columns; i++) {
          boolean negative = !constant && i % 2 == 1;
          Host.setFloat(x.address() + 4L * i, (negative ? -0.5f : 1) * large);
        }
        Strided[][] out = new Strided[2][];
        for (int k = 0; k < 2; k++) {
          NormKernels norm = k == 0 ? scalar.norm() : vector.norm();
          out[k] = norms(norm, x, zero, w);
        }
        for (int i = 0; i < 12; i++) {
          String what = "result " + i + " of " + large + (constant ? "" : " and -" + large);
          double size = Float.isFinite(large) ? large : 3;
          double scale = i == 6 || i == 8 ? size : i < 6 ? 3 : 0;
          assertClose(what, out[1][i], out[0][i], 4e-6, scale);
        }
      }
    }
  }

  /** One operation gives the bits of two. */
  @ParameterizedTest
  @CsvSource({"0, 5", "1, 1", "5, 15", "2, 16", "7, 129", "41, 2048"})
  void addingAndNormalisingAtOnce(long rows, long columns) {
    Strided x = random(rows, columns);
    Strided r = random(rows, columns);
    Strided w = random(columns);
    Strided b = random(columns);
    for (var backend : new dev.theriac.backend.Backend[] {scalar, vector}) {
      Strided sum = run(copyOf(x), o -> backend.elementwise().accumulate(o, r));
      Strided[] e = norms(backend.norm(), sum, w, b, r);
      Strided[] a = new Strided[7];
      for (int i : new int[] {0, 3, 4, 6}) a[i] = empty(rows, columns);
      for (int i : new int[] {1, 2, 5}) a[i] = empty(rows);
      backend.norm().addLayerNorm(x, r, w, b, 1e-5f, a[3], a[0], a[1], a[2]);
      backend.norm().addRmsNorm(x, r, w, 1e-6f, a[4], a[6], a[5]);
      for (int i = 0; i < 3; i++) assertThat(bits(a[i])).isEqualTo(bits(e[i]));
      assertThat(bits(a[3])).isEqualTo(bits(sum));
      assertThat(bits(a[4])).isEqualTo(bits(sum));
      assertThat(bits(a[5])).isEqualTo(bits(e[7]));
      assertThat(bits(a[6])).isEqualTo(bits(e[6]));
    }
  }

  /** A gradient that is added to another one is rounded first. */
  @ParameterizedTest
  @CsvSource({"0, 5", "1, 1", "5, 15", "2, 16", "7, 129", "41, 2048"})
  void gradientsAddedToOthers(long rows, long columns) {
    Strided x = random(rows, columns);
    Strided w = random(columns);
    Strided g = random(rows, columns);
    Strided other = random(rows, columns);
    Strided mean = random(rows);
    Strided rstd = random(rows);
    for (var backend : new dev.theriac.backend.Backend[] {scalar, vector}) {
      NormKernels norm = backend.norm();
      for (boolean centred : new boolean[] {true, false}) {
        Strided[] apart = {empty(rows, columns), empty(columns), empty(columns)};
        Strided[] added = {copyOf(other), empty(columns), empty(columns)};
        for (Strided[] to : new Strided[][] {apart, added}) {
          if (centred) {
            norm.layerNormGradient(x, w, mean, rstd, g, to[0], to == added, to[1], to[2]);
          } else {
            norm.rmsNormGradient(x, w, rstd, g, to[0], to == added, to[1]);
          }
        }
        backend.elementwise().accumulate(apart[0], other);
        for (int i = 0; i < (centred ? 3 : 2); i++) {
          assertThat(bits(added[i])).isEqualTo(bits(apart[i]));
        }
      }
    }
  }

  /** The gradient of the logits may take their place. */
  @Test
  void crossEntropyGradientInPlace() {
    Strided x = random(5, 1003);
    Strided targets = ofLongs(3, -100, 0, 1002, 7);
    Strided lse = run(empty(5), o -> scalar.softmax().logSumExp(x, o));
    for (var backend : new dev.theriac.backend.Backend[] {scalar, vector}) {
      LossKernels loss = backend.loss();
      Strided apart = empty(5, 1003);
      loss.crossEntropyGradient(x, targets, -100, lse, 0.5f, apart);
      Strided in = copyOf(x);
      loss.crossEntropyGradient(in, targets, -100, lse, 0.5f, in);
      assertThat(bits(in)).isEqualTo(bits(apart));
    }
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
    n.layerNormGradient(x, w, mean, rstd, g, out[3], false, out[4], out[5]);
    n.rmsNorm(x, w, 1e-6f, out[6], out[7]);
    n.rmsNormGradient(x, w, rms, g, out[8], false, out[9]);
    return out;
  }

  /** Norms write one row while they read the next: neither may show in the other. */
  @ParameterizedTest
  @CsvSource({"16", "32", "48", "80", "17"})
  void normsOfRowsAloneAndTogether(int columns) {
    int rows = 6;
    Strided x = random(rows, columns);
    Strided r = random(rows, columns);
    Strided w = random(columns);
    for (int i = 0; i < columns; i++) {
      Host.setFloat(x.address() + 4L * (columns + i), 1e30f * i);
      Host.setFloat(x.address() + 4L * (3 * columns + i), Float.NaN);
    }
    // A guess of the mean that is far off.
    Host.setFloat(x.address() + 4L * 4 * columns, 1e6f);
    Strided[] together = norms(vector.norm(), x, r, w);
    for (int row = 0; row < rows; row++) {
      Strided[] alone = norms(vector.norm(), row(x, row, columns), row(r, row, columns), w);
      for (int i = 0; i < alone.length; i++) {
        int n = (int) alone[i].size();
        assertThat(bits(alone[i]))
            .as("result %d of row %d", i, row)
            .isEqualTo(bits(row(together[i], row, n)));
      }
    }
  }

  private static Strided row(Strided x, int row, int columns) {
    Strided y = empty(1, columns);
    for (int i = 0; i < columns; i++) {
      Host.setInt(y.address() + 4L * i, Host.getInt(x.address() + 4L * ((long) row * columns + i)));
    }
    return y;
  }

  /** Sums, results and statistics of both norms, alone and with an addend. */
  private static Strided[] norms(NormKernels norm, Strided x, Strided r, Strided w) {
    long rows = x.size(0);
    Strided[] o = new Strided[12];
    for (int i = 0; i < 12; i++) o[i] = i < 6 ? empty(rows, x.size(1)) : empty(rows);
    norm.layerNorm(x, w, w, 1e-5f, o[0], o[6], o[7]);
    norm.addLayerNorm(x, r, w, w, 1e-5f, o[1], o[2], o[8], o[9]);
    norm.rmsNorm(x, w, 1e-5f, o[3], o[10]);
    norm.addRmsNorm(x, r, w, 1e-5f, o[4], o[5], o[11]);
    return o;
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
    for (int columns : new int[] {67, 64}) bitsDoNotDependOnThreads(columns);
  }

  private void bitsDoNotDependOnThreads(int columns) {
    Strided x = random(3000, columns);
    Strided g = random(3000, columns);
    Strided w = random(columns);
    Strided mean = random(3000);
    Strided rstd = random(3000);
    assertSameForThreads(() -> {
      Strided[] out = {
        empty(3000, columns), empty(3000, columns), empty(columns), empty(columns), empty(3000)
      };
      vector.softmax().logSumExp(x, out[4]);
      vector.softmax().softmax(x, out[0]);
      vector.norm().layerNormGradient(x, w, mean, rstd, g, out[1], false, out[2], out[3]);
      return out;
    });
  }

  @ParameterizedTest
  @CsvSource({"100", "128"})
  void warmCallsAllocateNothing(int columns) {
    Strided x = random(64, columns);
    Strided y = random(64, columns);
    Strided w = random(columns);
    Strided mean = random(64);
    Strided rstd = random(64);
    Strided out = random(64, columns);
    Strided dw = random(columns);
    Strided targets = ofLongs(new long[64]);
    assertWarmCallAllocatesNothing("softmax", () -> vector.softmax().softmax(x, out));
    assertWarmCallAllocatesNothing(
        "softmax gradient", () -> vector.softmax().softmaxGradient(y, x, out));
    assertWarmCallAllocatesNothing(
        "layer norm", () -> vector.norm().layerNorm(x, w, w, 1e-5f, out, mean, rstd));
    Strided sum = random(64, columns);
    assertWarmCallAllocatesNothing(
        "sum and norm", () -> vector.norm().addRmsNorm(x, y, w, 1e-5f, sum, out, rstd));
    assertWarmCallAllocatesNothing(
        "sum and layer norm",
        () -> vector.norm().addLayerNorm(x, y, w, w, 1e-5f, sum, out, mean, rstd));
    assertWarmCallAllocatesNothing("rms norm", () -> vector.norm().rmsNorm(x, w, 1e-5f, out, rstd));
    assertWarmCallAllocatesNothing(
        "rms norm gradient", () -> vector.norm().rmsNormGradient(x, w, rstd, y, out, true, dw));
    assertWarmCallAllocatesNothing("lse", () -> vector.softmax().logSumExp(x, mean));
    assertWarmCallAllocatesNothing(
        "layer norm gradient",
        () -> vector.norm().layerNormGradient(x, w, mean, rstd, y, out, false, dw, dw));
    assertWarmCallAllocatesNothing(
        "cross-entropy", () -> vector.loss().crossEntropy(x, targets, -100, mean, rstd));
    assertWarmCallAllocatesNothing(
        "cross-entropy gradient",
        () -> vector.loss().crossEntropyGradient(x, targets, -100, rstd, 1, out));
  }
}
