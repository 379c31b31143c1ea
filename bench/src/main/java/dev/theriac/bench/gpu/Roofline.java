package dev.theriac.bench.gpu;

import java.util.Locale;

/**
 * The least time that an operation takes on a card: whichever of arithmetic and memory is longer
 * (Williams, Waterman and Patterson, "Roofline: an insightful visual performance model").
 *
 * @param demand of the operation
 * @param card that it is to run on
 * @param precision of products: f32, tf32 or bf16; whatever is no product is F32
 */
public record Roofline(Demand demand, Card card, String precision) {
  public Roofline {
    card.teraflops(precision);
  }

  private double teraflops() {
    return card.teraflops(demand.products() ? precision : "f32");
  }

  /** Microseconds of arithmetic at the card's peak. */
  public double computeMicros() {
    return demand.flops() / teraflops() / 1e6;
  }

  /** Microseconds of memory traffic at the card's bandwidth. */
  public double memoryMicros() {
    return demand.bytes() / card.gigabytes() / 1e3;
  }

  /** The longer of the two. */
  public double micros() {
    return Math.max(computeMicros(), memoryMicros());
  }

  /** "compute" or "memory". */
  public String bound() {
    return computeMicros() >= memoryMicros() ? "compute" : "memory";
  }

  /** Operations for each byte. */
  public double intensity() {
    return demand.flops() / demand.bytes();
  }

  /** TFLOP/s that are reached where the bound is. */
  public double attainableTeraflops() {
    return demand.flops() / micros() / 1e6;
  }

  /** A line of a table; see {@link #heading}. */
  public String line() {
    return String.format(
        Locale.ROOT,
        "%-12s %9.1f %9.0f %12.2f %12.2f %12.2f  %-8s %10.1f",
        card.name(),
        teraflops(),
        card.gigabytes(),
        computeMicros(),
        memoryMicros(),
        micros(),
        bound(),
        attainableTeraflops());
  }

  /** Names of the columns of {@link #line}. */
  public static String heading() {
    return String.format(
        Locale.ROOT,
        "%-12s %9s %9s %12s %12s %12s  %-8s %10s",
        "card",
        "TFLOP/s",
        "GB/s",
        "compute us",
        "memory us",
        "bound us",
        "bound",
        "TFLOP/s");
  }
}
