package dev.theriac.bench.frame;

/**
 * What a piece of work needs at least: arithmetic and traffic with memory.
 *
 * @param flops floating-point operations, a multiply-add counted as two
 * @param bytes read from and written to memory, each tensor once
 */
public record Work(double flops, double bytes) {
  /** The rates of a machine: 10^9 operations and 10^9 bytes per second. */
  public record Ceiling(double gflops, double gigabytes) {}

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
