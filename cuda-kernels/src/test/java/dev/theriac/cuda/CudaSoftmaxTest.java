package dev.theriac.cuda;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

/** Softmax, its log and cross-entropy with their gradients, each beside the scalar kernels. */
class CudaSoftmaxTest {
  private static final double INFINITY = Double.POSITIVE_INFINITY;
  private static final long IGNORED = -100;

  /** Around what a warp, then a block keeps in registers; with and without a rest of four. */
  private static final int[] WIDTHS = {1, 4, 83, 256, 257, 1024, 2051, 4096, 4100, 4097};

  private final CudaDevice device = EmulatedCuda.device();

  private static double wave(int seed, int i) {
    return 5 * Math.sin(0.37 * i + seed) + Math.cos(1.9 * i * (1 + seed));
  }

  private static IntToDoubleFunction waves(int seed) {
    return i -> wave(seed, i);
  }

  private static Twins.Problem softmax(int offset, long rows, long c, IntToDoubleFunction x) {
    return (t, b) -> b.softmax().softmax(t.floats(offset, x, rows, c), t.result(offset, rows, c));
  }

  private static Twins.Problem logSoftmax(int offset, long rows, long c, IntToDoubleFunction x) {
    return (t, b) ->
        b.softmax().logSoftmax(t.floats(offset, x, rows, c), t.result(offset, rows, c));
  }

  private static Twins.Problem logSumExp(int offset, long rows, long c, IntToDoubleFunction x) {
    return (t, b) -> b.softmax().logSumExp(t.floats(offset, x, rows, c), t.result(0, rows));
  }

  private static Twins.Problem softmaxGradient(int offset, long rows, long c) {
    return (t, b) ->
        b.softmax()
            .softmaxGradient(
                t.floats(offset, i -> Math.abs(wave(1, i)) / c, rows, c),
                t.floats(offset, waves(2), rows, c),
                t.result(offset, rows, c));
  }

  private static Twins.Problem logSoftmaxGradient(int offset, long rows, long c) {
    return (t, b) ->
        b.softmax()
            .logSoftmaxGradient(
                t.floats(offset, i -> -7 - wave(1, i), rows, c),
                t.floats(offset, waves(2), rows, c),
                t.result(offset, rows, c));
  }

  private static Twins.Problem loss(int offset, long rows, long c, IntToDoubleFunction x) {
    return (t, b) ->
        b.loss()
            .crossEntropy(
                t.floats(offset, x, rows, c),
                t.longs(i -> i % 3 == 1 ? IGNORED : i * 7L % c, rows),
                IGNORED,
                t.result(0, rows, 1),
                t.result(0, rows, 1));
  }

  private static Twins.Problem lossGradient(int offset, long rows, long c, boolean inPlace) {
    return (t, b) -> {
      Strided logits = t.floats(offset, waves(1), rows, c);
      Strided out = inPlace ? t.changed(logits) : t.result(offset, rows, c);
      b.loss()
          .crossEntropyGradient(
              logits,
              t.longs(i -> i % 3 == 1 ? IGNORED : i * 7L % c, rows),
              IGNORED,
              t.floats(0, i -> 6 + Math.log(c), rows),
              0.25f,
              out);
    };
  }

  @Test
  void checksAgree() {
    Twins.checksAgree(device, "softmax");
    Twins.checksAgree(device, "loss");
  }

  @Test
  void rowsOfAnyLengthAgree() {
    for (int c : WIDTHS) {
      for (int offset : new int[] {0, 1}) {
        String what = "3 rows of %d columns at %d".formatted(c, offset);
        Twins.agree(device, "softmax.softmax", what, softmax(offset, 3, c, waves(1)));
        Twins.agree(device, "softmax.logSoftmax", what, logSoftmax(offset, 3, c, waves(1)));
        Twins.agree(device, "softmax.logSumExp", what, logSumExp(offset, 3, c, waves(1)));
        Twins.agree(device, "softmax.softmaxGradient", what, softmaxGradient(offset, 3, c));
        Twins.agree(device, "softmax.logSoftmaxGradient", what, logSoftmaxGradient(offset, 3, c));
        Twins.agree(device, "loss.crossEntropy", what, loss(offset, 3, c, waves(1)));
        Twins.agree(
            device, "loss.crossEntropyGradient", what, lossGradient(offset, 3, c, offset == 1));
      }
    }
  }

  @Test
  void rowsOfAVocabularyAgree() {
    Twins.agree(device, "softmax.softmax", "vocabulary", softmax(0, 1, 51200, waves(1)));
    Twins.agree(device, "loss.crossEntropy", "vocabulary", loss(0, 2, 51200, waves(1)));
    Twins.agree(device, "loss.crossEntropyGradient", "vocabulary", lossGradient(0, 2, 51200, true));
  }

  /** Rows of infinities, with NaN, far apart, far from zero; the maximum at either end. */
  @Test
  void rowsOfAnySizeAgree() {
    Map<String, IntToDoubleFunction> rows = new TreeMap<>();
    rows.put("of -infinity", i -> -INFINITY);
    rows.put("of -infinity but for one", i -> i == 30 ? 2 : -INFINITY);
    rows.put("half -infinity", i -> i % 2 == 0 ? -INFINITY : wave(1, i));
    rows.put("with infinity", i -> i == 37 ? INFINITY : i == 3 ? -INFINITY : wave(1, i) / 9);
    rows.put("with NaN", i -> i == 37 ? Double.NaN : wave(1, i));
    rows.put("of NaN", i -> Double.NaN);
    rows.put("large", i -> 1e38 * Math.sin(i));
    rows.put("far from zero", i -> 1e4 + wave(1, i));
    rows.put("far apart", i -> 40 * wave(1, i));
    rows.put("sure of one", i -> i == 33 ? 20 : 0);
    rows.put("ascending", i -> 0.1 * i);
    rows.put("descending", i -> -0.1 * i);
    rows.forEach((name, x) -> {
      for (int c : new int[] {40, 300, 4104}) {
        String what = "rows %s, %d columns".formatted(name, c);
        Twins.agree(device, "softmax.softmax", what, softmax(0, 1, c, x));
        Twins.agree(device, "softmax.logSoftmax", what, logSoftmax(0, 1, c, x));
        Twins.agree(device, "softmax.logSumExp", what, logSumExp(0, 1, c, x));
        Twins.agree(device, "loss.crossEntropy", what, loss(0, 1, c, x));
      }
    });
  }

  @Test
  void bitsDoNotDependOnTheSchedule() {
    for (int c : new int[] {83, 300, 4104}) {
      String what = c + " columns";
      Twins.sameBits(device, what, softmax(0, 2, c, waves(1)));
      Twins.sameBits(device, what, softmaxGradient(0, 2, c));
      Twins.sameBits(device, what, loss(0, 2, c, waves(1)));
    }
  }
}
