package dev.theriac.backend.scalar;

import dev.theriac.backend.QuantisedKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;

/** Element by element; products are summed in float64 in ascending order of k. */
final class ScalarQuantised implements QuantisedKernels {
  /** Scales keep away from both ends of F32: kernels multiply them by powers of two. */
  private static final double MOST = 0x1p100;

  private static final float LEAST_SCALE = 0x1p-100f;

  /** Multiplications in a range of rows. */
  private static final long GRAIN = 1 << 16;

  @Override
  public void quantise(Strided values, Weights to) {
    QuantisedFormat format = to.format();
    long address = to.address();
    long groupBytes = format.groupBytes(to.columns());
    long groups = (to.rows() + QuantisedFormat.GROUP - 1) / QuantisedFormat.GROUP;
    Workers.parallelRange(
        groups,
        1,
        (from, end) -> {
          for (long g = from; g < end; g++) {
            Host.ALL.asSlice(address + g * groupBytes, groupBytes).fill((byte) 0);
            long last = Math.min(to.rows(), (g + 1) * QuantisedFormat.GROUP);
            for (long n = g * QuantisedFormat.GROUP; n < last; n++) row(values, to, n);
          }
        });
  }

  private static void row(Strided values, Weights to, long n) {
    QuantisedFormat format = to.format();
    long columns = to.columns();
    DType type = values.dtype();
    long from = values.address();
    if (!format.hasScales()) {
      for (long k = 0; k < columns; k++) {
        float weight = (float) Host.get(type, from, n * columns + k);
        format.setWeight(to.address(), columns, n, k, weight);
        if (!Float.isFinite(format.weight(to.address(), columns, n, k))) {
          throw new IllegalArgumentException(
              "quantise: the weight at [%d, %d] is %s; ones that are finite in %s are wanted"
                  .formatted(n, k, weight, format));
        }
      }
      return;
    }
    for (long k = 0; k < columns; k += QuantisedFormat.BLOCK) {
      long end = Math.min(columns, k + QuantisedFormat.BLOCK);
      double max = 0;
      for (long i = k; i < end; i++) {
        double size = Math.abs(Host.get(type, from, n * columns + i));
        if (!(size <= MOST)) {
          throw new IllegalArgumentException(
              "quantise: the weight at [%d, %d] is %s; finite ones up to 2^100 can be quantised"
                  .formatted(n, i, Host.get(type, from, n * columns + i)));
        }
        max = Math.max(max, size);
      }
      short scale = scale(max, format.largest());
      Host.setShort(format.scaleAddress(to.address(), columns, n, k), scale);
      double step = Halves.fromBf16(scale);
      for (long i = k; i < end && max > 0; i++) {
        int number = (int) Math.rint(Host.get(type, from, n * columns + i) / step);
        format.setNumber(to.address(), columns, n, i, number);
      }
    }
  }

  /** The quotient in F32, rounded up to BF16. */
  private static short scale(double max, int largest) {
    float quotient = max > 0 ? Math.max((float) max / largest, LEAST_SCALE) : 0;
    return (short) (Float.floatToRawIntBits(quotient) + 0xffff >>> 16);
  }

  @Override
  public void dequantise(Weights from, Strided out) {
    long columns = from.columns();
    long address = from.address();
    long to = out.address();
    Workers.parallelRange(
        from.rows(),
        Math.max(1, GRAIN / Math.max(columns, 1)),
        (first, end) -> {
          for (long n = first; n < end; n++) {
            for (long k = 0; k < columns; k++) {
              Host.setFloat(to + 4 * (n * columns + k), weight(from, address, n, k));
            }
          }
        });
  }

  private static float weight(Weights w, long address, long n, long k) {
    return w.format().weight(address, w.columns(), n, k);
  }

  @Override
  public void linear(Strided x, Weights w, Strided bias, Strided out) {
    long rows = x.size(0);
    int columns = Math.toIntExact(w.columns());
    long address = w.address();
    long in = x.address();
    long to = out.address();
    long shift = bias == null ? 0 : bias.address();
    Workers.parallelRange(
        w.rows(),
        Math.max(1, GRAIN / Math.max(columns, 1)),
        (first, end) -> {
          double[] row = new double[columns];
          for (long n = first; n < end; n++) {
            for (int k = 0; k < columns; k++) row[k] = weight(w, address, n, k);
            for (long m = 0; m < rows; m++) {
              double sum = 0;
              for (int k = 0; k < columns; k++) {
                sum += Host.getFloat(in + 4 * (m * columns + k)) * row[k];
              }
              if (shift != 0) sum += Host.getFloat(shift + 4 * n);
              Host.setFloat(to + 4 * (m * w.rows() + n), (float) sum);
            }
          }
        });
  }
}
