package dev.theriac.moe.medmoe.data;

import dev.theriac.tensor.Rng;
import java.util.ArrayList;
import java.util.List;

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
  private final boolean shuffled;
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

  private Batches(Dataset data, int batchSize, boolean shuffled, State state) {
    if (data.size() == 0 || batchSize < 1) {
      throw new IllegalArgumentException(
          "batches of %d out of %d samples: both must be 1 or more"
              .formatted(batchSize, data.size()));
    }
    this.data = data;
    this.batchSize = batchSize;
    this.shuffled = shuffled;
    this.state = state;
  }

  /** Shuffled batches from the first epoch on. */
  public static Batches shuffled(Dataset data, int batchSize, long seed) {
    return new Batches(data, batchSize, true, new State(seed, 0, 0));
  }

  /** Batches in the order of the data set, again and again. */
  public static Batches inOrder(Dataset data, int batchSize) {
    return new Batches(data, batchSize, false, new State(0, 0, 0));
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
      order = shuffled ? permutation(state.seed(), state.epoch(), data.size()) : identity();
      orderEpoch = state.epoch();
    }
    return order;
  }

  private static int[] permutation(long seed, int epoch, int size) {
    return new Rng(seed, STREAM + epoch, 0).permutation(size);
  }

  private int[] identity() {
    int[] identity = new int[data.size()];
    for (int i = 0; i < identity.length; i++) {
      identity[i] = i;
    }
    return identity;
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
