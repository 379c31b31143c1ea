package dev.theriac.bench.frame;

/**
 * A figure that is not a time, with the bound that it is to keep.
 *
 * @param name what it is
 * @param shape the problem
 * @param threads of the engine
 * @param value the figure; NaN where it was not measured
 * @param most what it should not exceed, or null
 * @param text how it came about
 */
public record Finding(
    String name, String shape, int threads, double value, Double most, String text) {
  /** Null where there is no bound, or no figure. */
  public Boolean met() {
    return most == null || Double.isNaN(value) ? null : Boolean.valueOf(value <= most);
  }
}
