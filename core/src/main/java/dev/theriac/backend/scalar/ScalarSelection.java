package dev.theriac.backend.scalar;

import static dev.theriac.backend.scalar.ScalarIndex.before;

import dev.theriac.backend.SelectionKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * One pass over each row; the softmax is in float64. Rows are short and choices few, so that
 * vectors would gain little, and every back end chooses alike.
 */
final class ScalarSelection implements SelectionKernels {
  private static final long GRAIN = 1 << 13;

  private static void rows(Strided x, Workers.RangeBody body) {
    Workers.parallelRange(x.size(0), Math.max(1, GRAIN / Math.max(1, x.size(1))), body);
  }

  @Override
  public void select(Strided scores, int k, int groups, int kept, int best, Strided ids) {
    int columns = Math.toIntExact(scores.size(1));
    long ps = scores.address();
    long pi = ids.address();
    rows(
        scores,
        (from, to) -> {
          Best choice = new Best(k);
          Best ofGroups = new Best(kept);
          Best inGroup = new Best(Math.min(best, columns / groups));
          for (long n = from; n < to; n++) {
            long row = ps + 4 * n * columns;
            choice.count = 0;
            if (groups == 1) choice.offer(row, 0, columns);
            else offerGroups(row, columns / groups, groups, ofGroups, inGroup, choice);
            for (int j = 0; j < k; j++) Host.setLong(pi + 8 * (n * k + j), choice.columns[j]);
          }
        });
  }

  private static void offerGroups(
      long row, int width, int groups, Best ofGroups, Best inGroup, Best choice) {
    ofGroups.count = 0;
    for (int g = 0; g < groups; g++) {
      ofGroups.offer(rank(row + 4L * g * width, width, inGroup), g);
    }
    // Groups in ascending order, so that of equal scores the lower column comes first.
    for (int g = 0; g < groups; g++) {
      if (ofGroups.holds(g)) choice.offer(row, g * width, g * width + width);
    }
  }

  /** Sum of a group's best scores, from the highest down. */
  private static float rank(long group, int width, Best best) {
    if (best.values.length > 2) {
      best.count = 0;
      best.offer(group, 0, width);
      float sum = best.values[0];
      for (int i = 1; i < best.count; i++) sum += best.values[i];
      return sum;
    }
    float first = Float.NaN; // comes last in the order, as if nothing were there
    float second = Float.NaN;
    for (int c = 0; c < width; c++) {
      float value = Host.getFloat(group + 4L * c);
      if (before(value, first)) {
        second = first;
        first = value;
      } else if (before(value, second)) {
        second = value;
      }
    }
    return best.values.length == 1 ? first : first + second;
  }

  /** The best so far, sorted; of equal values the one offered first stays ahead. */
  private static final class Best {
    final float[] values;
    final int[] columns;
    int count;

    Best(int capacity) {
      values = new float[capacity];
      columns = new int[capacity];
    }

    void offer(long row, int from, int to) {
      for (int c = from; c < to; c++) offer(Host.getFloat(row + 4L * c), c);
    }

    void offer(float value, int column) {
      int slot = count;
      if (slot == values.length) {
        if (!before(value, values[slot - 1])) return;
        slot--;
      } else {
        count++;
      }
      for (; slot > 0 && before(value, values[slot - 1]); slot--) {
        values[slot] = values[slot - 1];
        columns[slot] = columns[slot - 1];
      }
      values[slot] = value;
      columns[slot] = column;
    }

    boolean holds(int column) {
      for (int i = 0; i < count; i++) if (columns[i] == column) return true;
      return false;
    }
  }

  @Override
  public void unusable(Strided scores, Strided flags) {
    long columns = scores.size(1);
    long ps = scores.address();
    long pf = flags.address();
    rows(
        scores,
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long row = ps + 4 * n * columns;
            float max = Float.NEGATIVE_INFINITY;
            boolean nan = false;
            for (long c = 0; c < columns; c++) {
              float value = Host.getFloat(row + 4 * c);
              nan |= value != value;
              if (value > max) max = value;
            }
            Host.setByte(pf + n, (byte) (nan || Float.isInfinite(max) ? 1 : 0));
          }
        });
  }

  @Override
  public long sortRows(
      Strided ids,
      int groups,
      boolean known,
      Strided offsets,
      Strided rowToken,
      Strided rowSlot,
      Strided tokenStart,
      Strided tokenRow) {
    return new RowSort(ids, groups).run(offsets, rowToken, rowSlot, tokenStart, tokenRow);
  }

  @Override
  public void selectedSoftmax(Strided logits, Strided ids, boolean sigmoid, Strided weights) {
    long columns = logits.size(1);
    int k = Math.toIntExact(ids.size(1));
    long pl = logits.address();
    long pi = ids.address();
    long pw = weights.address();
    rows(
        ids,
        (from, to) -> {
          double[] l = new double[k];
          for (long n = from; n < to; n++) {
            double max = Double.NEGATIVE_INFINITY;
            for (int j = 0; j < k; j++) {
              long id = Host.getLong(pi + 8 * (n * k + j));
              double x = Host.getFloat(pl + 4 * (n * columns + id));
              l[j] = sigmoid ? logSigmoid(x) : x;
              max = Math.max(max, l[j]);
            }
            boolean nothing = max == Double.NEGATIVE_INFINITY;
            double sum = 0;
            for (int j = 0; j < k; j++) sum += l[j] = nothing ? 0 : StrictMath.exp(l[j] - max);
            for (int j = 0; j < k; j++) {
              Host.setFloat(pw + 4 * (n * k + j), nothing ? 0 : (float) (l[j] / sum));
            }
          }
        });
  }

  private static double logSigmoid(double x) {
    return x < 0 ? x - StrictMath.log1p(StrictMath.exp(x)) : -StrictMath.log1p(StrictMath.exp(-x));
  }

  @Override
  public void selectedSoftmaxGradient(
      Strided logits,
      Strided ids,
      boolean sigmoid,
      Strided weights,
      Strided grad,
      Strided dlogits) {
    long columns = logits.size(1);
    long k = ids.size(1);
    long pl = logits.address();
    long pi = ids.address();
    long pw = weights.address();
    long pg = grad.address();
    long pd = dlogits.address();
    rows(
        logits,
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long row = pd + 4 * n * columns;
            for (long c = 0; c < columns; c++) Host.setFloat(row + 4 * c, 0);
            double dot = 0;
            for (long s = n * k; s < n * k + k; s++) {
              dot += (double) Host.getFloat(pw + 4 * s) * Host.getFloat(pg + 4 * s);
            }
            for (long s = n * k; s < n * k + k; s++) {
              long c = 4 * Host.getLong(pi + 8 * s);
              double d = Host.getFloat(pw + 4 * s) * (Host.getFloat(pg + 4 * s) - dot);
              // The derivative of log(sigmoid(x)) is 1 - sigmoid(x).
              if (sigmoid) d /= 1 + StrictMath.exp(Host.getFloat(pl + 4 * n * columns + c));
              Host.setFloat(row + c, Host.getFloat(row + c) + (float) d);
            }
          }
        });
  }
}
