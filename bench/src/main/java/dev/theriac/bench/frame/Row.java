package dev.theriac.bench.frame;

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
    Map<String, Double> others) {}
