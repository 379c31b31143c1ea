package dev.theriac.backend.check;

import dev.theriac.backend.ReduceKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Strided;

/** Reductions, softmax, norms, losses and the choice of columns: a row at a time. */
final class RowChecks {
  private static final float EPS = 1e-5f;

  private RowChecks() {}

  static void addTo(KernelChecks checks) {
    reductions(checks);
    softmax(checks);
    norms(checks);
    losses(checks);
    selection(checks);
  }

  private static void reductions(KernelChecks checks) {
    for (ReduceKind kind : ReduceKind.values()) {
      checks.add(
          "reduce.reduce",
          kind + " of rows",
          a -> {
            Strided x = a.random(a.rows, a.columns);
            Strided out = a.result(a.rows);
            return b -> b.reduce().reduce(kind, x, 1, out);
          });
      checks.add(
          "reduce.reduce",
          kind + " of columns",
          a -> {
            Strided x = a.transposed(a.columns, a.rows);
            Strided out = a.result(a.columns);
            return b -> b.reduce().reduce(kind, x, 1, out);
          });
    }
    checks.add(
        "reduce.argmax",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(DType.I64, a.rows);
          return b -> b.reduce().argmax(x, out);
        });
  }

  private static void softmax(KernelChecks checks) {
    checks.add(
        "softmax.softmax",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.softmax().softmax(x, out);
        });
    checks.add(
        "softmax.softmaxGradient",
        a -> {
          Strided y = a.positive(a.rows, a.columns);
          Strided grad = a.random(a.rows, a.columns);
          Strided dx = a.result(a.rows, a.columns);
          return b -> b.softmax().softmaxGradient(y, grad, dx);
        });
    checks.add(
        "softmax.logSoftmax",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(a.rows, a.columns);
          return b -> b.softmax().logSoftmax(x, out);
        });
    checks.add(
        "softmax.logSoftmaxGradient",
        a -> {
          Strided y = a.random(a.rows, a.columns);
          Strided grad = a.random(a.rows, a.columns);
          Strided dx = a.result(a.rows, a.columns);
          return b -> b.softmax().logSoftmaxGradient(y, grad, dx);
        });
    checks.add(
        "softmax.logSumExp",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(a.rows);
          return b -> b.softmax().logSumExp(x, out);
        });
  }

  private static void norms(KernelChecks checks) {
    checks.add(
        "norm.layerNorm",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided shift = a.random(a.columns);
          Strided y = a.result(a.rows, a.columns);
          Strided mean = a.result(a.rows);
          Strided rstd = a.result(a.rows);
          return b -> b.norm().layerNorm(x, w, shift, EPS, y, mean, rstd);
        });
    checks.add(
        "norm.layerNormGradient",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided mean = a.random(a.rows);
          Strided rstd = a.positive(a.rows);
          Strided grad = a.random(a.rows, a.columns);
          Strided dx = a.result(a.rows, a.columns);
          Strided dw = a.result(a.columns);
          Strided db = a.result(a.columns);
          return b -> b.norm().layerNormGradient(x, w, mean, rstd, grad, dx, false, dw, db);
        });
    checks.add(
        "norm.layerNormGradient",
        "added",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided mean = a.random(a.rows);
          Strided rstd = a.positive(a.rows);
          Strided grad = a.random(a.rows, a.columns);
          Strided dx = a.changed(a.random(a.rows, a.columns));
          Strided dw = a.result(a.columns);
          Strided db = a.result(a.columns);
          return b -> b.norm().layerNormGradient(x, w, mean, rstd, grad, dx, true, dw, db);
        });
    checks.add(
        "norm.rmsNorm",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided y = a.result(a.rows, a.columns);
          Strided rstd = a.result(a.rows);
          return b -> b.norm().rmsNorm(x, w, EPS, y, rstd);
        });
    checks.add(
        "norm.addLayerNorm",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided r = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided shift = a.random(a.columns);
          Strided sum = a.result(a.rows, a.columns);
          Strided y = a.result(a.rows, a.columns);
          Strided mean = a.result(a.rows);
          Strided rstd = a.result(a.rows);
          return b -> b.norm().addLayerNorm(x, r, w, shift, EPS, sum, y, mean, rstd);
        });
    checks.add(
        "norm.addRmsNorm",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided r = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided sum = a.result(a.rows, a.columns);
          Strided y = a.result(a.rows, a.columns);
          Strided rstd = a.result(a.rows);
          return b -> b.norm().addRmsNorm(x, r, w, EPS, sum, y, rstd);
        });
    checks.add(
        "norm.rmsNormGradient",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided rstd = a.positive(a.rows);
          Strided grad = a.random(a.rows, a.columns);
          Strided dx = a.result(a.rows, a.columns);
          Strided dw = a.result(a.columns);
          return b -> b.norm().rmsNormGradient(x, w, rstd, grad, dx, false, dw);
        });
    checks.add(
        "norm.rmsNormGradient",
        "added",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided w = a.random(a.columns);
          Strided rstd = a.positive(a.rows);
          Strided grad = a.random(a.rows, a.columns);
          Strided dx = a.changed(a.random(a.rows, a.columns));
          Strided dw = a.result(a.columns);
          return b -> b.norm().rmsNormGradient(x, w, rstd, grad, dx, true, dw);
        });
  }

  private static void losses(KernelChecks checks) {
    checks.add(
        "loss.crossEntropy",
        a -> {
          Strided logits = a.random(a.rows, a.columns);
          Strided targets = a.longs(a.rows, i -> i % 5 == 4 ? -100 : i % a.columns);
          Strided losses = a.result(a.rows);
          Strided lse = a.result(a.rows);
          return b -> b.loss().crossEntropy(logits, targets, -100, losses, lse);
        });
    checks.add(
        "loss.crossEntropyGradient",
        a -> {
          Strided logits = a.random(a.rows, a.columns);
          Strided targets = a.longs(a.rows, i -> i % 5 == 4 ? -100 : i % a.columns);
          Strided lse = a.positive(a.rows);
          Strided grad = a.result(a.rows, a.columns);
          return b -> b.loss().crossEntropyGradient(logits, targets, -100, lse, 0.5f, grad);
        });
  }

  private static void selection(KernelChecks checks) {
    checks.add(
        "selection.select",
        a -> {
          Strided scores = a.random(a.rows, 16);
          Strided ids = a.result(DType.I64, a.rows, 3);
          return b -> b.selection().select(scores, 3, 4, 2, 2, ids);
        });
    checks.add(
        "selection.unusable",
        a -> {
          Strided scores = a.random(a.rows, 16);
          Strided flags = a.result(DType.BOOL, a.rows);
          return b -> b.selection().unusable(scores, flags);
        });
    for (boolean known : new boolean[] {true, false}) {
      checks.add(
          "selection.sortRows",
          known ? "" : "some dropped",
          a -> {
            Strided ids = known ? places(a) : dropped(a);
            Strided offsets = a.result(DType.I64, 17);
            Strided token = a.result(DType.I64, 3 * a.rows);
            Strided slot = a.result(DType.I64, 3 * a.rows);
            Strided start = a.result(DType.I64, a.rows + 1);
            Strided row = a.result(DType.I64, 3 * a.rows);
            return b -> b.selection().sortRows(ids, 16, known, offsets, token, slot, start, row);
          });
    }
    checks.add(
        "selection.selectedSoftmax",
        a -> {
          Strided logits = a.random(a.rows, 16);
          Strided ids = places(a);
          Strided weights = a.result(a.rows, 3);
          return b -> b.selection().selectedSoftmax(logits, ids, false, weights);
        });
    checks.add(
        "selection.selectedSoftmaxGradient",
        a -> {
          Strided logits = a.random(a.rows, 16);
          Strided ids = places(a);
          Strided weights = a.positive(a.rows, 3);
          Strided grad = a.random(a.rows, 3);
          Strided dx = a.result(a.rows, 16);
          return b -> b.selection().selectedSoftmaxGradient(logits, ids, false, weights, grad, dx);
        });
  }

  /** As {@link #places}, but for every fourth choice. */
  private static Strided dropped(Arguments a) {
    Strided ids = a.longs(3 * a.rows, i -> i % 4 == 3 ? -1 : (i * 5 + i / 3) % 16);
    return ids.with(dev.theriac.tensor.Layout.contiguous(a.rows, 3));
  }

  /** Three different columns of sixteen in each row. */
  private static Strided places(Arguments a) {
    Strided ids = a.longs(3 * a.rows, i -> (i * 5 + i / 3) % 16);
    return ids.with(dev.theriac.tensor.Layout.contiguous(a.rows, 3));
  }
}
