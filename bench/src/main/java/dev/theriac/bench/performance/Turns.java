package dev.theriac.bench.performance;

import dev.theriac.tensor.Strided;
import java.util.function.IntConsumer;

/**
 * Calls that take several sets of tensors in turn, so that the caches hold nothing of one when its
 * turn comes again: tensors as long as those of a model's layers fit into a large last-level cache,
 * and what they are to be compared with is the memory.
 */
final class Turns {
  /** Sets of two tensors of 8 MB come to 128 MB: four times a large last-level cache. */
  static final int IN_TURN = 8;

  private Turns() {}

  /** The tensors of a case's input whose first dimension is {@link #IN_TURN}. */
  static Strided[] each(Inputs in, String name) {
    Strided[] all = new Strided[IN_TURN];
    for (int i = 0; i < all.length; i++) all[i] = in.tensor(name).select(0, i).strided();
    return all;
  }

  static Runnable inTurn(IntConsumer kernel) {
    return () -> {
      for (int i = 0; i < IN_TURN; i++) kernel.accept(i);
    };
  }
}
