package dev.theriac.backend.scalar;

import dev.theriac.backend.ExpertKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Grouped products, then one row after another. */
final class ScalarExperts implements ExpertKernels {
  private static final long GRAIN = 1 << 14;

  private final ScalarGrouped grouped = new ScalarGrouped();

  @Override
  public void hidden(
      Rows x, Hidden weights, Strided offsets, Strided zGate, Strided zUp, Strided a) {
    grouped.grouped(x, weights.gate(), weights.gateBias(), offsets, zGate);
    if (weights.gated()) grouped.grouped(x, weights.up(), weights.upBias(), offsets, zUp);
    Workers.parallelRange(
        a.size(),
        GRAIN,
        (from, to) -> {
          for (long i = from; i < to; i++) {
            double value = Functions.apply(weights.activation(), at(zGate, i));
            set(a, i, weights.gated() ? value * at(zUp, i) : value);
          }
        });
  }

  @Override
  public void hiddenGradient(
      UnaryKind activation,
      Strided slot,
      Strided weights,
      Strided offsets,
      Rows grad,
      Strided downBias,
      Strided zGate,
      Strided zUp,
      Strided u,
      Strided dzGate,
      Strided dzUp,
      Strided weightGradient) {
    long n = u.size(1);
    Workers.parallelRange(
        u.size(0),
        Math.max(1, GRAIN / Math.max(1, n)),
        (from, to) -> {
          for (long r = from; r < to; r++) {
            long place = weights == null ? 0 : Host.getLong(slot.address() + 8 * r);
            double s = weights == null ? 1 : at(weights, place);
            double sum = downBias == null ? 0 : dot(grad, r, downBias, group(offsets, r));
            for (long i = r * n; i < (r + 1) * n; i++) {
              double g = at(u, i);
              double z = at(zGate, i);
              double up = zUp == null ? 1 : at(zUp, i);
              double value = Functions.apply(activation, z);
              sum += g * value * up;
              set(dzGate, i, s * g * up * Functions.derivative(activation, z));
              if (zUp != null) set(dzUp, i, s * g * value);
              set(u, i, s * value * up);
            }
            if (weightGradient != null) set(weightGradient, place, sum);
          }
        });
  }

  private static long group(Strided offsets, long row) {
    long e = 0;
    while (Host.getLong(offsets.address() + 8 * (e + 1)) <= row) e++;
    return e;
  }

  private static double dot(Rows grad, long row, Strided bias, long group) {
    long d = bias.size(1);
    double sum = 0;
    for (long j = 0; j < d; j++) {
      sum += (double) Host.getFloat(grad.address(row) + 4 * j) * at(bias, group * d + j);
    }
    return sum;
  }

  @Override
  public void combine(
      Strided o,
      long from,
      Strided weights,
      Strided slot,
      Strided tokenStart,
      Strided tokenRow,
      Strided y) {
    long d = o.size(1);
    long end = from + o.size(0);
    Workers.parallelRange(
        y.size(0),
        Math.max(1, GRAIN / Math.max(1, d)),
        (first, last) -> {
          for (long t = first; t < last; t++) {
            long start = Host.getLong(tokenStart.address() + 8 * t);
            long stop = Host.getLong(tokenStart.address() + 8 * (t + 1));
            if (start == stop && from == 0) clear(y, t * d, d);
            for (long i = start; i < stop; i++) {
              long row = Host.getLong(tokenRow.address() + 8 * i);
              if (row < from || row >= end) continue;
              if (i == start) clear(y, t * d, d);
              long place = Host.getLong(slot.address() + 8 * row);
              float s = weights == null ? 1 : Host.getFloat(weights.address() + 4 * place);
              for (long j = 0; j < d; j++) {
                long to = y.address() + 4 * (t * d + j);
                float value = Host.getFloat(o.address() + 4 * ((row - from) * d + j));
                Host.setFloat(to, Math.fma(s, value, Host.getFloat(to)));
              }
            }
          }
        });
  }

  private static void clear(Strided y, long at, long count) {
    for (long j = 0; j < count; j++) set(y, at + j, 0);
  }

  private static double at(Strided x, long i) {
    return Host.getFloat(x.address() + 4 * i);
  }

  private static void set(Strided x, long i, double value) {
    Host.setFloat(x.address() + 4 * i, (float) value);
  }
}
