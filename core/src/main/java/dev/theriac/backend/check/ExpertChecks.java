package dev.theriac.backend.check;

import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.Strided;

/** Products of groups of rows, and what a mixture of feed-forwards needs beside them. */
final class ExpertChecks {
  private static final int EXPERTS = 4;
  private static final int INNER = 24;

  private ExpertChecks() {}

  static void addTo(KernelChecks checks) {
    grouped(checks);
    experts(checks);
  }

  /** Groups of several sizes; the second is empty. */
  private static Strided offsets(Arguments a) {
    long[] ends = {0, a.rows / 3, a.rows / 3, a.rows - 1, a.rows};
    return a.longs(EXPERTS + 1, i -> ends[(int) i]);
  }

  private static void grouped(KernelChecks checks) {
    checks.add(
        "grouped.grouped",
        a -> {
          Rows x = new Rows(a.random(a.rows, a.columns), a.ids(a.rows, a.rows));
          Strided w = a.random(EXPERTS, INNER, a.columns);
          Strided bias = a.random(EXPERTS, INNER);
          Strided offsets = offsets(a);
          Strided out = a.result(a.rows, INNER);
          return b -> b.grouped().grouped(x, w, bias, offsets, out);
        });
    checks.add(
        "grouped.groupedInputGradient",
        a -> {
          Rows grad = Rows.of(a.random(a.rows, INNER));
          Strided w = a.random(EXPERTS, INNER, a.columns);
          Strided offsets = offsets(a);
          Strided dx = a.result(a.rows, a.columns);
          return b -> b.grouped().groupedInputGradient(grad, w, offsets, false, dx);
        });
    checks.add(
        "grouped.groupedWeightGradient",
        a -> {
          Rows grad = Rows.of(a.random(a.rows, INNER));
          Rows x = Rows.of(a.random(a.rows, a.columns));
          Strided offsets = offsets(a);
          Strided dw = a.changed(a.random(EXPERTS, INNER, a.columns));
          return b -> b.grouped().groupedWeightGradient(grad, x, offsets, true, dw);
        });
    checks.add(
        "grouped.groupedBiasGradient",
        a -> {
          Rows grad = Rows.of(a.random(a.rows, a.columns));
          Strided scale = a.random(a.rows);
          Strided offsets = offsets(a);
          Strided db = a.result(EXPERTS, a.columns);
          return b -> b.grouped().groupedBiasGradient(grad, scale, offsets, false, db);
        });
  }

  private static void experts(KernelChecks checks) {
    checks.add(
        "experts.hidden",
        a -> {
          Rows x = Rows.of(a.random(a.rows, INNER));
          Strided gate = a.random(EXPERTS, a.columns, INNER);
          Strided gateBias = a.random(EXPERTS, a.columns);
          Strided up = a.random(EXPERTS, a.columns, INNER);
          Strided upBias = a.random(EXPERTS, a.columns);
          Hidden weights = new Hidden(gate, gateBias, up, upBias, UnaryKind.SILU);
          Strided offsets = offsets(a);
          Strided zGate = a.result(a.rows, a.columns);
          Strided zUp = a.result(a.rows, a.columns);
          Strided act = a.result(a.rows, a.columns);
          return b -> b.experts().hidden(x, weights, offsets, zGate, zUp, act);
        });
    checks.add(
        "experts.hiddenGradient",
        a -> {
          Strided slot = a.longs(a.rows, i -> a.rows - 1 - i);
          Strided weights = a.random(a.rows);
          Strided offsets = offsets(a);
          Rows grad = Rows.of(a.random(a.rows, INNER));
          Strided downBias = a.random(EXPERTS, INNER);
          Strided zGate = a.random(a.rows, a.columns);
          Strided zUp = a.random(a.rows, a.columns);
          Strided u = a.changed(a.random(a.rows, a.columns));
          Strided dzGate = a.result(a.rows, a.columns);
          Strided dzUp = a.result(a.rows, a.columns);
          Strided dWeights = a.result(a.rows);
          return b ->
              b.experts()
                  .hiddenGradient(
                      UnaryKind.SILU,
                      slot,
                      weights,
                      offsets,
                      grad,
                      downBias,
                      zGate,
                      zUp,
                      u,
                      dzGate,
                      dzUp,
                      dWeights);
        });
    checks.add(
        "experts.combine",
        a -> {
          // Two rows for each token: its own number and that number plus the count of tokens.
          long tokens = a.rows / 2;
          Strided o = a.random(2 * tokens, a.columns);
          Strided weights = a.random(2 * tokens);
          Strided slot = a.longs(2 * tokens, i -> i);
          Strided start = a.longs(tokens + 1, i -> 2 * i);
          Strided row = a.longs(2 * tokens, i -> i / 2 + i % 2 * tokens);
          Strided y = a.result(tokens, a.columns);
          return b -> b.experts().combine(o, 0, weights, slot, start, row, y);
        });
  }
}
