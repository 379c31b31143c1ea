package dev.theriac.bench.performance;

import dev.theriac.bench.frame.Work;
import dev.theriac.bench.frame.Work.Ceiling;

/** What a case cannot be faster than; all are measured in the same run on as many threads. */
public enum Floor {
  /** Fused multiply-adds between registers. */
  FMA("FMA peak"),
  /** Reading memory. */
  READ("read"),
  /** Reading and writing memory. */
  COPY("copy"),
  /** None that is known. */
  NONE("");

  private final String text;

  Floor(String text) {
    this.text = text;
  }

  public String text() {
    return text;
  }

  /** No less time than this, in microseconds; NaN without a floor. */
  double micros(Work work, Ceiling ceiling) {
    return switch (this) {
          case FMA -> work.flops() / ceiling.gflops();
          case READ -> work.bytes() / ceiling.gigabytes();
          case COPY -> work.bytes() / ceiling.copied();
          case NONE -> Double.NaN;
        }
        / 1e3;
  }
}
