package dev.theriac.moe;

import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/**
 * How many rows each expert got.
 *
 * @param counts [E]
 */
public record ExpertLoad(long[] counts) {
  public ExpertLoad {
    counts = counts.clone();
  }

  /** Of chosen experts I64 [T, k]; -1 is not counted. */
  public static ExpertLoad of(Tensor experts, int count) {
    long[] counts = new long[count];
    for (long id : experts.toLongs()) if (id >= 0) counts[Math.toIntExact(id)]++;
    return new ExpertLoad(counts);
  }

  @Override
  public long[] counts() {
    return counts.clone();
  }

  public long rows() {
    return Arrays.stream(counts).sum();
  }

  /** The busiest expert's rows over the mean; 1 when even, 0 without rows. */
  public double maxOverMean() {
    long rows = rows();
    return rows == 0 ? 0 : Arrays.stream(counts).max().getAsLong() * (double) counts.length / rows;
  }

  /** Experts without a row. */
  public int empty() {
    return (int) Arrays.stream(counts).filter(c -> c == 0).count();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ExpertLoad load && Arrays.equals(load.counts, counts);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(counts);
  }

  @Override
  public String toString() {
    return "%d rows, max/mean %.3f, %d of %d experts empty"
        .formatted(rows(), maxOverMean(), empty(), counts.length);
  }
}
