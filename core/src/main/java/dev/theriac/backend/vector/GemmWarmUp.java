package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import java.lang.foreign.Arena;

/** The {@link WarmUp} of the matrix product, begun by the first one. */
final class GemmWarmUp {

  /** Nanoseconds for one vector multiply-add: compiled code takes about a fifth, boxed code ten. */
  private static final double AT_SPEED = 2.5;

  private static final int DEPTH = 64;
  private static final int HEIGHTS = JitDirectives.LARGE_KERNELS ? 2 : 1;

  /** The transposition, the tile of one row, those of four rows, those of eight. */
  private static final WarmUp WARM_UP =
      new WarmUp(
          "the matrix product",
          "scalar code is used meanwhile, some fifty times slower",
          2 + 3 * HEIGHTS,
          GemmWarmUp::exercise);

  private GemmWarmUp() {}

  /** Returns whether the tiles may be used; the first call starts the warm-up. */
  static boolean ready() {
    return WARM_UP.ready();
  }

  /** Lets the tiles be used, or not: for tests, which compare the two ways. */
  static void use(boolean compiled) {
    WARM_UP.use(compiled);
  }

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return WARM_UP.await(seconds);
  }

  /** How long the warm-up took; only after {@link #await} gave true. */
  static double seconds() {
    return WARM_UP.seconds();
  }

  private static boolean exercise(int kernel) {
    GemmScratch scratch = GemmScratch.acquire();
    try (Arena arena = Arena.ofConfined()) {
      if (kernel == 0) return transposition(scratch);
      long c = arena.allocate(8 * 3 * BYTES, 64).address();
      return kernel == 1
          ? tile(1, 3, scratch, c)
          : tile(kernel < 5 ? 4 : 8, 3 - (kernel - 2) % 3, scratch, c);
    } finally {
      scratch.release();
      scratch.fence();
    }
  }

  private static boolean tile(int tall, int vectors, GemmScratch scratch, long c) {
    return WarmUp.atSpeed(
        depth -> {
          // Sums that begin with zeros, and sums that go on.
          boolean zeros = depth == 0 || depth == DEPTH;
          long init = zeros ? scratch.zeros : c;
          long initStride = zeros ? 0 : 3 * BYTES;
          GemmPanels.vectorTile(
              tall, vectors, scratch.a, scratch.b, depth, init, initStride, c, 3 * BYTES);
        },
        DEPTH,
        AT_SPEED * tall * vectors * DEPTH);
  }

  private static boolean transposition(GemmScratch scratch) {
    if (!GemmPack.SQUARES) return true;
    int blocks = DEPTH / LENGTH;
    long wide = scratch.wide;
    long b = scratch.b;
    // A row takes log2(LENGTH) permutations, each of them not dearer than a multiply-add.
    double most = 4 * AT_SPEED * DEPTH;
    boolean pairs =
        WarmUp.atSpeed(
            count -> GemmPack.pairs(wide, GemmScratch.WIDE_STRIDE, b, 3 * BYTES, count),
            blocks,
            Double.MAX_VALUE);
    return WarmUp.atSpeed(
            count -> GemmPack.squares(wide, GemmScratch.WIDE_STRIDE, b, 3 * BYTES, count),
            blocks,
            most)
        && pairs;
  }
}
