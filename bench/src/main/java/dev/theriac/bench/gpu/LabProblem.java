package dev.theriac.bench.gpu;

import dev.theriac.cuda.Precision;
import java.util.List;

/** An operation of one shape, with the versions that compute it. */
interface LabProblem<A extends LabProblem.Arrays> {
  /** Arrays on the device, to be closed. */
  interface Arrays extends AutoCloseable {
    /** So that nothing of an earlier call can be taken for a result. */
    void clear();

    /**
     * Compares samples of the result with sums in float64.
     *
     * @return the largest difference, relative to the sum of the magnitudes of the element's terms;
     *     infinite for what is not a number
     */
    double error();

    @Override
    void close();
  }

  /** Short, without blanks. */
  String id();

  /** For people, with sizes. */
  String text();

  /** See {@link Demand}. */
  Demand demand(int weightBytes);

  /** One of the same kind that an emulated device can compute. */
  LabProblem<A> small();

  A arrays(Gpu gpu, boolean halfWeights);

  List<LabVersion<A>> versions();

  /** cuBLAS on the same arrays, or null where it has no such operation. */
  default LabVersion<A> cublas(Precision precision) {
    return null;
  }

  /** What the peer in Python is to run: words that its script knows. */
  String torch();

  /** How far a result may be off in a precision; see {@link Arrays#error}. */
  static double tolerance(Precision precision) {
    return switch (precision) {
      case F32 -> 1e-5;
      case TF32 -> 2e-3;
      case BF16 -> 1.6e-2;
    };
  }

  /** The worse of two errors; not a number is worst. */
  static double worse(double a, double b) {
    return Double.isNaN(b) ? Double.POSITIVE_INFINITY : Math.max(a, b);
  }
}
