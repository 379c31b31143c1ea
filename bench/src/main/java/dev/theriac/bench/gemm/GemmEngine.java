package dev.theriac.bench.gemm;

/** One engine that can multiply the matrices of a {@link GemmProblem}. */
public interface GemmEngine extends AutoCloseable {

  /** Product and version, as tables show it. */
  String name();

  /** Computes c = a b once. */
  void multiply();

  /** The product of the last call, row-major. */
  float[] result();

  @Override
  void close();

  /**
   * Makes an engine with its operands in place.
   *
   * @param engine "theriac" or "libtorch"
   * @throws IllegalStateException if the engine is not on the class path
   */
  static GemmEngine of(String engine, GemmProblem problem, int threads) {
    if (engine.equals("theriac")) {
      return new TheriacGemm(problem, threads);
    }
    try {
      return (GemmEngine)
          Class.forName("dev.theriac.bench.gemm.LibtorchGemm")
              .getConstructor(GemmProblem.class, int.class)
              .newInstance(problem, threads);
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(
          "libtorch is not on the class path: build with -Plibtorch", e);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("libtorch does not start", e);
    }
  }
}
