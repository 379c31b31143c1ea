package dev.theriac.op;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A range of grouped rows that is worked on at a time: whole groups, or a part of a large one. The
 * cut depends on sizes alone.
 *
 * @param from first row
 * @param rows number of rows
 * @param first first group
 * @param offsets I64, where each group's rows begin, counted from {@code from}
 * @param continues whether the (then only) group began in an earlier wave
 */
record Wave(long from, long rows, int first, Tensor offsets, boolean continues) {
  /** Waves aimed at; as groups are rarely split, there may be a few more. */
  private static final int MOST = 8;

  /**
   * Cuts rows in host memory so that a wave's temporary results take about an eighth of what they
   * would at once.
   *
   * @param rowBytes bytes of temporary results for a row
   * @param waveBytes bytes of temporary results that are worth another wave
   */
  static List<Wave> of(RowGroups groups, long rowBytes, long waveBytes) {
    long total = groups.rows();
    Device device = groups.offsets().device();
    // Elsewhere there is no cache to keep things in, and every cut is a few launches more.
    if (!device.equals(Device.CPU)) {
      return List.of(new Wave(0, total, 0, groups.offsets(), false));
    }
    long[] offsets = groups.offsets().toLongs();
    long count = Math.clamp(total * rowBytes / waveBytes, 1, MOST);
    long target = Math.max(1, (total + count - 1) / count);
    List<Wave> waves = new ArrayList<>();
    int first = 0;
    while (first < groups.groups()) {
      int end = first + 1;
      while (end < groups.groups() && offsets[end + 1] - offsets[first] <= target + target / 4) {
        end++;
      }
      long rows = offsets[end] - offsets[first];
      if (end == first + 1 && rows >= 2 * target) {
        split(waves, offsets[first], rows, first, target);
      } else {
        long from = offsets[first];
        long[] local = Arrays.copyOfRange(offsets, first, end + 1);
        for (int i = 0; i < local.length; i++) local[i] -= from;
        waves.add(new Wave(from, rows, first, Tensor.of(Device.CPU, local), false));
      }
      first = end;
    }
    return waves;
  }

  private static void split(List<Wave> waves, long from, long rows, int group, long target) {
    long parts = (rows + target / 2) / target;
    for (long p = 0; p < parts; p++) {
      long start = rows * p / parts;
      long size = rows * (p + 1) / parts - start;
      waves.add(
          new Wave(from + start, size, group, Tensor.of(Device.CPU, new long[] {0, size}), p > 0));
    }
  }

  /** The wave's entries of a tensor that has one for each row. */
  Tensor part(Tensor t) {
    return Tensor.result(t.strided(), null).slice(0, from, from + rows);
  }

  /** The wave's groups of a stack that has one matrix or row for each group; null for null. */
  Strided matrices(Tensor stack) {
    if (stack == null) return null;
    long groups = offsets.size() - 1;
    Strided all = stack.strided();
    return all.with(all.layout().slice(0, first, first + groups));
  }
}
