package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.vector.AttentionCall.Heads;
import java.lang.foreign.Arena;
import java.util.concurrent.locks.LockSupport;

/**
 * The {@link WarmUp} of attention of one query, begun by causal attention of many keys: who
 * computes a prompt asks for single tokens next, and the compiler is at rest by then. Nothing
 * stands in for what it compiles.
 */
final class AttentionSingleWarmUp {
  private static final int HEADS = 4;
  private static final int VECTORS = 4;
  private static final int MOST_KEYS = 8 * LENGTH;
  private static final int CALLS = 100;
  private static final int TIMED = 3;

  /** Nanoseconds of a long call: compiled code takes a third, code with objects ten times that. */
  private static final double AT_SPEED = 6e4;

  /**
   * Rounds at speed until it is done: the inner loops come first, what calls them takes the
   * compiler some more calls.
   */
  private static final int ROUNDS = 20;

  private static final long PAUSE_NANOS = 20_000_000;

  /** Floats of keys below which one query is soon done, compiled or not. */
  private static final long WORTH = 1 << 18;

  private static volatile boolean begun;

  private static final class Begun {
    static final WarmUp WARM_UP =
        new WarmUp(
            "attention of one query",
            "it runs a hundred times slower meanwhile",
            1,
            _ -> exercise() && again());
  }

  private AttentionSingleWarmUp() {}

  /** Begins, unless it has begun, if a query after that call will take long enough. */
  static void after(AttentionCall call) {
    if ((long) call.keys() * call.groups() * call.depth() >= WORTH) begin();
  }

  private static WarmUp begin() {
    begun = true;
    return Begun.WARM_UP;
  }

  /** Whether a call has begun it: for tests. */
  static boolean begun() {
    return begun;
  }

  /** Waits until it runs at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return begin().await(seconds);
  }

  /** Further rounds, with pauses that leave the processor to those who compute. */
  private static boolean again() {
    for (int round = 1; round < ROUNDS; round++) {
      LockSupport.parkNanos(PAUSE_NANOS);
      exercise();
    }
    return true;
  }

  /** Calls it with caches and chunks of many lengths and returns whether it runs at speed. */
  private static boolean exercise() {
    int depth = VECTORS * LENGTH;
    try (Arena arena = Arena.ofConfined()) {
      Heads q = heads(arena, 1, depth);
      Heads k = heads(arena, MOST_KEYS, depth);
      Heads v = heads(arena, MOST_KEYS, depth);
      Heads out = heads(arena, 1, depth);
      long logs = arena.allocate(4L * HEADS, 64).address();
      double best = Double.MAX_VALUE;
      for (int i = 0; i < CALLS + TIMED; i++) {
        int keys = i < CALLS ? 7 * i % MOST_KEYS + 1 : MOST_KEYS;
        // Short ones make one task: threads of an operation that runs meanwhile are not asked for.
        int chunk = i % 2 * LENGTH + LENGTH;
        AttentionCall call =
            new AttentionCall(1, 1, keys, HEADS, HEADS, depth, true, 1, 0, q, k, v);
        long start = System.nanoTime();
        AttentionSingle.run(call, out, logs, chunk);
        if (i >= CALLS) best = Math.min(best, System.nanoTime() - start);
      }
      return best < AT_SPEED;
    }
  }

  /** Rows of zeros. */
  private static Heads heads(Arena arena, int rows, int depth) {
    long row = 4L * HEADS * depth;
    return new Heads(arena.allocate(rows * row, 64).address(), 0, row, 4L * depth);
  }
}
