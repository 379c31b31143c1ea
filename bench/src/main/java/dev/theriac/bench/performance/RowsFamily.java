package dev.theriac.bench.performance;

import static dev.theriac.bench.performance.Turns.IN_TURN;
import static dev.theriac.bench.performance.Turns.each;
import static dev.theriac.bench.performance.Turns.inTurn;

import dev.theriac.backend.Backend;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.OptimKernels;
import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;

/**
 * What goes row by row, bound by memory: norms and their gradients, alone and after a residual
 * connection, softmax, cross-entropy over the vocabularies of language models; and the update of
 * AdamW.
 */
final class RowsFamily implements Family {
  private static final float EPS = 1e-5f;
  private static final OptimKernels.AdamW STEP =
      new OptimKernels.AdamW(0.1, 0.9, 0.999, 1e-8, 0.01, 5);

  @Override
  public String name() {
    return "rows";
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    cases.add(norm("layer-norm").wanted(1.8, 0.9));
    cases.add(norm("rms-norm").wanted(3.0, 0.9));
    cases.add(norm("add-layer-norm"));
    cases.add(norm("add-rms-norm"));
    cases.add(norm("layer-norm-gradient"));
    cases.add(norm("softmax").wanted(1.6, 0.9));
    for (long classes : new long[] {51_200, 100_352}) cases.add(crossEntropy(256, classes));
    cases.add(adamW(8 << 20));
    return cases;
  }

  /** A call takes {@link Turns#IN_TURN} of them; results are those of the last. */
  private static Case norm(String operation) {
    long n = IN_TURN;
    long rows = 1024;
    long columns = 2048;
    boolean adds = operation.startsWith("add");
    boolean gradient = operation.endsWith("gradient");
    double bytes = 4.0 * n * rows * columns * (adds ? 4 : gradient ? 3 : 2);
    Case c =
        Case.of(operation, n + "x" + rows + "x" + columns)
            .work(0, bytes, Floor.COPY)
            .input(
                Input.f32("x", n, rows, columns),
                Input.f32("r", n, rows, columns),
                Input.f32("w", columns),
                Input.f32("b", columns),
                new Input("mean", DType.F32, 0.1, 0, rows),
                new Input("rstd", DType.F32, 0.5, 1.5, rows),
                Input.space("y", n, rows, columns),
                Input.space("s", n, rows, columns),
                Input.space("dw", columns),
                Input.space("db", columns));
    if (adds) c = c.result("s", rows, columns);
    c = c.result("y", rows, columns);
    return gradient ? c.result("dw", columns).result("db", columns) : c;
  }

  /** With memory of its own for the gradient; a training step mostly writes it over x. */
  private static Case crossEntropy(long rows, long classes) {
    return Case.of("cross-entropy", rows + "x" + classes)
        .work(0, 12.0 * rows * classes, Floor.COPY)
        .wanted(1, new Wanted(3.0, null, null, 20.0))
        .wanted(2, new Wanted(3.0, null, null, 20.0))
        .input(
            Input.f32("x", rows, classes).scaled(4),
            Input.i64("targets", classes, rows),
            Input.space("d", rows, classes),
            Input.space("losses", rows),
            Input.space("lse", rows),
            // The rest is libtorch's alone.
            Input.space("logs", rows, classes),
            Input.space("dlogs", rows, classes),
            Input.space("weight", 1),
            Input.space("dlosses", rows))
        .result("losses", rows)
        .result("d", rows, classes);
  }

  private static Case adamW(long n) {
    return Case.of("adamw", Long.toString(n))
        .work(0, 28.0 * n, Floor.COPY)
        .wanted(1.0, 0.9)
        .input(
            Input.f32("p", n),
            Input.f32("g", n),
            Input.f32("m", n),
            new Input("v", DType.F32, 0.4, 0.5, n))
        .result("p", n)
        .result("m", n)
        .result("v", n);
  }

  @Override
  public boolean changesInputs(Case c) {
    return c.operation().equals("adamw");
  }

  @Override
  public Call ours(Case c, Inputs in, Backend backend) {
    return switch (c.operation()) {
      case "softmax" -> {
        Strided[] x = each(in, "x");
        Strided[] y = each(in, "y");
        yield Call.into(inTurn(i -> backend.softmax().softmax(x[i], y[i])), y[IN_TURN - 1]);
      }
      case "cross-entropy" -> crossEntropy(c, in, backend);
      case "adamw" -> {
        Strided p = in.strided("p");
        Strided g = in.strided("g");
        Strided m = in.strided("m");
        Strided v = in.strided("v");
        yield Call.into(() -> backend.optim().adamW(p, g, m, v, 1, STEP), p, m, v);
      }
      default -> norm(c.operation(), in, backend.norm());
    };
  }

  private static Call norm(String operation, Inputs in, NormKernels norm) {
    Strided[] x = each(in, "x");
    Strided[] r = each(in, "r");
    Strided w = in.strided("w");
    Strided b = in.strided("b");
    Strided mean = in.strided("mean");
    Strided rstd = in.strided("rstd");
    Strided[] y = each(in, "y");
    Strided[] s = each(in, "s");
    Strided dw = in.strided("dw");
    Strided db = in.strided("db");
    Strided lastY = y[IN_TURN - 1];
    Strided lastS = s[IN_TURN - 1];
    return switch (operation) {
      case "layer-norm" ->
          Call.into(inTurn(i -> norm.layerNorm(x[i], w, b, EPS, y[i], mean, rstd)), lastY);
      case "rms-norm" -> Call.into(inTurn(i -> norm.rmsNorm(x[i], w, EPS, y[i], rstd)), lastY);
      case "add-layer-norm" ->
          Call.into(
              inTurn(i -> norm.addLayerNorm(x[i], r[i], w, b, EPS, s[i], y[i], mean, rstd)),
              lastS,
              lastY);
      case "add-rms-norm" ->
          Call.into(
              inTurn(i -> norm.addRmsNorm(x[i], r[i], w, EPS, s[i], y[i], rstd)), lastS, lastY);
      default ->
          Call.into(
              inTurn(i -> norm.layerNormGradient(x[i], w, mean, rstd, r[i], y[i], false, dw, db)),
              lastY,
              dw,
              db);
    };
  }

  private static Call crossEntropy(Case c, Inputs in, Backend backend) {
    Strided x = in.strided("x");
    Strided targets = in.strided("targets");
    Strided d = in.strided("d");
    Strided losses = in.strided("losses");
    Strided lse = in.strided("lse");
    float scale = 1f / x.size(0);
    return Call.into(
        () -> {
          backend.loss().crossEntropy(x, targets, -100, losses, lse);
          backend.loss().crossEntropyGradient(x, targets, -100, lse, scale, d);
        },
        losses,
        d);
  }
}
