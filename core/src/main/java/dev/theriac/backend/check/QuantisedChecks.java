package dev.theriac.backend.check;

import dev.theriac.backend.Backends;
import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;

/** Weights in the layouts of {@link QuantisedFormat}. */
final class QuantisedChecks {
  private QuantisedChecks() {}

  static void addTo(KernelChecks checks) {
    for (QuantisedFormat format : QuantisedFormat.values()) {
      checks.add(
          "quantised.quantise",
          format.name(),
          a -> {
            Strided values = a.random(a.rows, a.columns);
            Weights w = weights(a, format, a.rows);
            return b -> b.quantised().quantise(values, w);
          });
      checks.add(
          "quantised.dequantise",
          format.name(),
          a -> {
            Weights w = weights(a, format, a.rows);
            Backends.scalar().quantised().quantise(a.random(a.rows, a.columns), w);
            Strided out = a.result(a.rows, a.columns);
            return b -> b.quantised().dequantise(w, out);
          });
      for (boolean row : new boolean[] {false, true}) {
        checks.add(
            "quantised.linear",
            (row ? "one row, " : "") + format.name(),
            a -> {
              Strided x = a.random(row ? 1 : a.rows, a.columns);
              Weights w = weights(a, format, 70);
              Backends.scalar().quantised().quantise(a.random(70, a.columns), w);
              Strided bias = a.random(70);
              Strided out = a.result(x.size(0), 70);
              return b -> b.quantised().linear(x, w, bias, out);
            });
      }
    }
  }

  private static Weights weights(Arguments a, QuantisedFormat format, long rows) {
    Strided bytes = a.result(DType.U8, format.bytes(rows, a.columns));
    return new Weights(bytes, format, rows, a.columns);
  }
}
