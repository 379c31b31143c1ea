package dev.theriac.moe.kit.oracle;

import java.util.ArrayList;
import java.util.List;

/**
 * Which choices remain when each expert takes at most {@code limit} tokens.
 *
 * @param experts E
 * @param limit tokens of an expert
 * @param byWeight keeps the highest weights, of equal ones the earlier token; otherwise the
 *     earliest tokens, whatever choice the expert was of theirs
 */
public record OracleCapacity(int experts, int limit, boolean byWeight) implements Oracle.Capacity {
  @Override
  public boolean[][] keep(int[][] chosen, double[][] weights) {
    boolean[][] kept = new boolean[chosen.length][];
    for (int t = 0; t < kept.length; t++) kept[t] = new boolean[chosen[t].length];
    for (int e = 0; e < experts; e++) {
      List<int[]> asking = new ArrayList<>();
      for (int t = 0; t < chosen.length; t++) {
        for (int j = 0; j < chosen[t].length; j++) {
          if (chosen[t][j] == e) asking.add(new int[] {t, j});
        }
      }
      double[] values = new double[asking.size()];
      for (int i = 0; i < values.length && byWeight; i++) {
        values[i] = weights[asking.get(i)[0]][asking.get(i)[1]];
      }
      int[] order = OracleRouter.order(values);
      for (int i = 0; i < Math.min(limit, order.length); i++) {
        int[] slot = asking.get(order[i]);
        kept[slot[0]][slot[1]] = true;
      }
    }
    return kept;
  }
}
