package dev.theriac.moe;

import dev.theriac.op.RowGroups;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Which tokens go through which expert: all that the router chose, or as many as a {@link Capacity}
 * lets, with a report of the others. A function of the routing alone.
 *
 * @param experts I64 [T, k], the router's choice with -1 where it was dropped
 * @param groups the rows of each expert
 * @param drops what was dropped, by token, then choice; empty without a capacity
 */
public record Dispatch(Tensor experts, RowGroups groups, List<Drop> drops) {
  /** Why a choice was dropped. */
  public enum Reason {
    /** Its expert had as many tokens as it takes. */
    OVER_CAPACITY,
    /** The token only fills up a row, and would take a place from one that counts. */
    FILLING
  }

  /**
   * @param token flat position, 0 to T - 1
   * @param choice 0 to k - 1
   * @param expert that was chosen
   */
  public record Drop(long token, int choice, int expert, Reason reason) {}

  /**
   * Everything that the router chose, filling too.
   *
   * @throws IllegalArgumentException naming token and choice for an id out of range or repeated
   */
  public static Dispatch dropless(Routing routing) {
    Tensor experts = routing.experts();
    return new Dispatch(experts, RowGroups.of(experts, routing.expertCount()), List.of());
  }

  /** What {@code capacity} lets through; no filling. Weights stay as they are. */
  public static Dispatch of(Routing routing, Capacity capacity) {
    int topK = routing.topK();
    int count = routing.expertCount();
    long[] ids = routing.experts().toLongs();
    RowGroups.of(routing.experts(), count); // refuses ids out of range or repeated
    boolean[] counts = new boolean[ids.length];
    for (int s = 0; s < ids.length; s++) {
      counts[s] = routing.mask() == null || routing.mask().isValid(s / topK);
    }
    long tokens = routing.mask() == null ? routing.tokens() : routing.mask().count();
    int limit = capacity.of(tokens, topK, count);
    boolean[] kept =
        switch (capacity.policy()) {
          case POSITION -> earliest(ids, counts, count, limit);
          case PROBABILITY -> heaviest(ids, counts, count, limit, routing.weights().toFloats());
        };
    List<Drop> drops = new ArrayList<>();
    for (int s = 0; s < ids.length; s++) {
      if (kept[s]) continue;
      Reason reason = counts[s] ? Reason.OVER_CAPACITY : Reason.FILLING;
      drops.add(new Drop(s / topK, s % topK, (int) ids[s], reason));
      ids[s] = -1;
    }
    Tensor experts = Tensor.of(routing.experts().device(), ids, routing.tokens(), topK);
    return new Dispatch(experts, RowGroups.of(experts, count), List.copyOf(drops));
  }

  private static boolean[] earliest(long[] ids, boolean[] counts, int experts, int limit) {
    int[] taken = new int[experts];
    boolean[] kept = new boolean[ids.length];
    for (int s = 0; s < ids.length; s++) kept[s] = counts[s] && taken[(int) ids[s]]++ < limit;
    return kept;
  }

  private static boolean[] heaviest(
      long[] ids, boolean[] counts, int experts, int limit, float[] weights) {
    List<List<Integer>> asking = new ArrayList<>();
    for (int e = 0; e < experts; e++) asking.add(new ArrayList<>());
    for (int s = 0; s < ids.length; s++) if (counts[s]) asking.get((int) ids[s]).add(s);
    // A stable sort: of equal weights the earlier token stays first.
    Comparator<Integer> order =
        (a, b) -> {
          float x = weights[a];
          float y = weights[b];
          if (x != x || y != y) return Boolean.compare(x != x, y != y);
          return x == y ? 0 : x > y ? -1 : 1;
        };
    boolean[] kept = new boolean[ids.length];
    for (List<Integer> slots : asking) {
      if (slots.size() > limit) slots.sort(order);
      slots.stream().limit(limit).forEach(s -> kept[s] = true);
    }
    return kept;
  }

  /** How many choices were dropped for {@code reason}. */
  public long dropped(Reason reason) {
    return drops.stream().filter(d -> d.reason == reason).count();
  }

  /** Rows of each expert. */
  public ExpertLoad load() {
    return new ExpertLoad(groups.counts());
  }
}
