package dev.theriac.bench.performance;

import dev.theriac.tensor.Host;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.function.Supplier;

/** A case that is set up: what is timed, and what it gave. */
public interface Call extends AutoCloseable {
  /** Does the work once. */
  void run();

  /**
   * Entries of a result of the last run.
   *
   * @param result its place among the case's results
   * @param indices flat, row-major
   */
  double[] values(int result, long[] indices);

  /** Frees what the call made for itself; inputs are freed elsewhere. */
  @Override
  default void close() {}

  /** A kernel that writes contiguous results into memory that is there. */
  static Call into(Runnable kernel, Strided... results) {
    return new Call() {
      @Override
      public void run() {
        kernel.run();
      }

      @Override
      public double[] values(int result, long[] indices) {
        return read(results[result], indices);
      }
    };
  }

  /** An operation as its users call it: in a scope, with results of its own, contiguous ones. */
  static Call giving(Supplier<List<Tensor>> operation) {
    return new Call() {
      private List<Tensor> last = List.of();

      @Override
      public void run() {
        close();
        try (Scope scope = Scope.open()) {
          last = operation.get();
          last.forEach(scope::keep);
        }
      }

      @Override
      public double[] values(int result, long[] indices) {
        return read(last.get(result).strided(), indices);
      }

      @Override
      public void close() {
        last.forEach(Tensor::close);
        last = List.of();
      }
    };
  }

  private static double[] read(Strided from, long[] indices) {
    double[] values = new double[indices.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Host.get(from.dtype(), from.address(), indices[i]);
    }
    return values;
  }
}
