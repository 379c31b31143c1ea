package dev.theriac.cuda;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

/** LayerNorm and RMSNorm with their gradients, each beside the scalar kernels. */
class CudaNormTest {
  private static final float EPS = 1e-5f;

  /** Around what a warp, then a block keeps in registers; with and without a rest of four. */
  private static final int[] WIDTHS = {
    1, 3, 4, 64, 83, 256, 257, 260, 1024, 2051, 4096, 4100, 4097
  };

  private final CudaDevice device = EmulatedCuda.device();

  /** A value for each place: near normal, without a repeat that a wrong index could hide in. */
  private static double normal(int seed, int i) {
    double u = Math.floorMod((i + 1) * 7919L * (seed + 13), 10007) / 10007.0;
    double v = Math.floorMod((i + 3) * 104729L * (seed + 5), 10009) / 10009.0;
    return Math.sqrt(-2 * Math.log(1e-4 + u)) * Math.cos(2 * Math.PI * v);
  }

  private static IntToDoubleFunction normals(int seed) {
    return i -> normal(seed, i);
  }

  private static Twins.Problem layer(int offset, long rows, long d, IntToDoubleFunction x) {
    return (t, b) ->
        b.norm()
            .layerNorm(
                t.floats(offset, x, rows, d),
                t.floats(offset, normals(2), d),
                t.floats(offset, normals(3), d),
                EPS,
                t.result(offset, rows, d),
                t.result(0, rows),
                t.result(0, rows));
  }

  private static Twins.Problem rms(int offset, long rows, long d, IntToDoubleFunction x) {
    return (t, b) ->
        b.norm()
            .rmsNorm(
                t.floats(offset, x, rows, d),
                t.floats(offset, normals(2), d),
                EPS,
                t.result(offset, rows, d),
                t.result(0, rows));
  }

  private static Twins.Problem gradient(
      boolean centered, int offset, long rows, long d, boolean add) {
    return (t, b) -> {
      Strided x = t.floats(offset, i -> 2 + normal(1, i), rows, d);
      Strided w = t.floats(offset, normals(2), d);
      Strided mean = t.floats(0, i -> 2 + 0.01 * normal(3, i), rows);
      Strided rstd = t.floats(0, i -> 1 + 0.1 * normal(4, i), rows);
      Strided grad = t.floats(offset, normals(5), rows, d);
      Strided dx =
          add ? t.changed(t.floats(offset, normals(6), rows, d)) : t.result(offset, rows, d);
      Strided dw = t.result(offset, d);
      if (centered) {
        b.norm().layerNormGradient(x, w, mean, rstd, grad, dx, add, dw, t.result(offset, d));
      } else {
        b.norm().rmsNormGradient(x, w, rstd, grad, dx, add, dw);
      }
    };
  }

  @Test
  void checksAgree() {
    Twins.checksAgree(device, "norm");
  }

  @Test
  void rowsOfAnyLengthAgree() {
    for (int d : WIDTHS) {
      for (int offset : new int[] {0, 1}) {
        String what = "3 rows of %d columns at %d".formatted(d, offset);
        Twins.agree(device, "norm.layerNorm", what, layer(offset, 3, d, normals(1)));
        Twins.agree(device, "norm.rmsNorm", what, rms(offset, 3, d, normals(1)));
        Twins.agree(
            device, "norm.layerNormGradient", what, gradient(true, offset, 3, d, offset == 1));
        Twins.agree(
            device, "norm.rmsNormGradient", what, gradient(false, offset, 3, d, offset == 1));
      }
    }
  }

  @Test
  void anAddedResidualIsWrittenAndUsed() {
    for (int d : WIDTHS) {
      for (int offset : new int[] {0, 1}) {
        String what = "3 rows of %d columns at %d".formatted(d, offset);
        Twins.agree(
            device,
            "norm.addLayerNorm",
            what,
            (t, b) ->
                b.norm()
                    .addLayerNorm(
                        t.floats(offset, normals(1), 3, d),
                        t.floats(offset, normals(7), 3, d),
                        t.floats(offset, normals(2), d),
                        t.floats(offset, normals(3), d),
                        EPS,
                        t.result(offset, 3, d),
                        t.result(offset, 3, d),
                        t.result(0, 3),
                        t.result(0, 3)));
        Twins.agree(
            device,
            "norm.addRmsNorm",
            what,
            (t, b) ->
                b.norm()
                    .addRmsNorm(
                        t.floats(offset, normals(1), 3, d),
                        t.floats(offset, normals(7), 3, d),
                        t.floats(offset, normals(2), d),
                        EPS,
                        t.result(offset, 3, d),
                        t.result(offset, 3, d),
                        t.result(0, 3)));
      }
    }
  }

  /**
   * Rows whose squares are no float32, whose mean hides the rest, that are constant, or not
   * numbers.
   */
  @Test
  void rowsOfAnySizeAgree() {
    Map<String, IntToDoubleFunction> rows = new TreeMap<>();
    rows.put("large", i -> 1e38 * Math.tanh(normal(1, i)));
    rows.put("of one large sign", i -> 1.5e38 + 1e37 * Math.tanh(normal(1, i)));
    rows.put("small", i -> 1e-30 * normal(1, i));
    rows.put("denormal", i -> 1e-42 * normal(1, i));
    rows.put("far from zero", i -> 1e4 + normal(1, i));
    rows.put("constant", i -> 3);
    rows.put("zero", i -> 0);
    rows.put("with NaN", i -> i == 37 ? Double.NaN : normal(1, i));
    rows.put("with infinity", i -> i == 37 ? Double.POSITIVE_INFINITY : normal(1, i));
    rows.forEach((name, x) -> {
      for (int d : new int[] {40, 300, 4104}) {
        String what = "rows %s, %d columns".formatted(name, d);
        Twins.agree(device, "norm.layerNorm", what, layer(0, 2, d, x));
        Twins.agree(device, "norm.rmsNorm", what, rms(0, 2, d, x));
      }
    });
  }

  @Test
  void gradientsOfParametersAreSumsOverAllRows() {
    for (long rows : new long[] {0, 1, 63, 64, 65, 200}) {
      String what = rows + " rows";
      Twins.agree(device, "norm.layerNormGradient", what, gradient(true, 0, rows, 40, false));
      Twins.agree(device, "norm.rmsNormGradient", what, gradient(false, 0, rows, 33, false));
    }
  }

  @Test
  void gradientsNobodyWantsAreLeftOut() {
    for (int wanted = 0; wanted < 8; wanted++) {
      int which = wanted;
      Twins.agree(
          device,
          "norm.layerNormGradient",
          "wanted " + which,
          (t, b) ->
              b.norm()
                  .layerNormGradient(
                      t.floats(0, normals(1), 70, 36),
                      t.floats(0, normals(2), 36),
                      t.floats(0, normals(3), 70),
                      t.floats(0, i -> 1 + 0.1 * normal(4, i), 70),
                      t.floats(0, normals(5), 70, 36),
                      (which & 1) == 0 ? null : t.result(0, 70, 36),
                      false,
                      (which & 2) == 0 ? null : t.result(0, 36),
                      (which & 4) == 0 ? null : t.result(0, 36)));
    }
  }

  @Test
  void bitsDoNotDependOnTheSchedule() {
    for (int d : new int[] {83, 300, 4104}) {
      String what = d + " columns";
      Twins.sameBits(device, what, layer(0, 3, d, normals(1)));
      Twins.sameBits(device, what, rms(0, 3, d, normals(1)));
      Twins.sameBits(device, what, gradient(true, 0, 67, Math.min(d, 300), true));
    }
  }
}
