package dev.theriac.backend.scalar;

import dev.theriac.backend.Odometer;
import dev.theriac.backend.ReduceKernels;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.Arrays;

/** Sums in float64, in row-major order of the reduced dimensions. */
final class ScalarReduce implements ReduceKernels {
  private static final long GRAIN = 1 << 13;

  @Override
  public void reduce(ReduceKind kind, Strided x, int kept, Strided out) {
    Strided outer = x.with(dimensions(x.layout(), 0, kept));
    Strided inner = x.with(dimensions(x.layout(), kept, x.layout().rank()));
    long po = out.address();
    Workers.parallelRange(
        out.size(),
        Math.max(1, GRAIN / Math.max(1, inner.size())),
        (from, to) -> {
          Odometer reduced = new Odometer(inner);
          long at = from;
          for (Odometer o = new Odometer(from, to, outer); o.next(); ) {
            for (long i = 0; i < o.length(); i++, at++) {
              reduced.restart(o.address(0) + i * o.step(0));
              Host.setFloat(po + 4 * at, (float) fold(kind, reduced, inner.size()));
            }
          }
        });
  }

  private static double fold(ReduceKind kind, Odometer o, long count) {
    double result =
        switch (kind) {
          case SUM, MEAN -> 0;
          case MAX -> Double.NEGATIVE_INFINITY;
          case MIN -> Double.POSITIVE_INFINITY;
        };
    while (o.next()) {
      long p = o.address(0);
      for (long i = 0; i < o.length(); i++, p += o.step(0)) {
        double value = Host.getFloat(p);
        result =
            switch (kind) {
              case SUM, MEAN -> result + value;
              case MAX -> Math.max(result, value);
              case MIN -> Math.min(result, value);
            };
      }
    }
    return kind == ReduceKind.MEAN ? result / count : result;
  }

  private static Layout dimensions(Layout x, int from, int to) {
    return Layout.strided(
        Arrays.copyOfRange(x.shape(), from, to),
        Arrays.copyOfRange(x.strides(), from, to),
        x.offset());
  }

  @Override
  public void argmax(Strided x, Strided out) {
    long columns = x.size(1);
    long px = x.address();
    long po = out.address();
    Workers.parallelRange(
        x.size(0),
        Math.max(1, GRAIN / Math.max(1, columns)),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long row = px + 4 * n * x.stride(0);
            long best = 0;
            float top = Host.getFloat(row);
            for (long j = 1; j < columns; j++) {
              float value = Host.getFloat(row + 4 * j * x.stride(1));
              if (ScalarIndex.before(value, top)) {
                best = j;
                top = value;
              }
            }
            Host.setLong(po + 8 * n, best);
          }
        });
  }
}
