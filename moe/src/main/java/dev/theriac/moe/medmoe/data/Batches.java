package dev.theriac.moe.medmoe.data;

import dev.theriac.tensor.Rng;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * An endless sequence of batches, shuffled anew in every epoch.
 *
 * <p>The order of an epoch is a function of (seed, epoch) alone, so a {@link State} of three
 * numbers is all that a checkpoint needs to go on with exactly the same batches. Every epoch gives
 * each sample once; its last batch is smaller where the size does not divide.
 *
 * <p>For one thread.
 */
public final class Batches {
  /** Keeps the orders apart from other uses of the same seed. */
  private static final long STREAM = 0x4241_5443_4845_5300L;

  private final Dataset data;
  private final int batchSize;
  private final Orders orders;
  private State state;
  private int[] order;
  private int orderEpoch = -1;

  /**
   * Where a sequence stands.
   *
   * @param seed decides all orders
   * @param epoch epochs completed
   * @param position samples of the current epoch already given out
   */
  public record State(long seed, int epoch, int position) {}

  /** The order of an epoch; the seed is the state's, which may be another run's. */
  private interface Orders {
    int[] of(long seed, int epoch);
  }

  private Batches(Dataset data, int batchSize, Orders orders, State state) {
    if (data.size() == 0 || batchSize < 1) {
      throw new IllegalArgumentException(
          "batches of %d out of %d samples: both must be 1 or more"
              .formatted(batchSize, data.size()));
    }
    this.data = data;
    this.batchSize = batchSize;
    this.orders = orders;
    this.state = state;
  }

  /** Shuffled batches from the first epoch on. */
  public static Batches shuffled(Dataset data, int batchSize, long seed) {
    int size = data.size();
    return new Batches(
        data,
        batchSize,
        (saved, epoch) -> permutation(saved, STREAM + epoch, size),
        new State(seed, 0, 0));
  }

  /**
   * Batches in which the groups of samples with equal keys take turns, however large each is. A
   * group is gone through in a new random order again and again; an epoch is as many draws as there
   * are samples.
   */
  public static Batches balanced(
      Dataset data, int batchSize, long seed, Function<Sample, String> key) {
    SortedMap<String, List<Integer>> byKey = new TreeMap<>();
    for (int i = 0; i < data.size(); i++) {
      byKey.computeIfAbsent(key.apply(data.get(i)), k -> new ArrayList<>()).add(i);
    }
    List<List<Integer>> groups = List.copyOf(byKey.values());
    return new Batches(
        data,
        batchSize,
        (saved, epoch) -> interleaved(groups, data.size(), saved, epoch),
        new State(seed, 0, 0));
  }

  private static int[] interleaved(List<List<Integer>> groups, int size, long seed, int epoch) {
    int[] order = new int[size];
    int[][] permutations = new int[groups.size()][];
    long[] cycles = new long[groups.size()];
    Arrays.fill(cycles, -1);
    for (int i = 0; i < size; i++) {
      long draw = (long) epoch * size + i;
      int g = (int) (draw % groups.size());
      List<Integer> group = groups.get(g);
      long turn = draw / groups.size();
      long cycle = turn / group.size();
      if (cycles[g] != cycle) {
        cycles[g] = cycle;
        long stream = STREAM + cycle + ((g + 1L) << 40);
        permutations[g] = permutation(seed, stream, group.size());
      }
      order[i] = group.get(permutations[g][(int) (turn % group.size())]);
    }
    return order;
  }

  /** Batches in the order of the data set, again and again. */
  public static Batches inOrder(Dataset data, int batchSize) {
    int[] identity = IntStream.range(0, data.size()).toArray();
    return new Batches(data, batchSize, (_, _) -> identity, new State(0, 0, 0));
  }

  /** The samples of the next batch; at least one. */
  public List<Sample> next() {
    int[] indices = nextIndices();
    List<Sample> batch = new ArrayList<>(indices.length);
    for (int index : indices) {
      batch.add(data.get(index));
    }
    return batch;
  }

  /** The numbers of the samples of the next batch, instead of the samples. */
  public int[] nextIndices() {
    int n = Math.min(batchSize, data.size() - state.position());
    int[] order = order();
    int[] batch = new int[n];
    System.arraycopy(order, state.position(), batch, 0, n);
    int position = state.position() + n;
    state =
        position == data.size()
            ? new State(state.seed(), state.epoch() + 1, 0)
            : new State(state.seed(), state.epoch(), position);
    return batch;
  }

  private int[] order() {
    if (orderEpoch != state.epoch()) {
      order = orders.of(state.seed(), state.epoch());
      orderEpoch = state.epoch();
    }
    return order;
  }

  private static int[] permutation(long seed, long stream, int size) {
    return new Rng(seed, stream, 0).permutation(size);
  }

  /** Batches of one epoch. */
  public int perEpoch() {
    return Math.ceilDiv(data.size(), batchSize);
  }

  /** Where the sequence stands, for a checkpoint. */
  public State state() {
    return state;
  }

  /**
   * Goes on from a saved state.
   *
   * @throws IllegalArgumentException if the state cannot be one of this data set
   */
  public void restore(State saved) {
    if (saved.epoch() < 0 || saved.position() < 0 || saved.position() >= data.size()) {
      throw new IllegalArgumentException(
          "%s does not fit a data set of %d samples; was it saved with other data?"
              .formatted(saved, data.size()));
    }
    state = saved;
    orderEpoch = -1;
  }
}
