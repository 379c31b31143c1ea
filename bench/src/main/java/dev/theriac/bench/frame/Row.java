package dev.theriac.bench.frame;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * One line of a benchmark's table.
 *
 * @param name what was timed
 * @param shape the problem
 * @param threads of every engine
 * @param medianUs microseconds for a call: the median over rounds of the rounds' medians
 * @param rival the fastest other program that did the same, or null
 * @param rivalMedianUs its microseconds, or null
 * @param ratio the rival's time over ours within a round, the median over rounds; above 1 we are
 *     faster; null without a rival
 * @param ratioLow the lowest of a round
 * @param ratioHigh the highest of a round
 * @param gflops 10^9 operations per second, or null where arithmetic is not the point
 * @param ofBound the bound's time over ours, see {@link Work}
 * @param bound "compute" or "memory"
 * @param others microseconds of every other program, baselines among them, by name
 * @param gigabytes 10^9 bytes per second, or null where traffic is not the point
 * @param wanted what is to be reached
 */
public record Row(
    String name,
    String shape,
    int threads,
    double medianUs,
    String rival,
    Double rivalMedianUs,
    Double ratio,
    Double ratioLow,
    Double ratioHigh,
    Double gflops,
    Double ofBound,
    String bound,
    Map<String, Double> others,
    Double gigabytes,
    Wanted wanted) {
  /**
   * What a row is to reach; null where nothing is said.
   *
   * @param ratio to the rival, at least
   * @param share of the bound, at least
   * @param micros at most
   * @param gigabytes 10^9 bytes per second, at least
   */
  public record Wanted(Double ratio, Double share, Double micros, Double gigabytes) {
    public static final Wanted NOTHING = new Wanted(null, null, null);

    /** Without a rate. */
    public Wanted(Double ratio, Double share, Double micros) {
      this(ratio, share, micros, null);
    }
  }

  /** How a row stands to what is wanted. */
  public enum Standing {
    /** Nothing is wanted. */
    NO_TARGET,
    REACHED,
    MISSED,
    /**
     * Nothing is missed, but a figure is not there, such as a ratio to a rival that did not run.
     */
    NOT_COMPARED
  }

  /** See {@link Standing}. */
  public Standing standing() {
    if (wanted.equals(Wanted.NOTHING)) return Standing.NO_TARGET;
    if (!missed().isEmpty()) return Standing.MISSED;
    boolean open =
        wanted.ratio != null && ratio == null
            || wanted.share != null && ofBound == null
            || wanted.gigabytes != null && gigabytes == null;
    return open ? Standing.NOT_COMPARED : Standing.REACHED;
  }

  /** What of {@link #wanted} is not reached: "ratio", "share", "time", "rate". */
  public List<String> missed() {
    List<String> missed = new ArrayList<>();
    if (wanted.ratio != null && ratio != null && ratio < wanted.ratio) missed.add("ratio");
    if (wanted.share != null && ofBound != null && ofBound < wanted.share) missed.add("share");
    if (wanted.micros != null && medianUs > wanted.micros) missed.add("time");
    if (wanted.gigabytes != null && gigabytes != null && gigabytes < wanted.gigabytes) {
      missed.add("rate");
    }
    return missed;
  }

  /** This row against one floor, with what is wanted. */
  public Row against(
      String name, Double gflops, Double gigabytes, Double ofBound, String bound, Wanted wanted) {
    return new Row(
        name,
        shape,
        threads,
        medianUs,
        rival,
        rivalMedianUs,
        ratio,
        ratioLow,
        ratioHigh,
        gflops,
        ofBound,
        bound,
        others,
        gigabytes,
        wanted);
  }
}
