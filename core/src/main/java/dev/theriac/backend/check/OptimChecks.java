package dev.theriac.backend.check;

import dev.theriac.backend.OptimKernels.AdamW;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Optimiser steps and what goes with them. */
final class OptimChecks {
  private OptimChecks() {}

  static void addTo(KernelChecks checks) {
    checks.add(
        "optim.adamW",
        a -> {
          Strided w = a.changed(a.random(a.rows, a.columns));
          Strided grad = a.random(a.rows, a.columns);
          Strided m = a.changed(a.random(a.rows, a.columns));
          Strided v = a.changed(a.positive(a.rows, a.columns));
          AdamW step = new AdamW(1e-3, 0.9, 0.999, 1e-8, 0.01, 2);
          return b -> b.optim().adamW(w, grad, m, v, 0.5f, step);
        });
    checks.add(
        "optim.sgd",
        a -> {
          Strided w = a.changed(a.random(a.rows, a.columns));
          Strided grad = a.random(a.rows, a.columns);
          Strided momentum = a.changed(a.random(a.rows, a.columns));
          return b -> b.optim().sgd(w, grad, momentum, 0.5f, 1e-3, 0.9, 0.01);
        });
    checks.add(
        "optim.nonZero",
        a -> {
          long n = a.rows * a.columns;
          Strided x = a.random(4, a.rows, a.columns);
          for (long i = n; i < 3 * n; i++) Host.setFloat(x.address() + 4 * i, -0.0f);
          // The third is zero but for one element away from both ends.
          Host.setFloat(x.address() + 4 * (2 * n + n / 3), 1);
          boolean[] found = new boolean[4];
          Strided out = a.result(4);
          return b -> {
            b.optim().nonZero(x, found);
            for (int i = 0; i < 4; i++) Host.setFloat(out.address() + 4L * i, found[i] ? 1 : 0);
          };
        });
    checks.add(
        "optim.sumOfSquares",
        a -> {
          Strided x = a.random(a.rows, a.columns);
          Strided out = a.result(1);
          return b -> Host.setFloat(out.address(), (float) b.optim().sumOfSquares(x));
        });
  }
}
