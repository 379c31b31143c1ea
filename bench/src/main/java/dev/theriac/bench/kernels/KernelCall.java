package dev.theriac.bench.kernels;

import dev.theriac.backend.Backend;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;

/**
 * One kernel on data of its own, the same for every back end.
 *
 * @param run calls the kernel; all but AdamW give the same result each time
 * @param result what the kernel writes
 */
record KernelCall(Runnable run, Strided result) {
  private static final int SEQUENCE = 64;
  private static final int HEADS = 4;

  /**
   * Sets {@code name} up on [rows, columns]; attention takes rows as sequences of 64 tokens and
   * columns as four heads.
   *
   * @throws IllegalArgumentException for a name that is not one of the cases below
   */
  static KernelCall of(Backend backend, String name, int rows, int columns) {
    Rng rng = new Rng(1);
    Strided x = random(rng, rows, columns);
    Strided g = random(rng, rows, columns);
    Strided w = random(rng, columns);
    Strided y = empty(DType.F32, rows, columns);
    Strided mean = empty(DType.F32, rows);
    Strided rstd = empty(DType.F32, rows);
    return switch (name) {
      case "add-bias" -> {
        Strided wide = w.with(w.layout().expand(rows, columns));
        yield new KernelCall(() -> backend.elementwise().binary(BinaryKind.ADD, x, wide, y), y);
      }
      case "gelu" -> new KernelCall(() -> backend.elementwise().unary(UnaryKind.GELU, x, y), y);
      case "gelu-gradient" ->
          new KernelCall(() -> backend.elementwise().unaryGradient(UnaryKind.GELU, x, x, g, y), y);
      case "swiglu" ->
          new KernelCall(() -> backend.elementwise().binary(BinaryKind.SWIGLU, x, g, y), y);
      case "softmax" -> new KernelCall(() -> backend.softmax().softmax(x, y), y);
      case "layer-norm" ->
          new KernelCall(() -> backend.norm().layerNorm(x, w, w, 1e-5f, y, mean, rstd), y);
      case "layer-norm-gradient" -> {
        backend.norm().layerNorm(x, w, w, 1e-5f, y, mean, rstd);
        Strided dw = empty(DType.F32, columns);
        Strided db = empty(DType.F32, columns);
        yield new KernelCall(
            () -> backend.norm().layerNormGradient(x, w, mean, rstd, g, y, false, dw, db), y);
      }
      case "cross-entropy" -> {
        Strided targets = empty(DType.I64, rows);
        for (int i = 0; i < rows; i++) Host.setLong(targets.address() + 8L * i, i % columns);
        yield new KernelCall(() -> backend.loss().crossEntropy(x, targets, -100, mean, rstd), mean);
      }
      case "adamw" -> {
        Strided m = random(rng, rows, columns);
        Strided v = empty(DType.F32, rows, columns);
        backend.elementwise().unary(UnaryKind.SQUARE, m, v);
        OptimKernels.AdamW step = new OptimKernels.AdamW(1e-4, 0.9, 0.999, 1e-8, 0.01, 5);
        yield new KernelCall(() -> backend.optim().adamW(x, g, m, v, 1, step), x);
      }
      case "attention", "attention-gradient" -> attention(backend, name, rng, rows, columns);
      default -> throw new IllegalArgumentException("no kernel of the name " + name);
    };
  }

  private static KernelCall attention(
      Backend backend, String name, Rng rng, int rows, int columns) {
    int batch = rows / SEQUENCE;
    int depth = columns / HEADS;
    Strided q = random(rng, batch, SEQUENCE, HEADS, depth);
    Strided k = random(rng, batch, SEQUENCE, HEADS, depth);
    Strided v = random(rng, batch, SEQUENCE, HEADS, depth);
    Strided out = empty(DType.F32, batch, SEQUENCE, HEADS, depth);
    Strided lse = empty(DType.F32, batch, HEADS, SEQUENCE);
    float scale = (float) (1 / Math.sqrt(depth));
    Runnable forward = () -> backend.attention().attention(q, k, v, null, true, scale, out, lse);
    if (name.equals("attention")) return new KernelCall(forward, out);
    forward.run();
    Strided dq = empty(DType.F32, batch, SEQUENCE, HEADS, depth);
    Strided dk = empty(DType.F32, batch, SEQUENCE, HEADS, depth);
    Strided dv = empty(DType.F32, batch, SEQUENCE, HEADS, depth);
    Runnable backward =
        () ->
            backend
                .attention()
                .attentionGradient(q, k, v, null, true, scale, out, lse, q, dq, dk, dv);
    return new KernelCall(backward, dk);
  }

  private static Strided empty(DType dtype, long... shape) {
    Layout layout = Layout.contiguous(shape);
    return new Strided(CpuStorage.allocate(layout.size() * dtype.bytes(), "bench"), dtype, layout);
  }

  private static Strided random(Rng rng, long... shape) {
    Strided x = empty(DType.F32, shape);
    for (long i = 0; i < x.size(); i++) {
      Host.setFloat(x.address() + 4 * i, (float) rng.nextGaussian());
    }
    return x;
  }

  /** Largest difference from {@code other}'s result, relative to the largest value. */
  double difference(KernelCall other) {
    double worst = 0;
    double largest = 1e-30;
    for (long i = 0; i < result.size(); i++) {
      double a = Host.getFloat(result.address() + 4 * i);
      double b = Host.getFloat(other.result.address() + 4 * i);
      largest = Math.max(largest, Math.abs(b));
      double off = Math.abs(a - b);
      worst = off <= worst ? worst : off; // NaN counts as worst
    }
    return worst / largest;
  }
}
