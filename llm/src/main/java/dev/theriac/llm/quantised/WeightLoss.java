package dev.theriac.llm.quantised;

import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;

/**
 * What a weight lost when it was quantised.
 *
 * @param key its name in the checkpoint
 * @param rows outputs
 * @param columns inputs
 * @param dtype type that it had, as safetensors spells it
 * @param relativeError Euclidean norm of the difference over that of the weight; 0 for zeros
 * @param largestError largest difference over the largest magnitude
 */
public record WeightLoss(
    String key, long rows, long columns, String dtype, double relativeError, double largestError) {
  /** Values looked at together; more take more memory. */
  private static final long CHUNK = 1 << 22;

  /** Name of the projection, such as {@code q_proj}, {@code fc1} or {@code lm_head}. */
  public String projection() {
    String[] parts = key.split("\\.");
    return parts.length < 2 ? key : parts[parts.length - 2];
  }

  /** Number of weights. */
  public long size() {
    return rows * columns;
  }

  /** Compares by groups of rows, with F32 copies of some of them alone. */
  static WeightLoss of(String key, String dtype, Tensor weight, QuantisedMatrix matrix) {
    QuantisedFormat format = matrix.format();
    long rows = matrix.rows();
    long columns = matrix.columns();
    long groups = Math.max(1, CHUNK / Math.max(1, QuantisedFormat.GROUP * columns));
    long step = groups * QuantisedFormat.GROUP;
    double difference = 0;
    double square = 0;
    double largestDifference = 0;
    double largest = 0;
    for (long from = 0; from < rows; from += step) {
      long end = Math.min(rows, from + step);
      try (Scope _ = Scope.open()) {
        long at = from / QuantisedFormat.GROUP * format.groupBytes(columns);
        Tensor bytes = matrix.bytes().slice(0, at, at + format.bytes(end - from, columns));
        Tensor stands =
            Quantised.dequantise(new QuantisedMatrix(format, end - from, columns, bytes));
        Tensor exact = weight.slice(0, from, end).to(DType.F32).contiguous().to(Device.CPU);
        Tensor approximate = stands.to(Device.CPU);
        long a = exact.strided().address();
        long b = approximate.strided().address();
        for (long i = 0, n = exact.size(); i < n; i++) {
          double w = Host.getFloat(a + 4 * i);
          double d = Math.abs(Host.getFloat(b + 4 * i) - w);
          difference += d * d;
          square += w * w;
          largestDifference = Math.max(largestDifference, d);
          largest = Math.max(largest, Math.abs(w));
        }
        Reference.reachabilityFence(exact);
        Reference.reachabilityFence(approximate);
      }
    }
    return new WeightLoss(
        key,
        rows,
        columns,
        dtype,
        square == 0 ? 0 : Math.sqrt(difference / square),
        largest == 0 ? 0 : largestDifference / largest);
  }
}
