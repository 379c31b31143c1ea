package dev.theriac.moe.kit;

/**
 * The errors of one result.
 *
 * @param what shown in the message
 * @param rms root mean square error relative to the reference's
 * @param row relative error of the worst element
 * @param worst its index, row-major
 * @param size root mean square of the reference
 * @param reference compared with
 * @param actual compared
 * @param tolerance allowed
 */
public record Comparison(
    String what,
    double rms,
    double row,
    int worst,
    double size,
    double[] reference,
    double[] actual,
    Tolerance tolerance) {

  /** The larger of the two errors, in tolerances: above 1 is a failure. */
  public double ofTolerance() {
    return Math.max(rms / tolerance.rms(), row / tolerance.row());
  }

  public boolean within() {
    return ofTolerance() <= 1;
  }

  /**
   * Fails when out of tolerance; counts towards the report of the running test.
   *
   * @throws AssertionError naming the worst element
   */
  public void check() {
    Measurements.add(this);
    if (!within()) throw new AssertionError(this);
  }

  @Override
  public String toString() {
    String worstElement =
        actual.length == 0
            ? "nothing compared"
            : "element %d is %s, wanted %s".formatted(worst, actual[worst], reference[worst]);
    return "%s: relative rms error %.3g (%.3g tolerated), worst in its row %.3g (%.3g tolerated): %s; rms of the reference %.3g"
        .formatted(what, rms, tolerance.rms(), row, tolerance.row(), worstElement, size);
  }
}
