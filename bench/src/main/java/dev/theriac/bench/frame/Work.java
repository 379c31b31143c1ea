package dev.theriac.bench.frame;

/**
 * What a piece of work needs at least: arithmetic and traffic with memory.
 *
 * @param flops floating-point operations, a multiply-add counted as two
 * @param bytes read from and written to memory, each tensor once
 */
public record Work(double flops, double bytes) {
  /**
   * The rates of a machine with some number of threads.
   *
   * @param gflops 10^9 operations of fused multiply-adds per second
   * @param gigabytes 10^9 bytes read from memory per second
   * @param copied 10^9 bytes read and written per second while copying; 0 where not measured
   */
  public record Ceiling(double gflops, double gigabytes, double copied) {
    public Ceiling(double gflops, double gigabytes) {
      this(gflops, gigabytes, 0);
    }

    /** The higher of each. */
    Ceiling most(Ceiling other) {
      return new Ceiling(
          Math.max(gflops, other.gflops),
          Math.max(gigabytes, other.gigabytes),
          Math.max(copied, other.copied));
    }
  }

  public Work plus(Work other) {
    return new Work(flops + other.flops, bytes + other.bytes);
  }

  /** No less time than this, in microseconds: max(flops / peak, bytes / bandwidth). */
  public double boundMicros(Ceiling ceiling) {
    return Math.max(flops / ceiling.gflops, bytes / ceiling.gigabytes) / 1e3;
  }

  /** Which of the two binds: "compute" or "memory". */
  public String binding(Ceiling ceiling) {
    return flops / ceiling.gflops >= bytes / ceiling.gigabytes ? "compute" : "memory";
  }

  /** Share of the bound that is reached: 1 means as fast as the machine allows. */
  public double ofBound(Ceiling ceiling, double micros) {
    return boundMicros(ceiling) / micros;
  }
}
