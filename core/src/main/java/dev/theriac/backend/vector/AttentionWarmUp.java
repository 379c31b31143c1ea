package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import java.lang.foreign.Arena;

/** The {@link WarmUp} of the tiles of attention, begun by the first call. */
final class AttentionWarmUp {

  /** Rows of a tile. */
  static final int TALL = 4;

  /** Whether there are the 32 vector registers of AVX-512 or NEON. */
  static final boolean REGISTERS =
      LENGTH == 16 || System.getProperty("os.arch", "").equals("aarch64");

  /** Vectors of the widest tile: 20 sums need 32 registers. */
  static final int WIDEST = JitDirectives.LARGE_KERNELS && REGISTERS ? 5 : 3;

  /** Nanoseconds for one vector multiply-add: compiled code takes about a fifth, boxed code ten. */
  private static final double AT_SPEED = 2.5;

  private static final int DEPTH = 64;

  /** The tile of one vector, of two, and so on. */
  private static final WarmUp WARM_UP =
      new WarmUp(
          "attention",
          "scalar code is used meanwhile, some fifty times slower",
          WIDEST,
          kernel -> exercise(kernel + 1));

  private AttentionWarmUp() {}

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    return WARM_UP.await(seconds);
  }

  /** Whether all tiles of up to so many vectors run at speed. */
  static boolean ready(int vectors) {
    return WARM_UP.ready((1 << vectors) - 1);
  }

  /** Lets all tiles be used, or none: for tests, which compare the two ways. */
  static void use(boolean compiled) {
    WARM_UP.use(compiled);
  }

  /** One tile of {@link AttentionTiles} of {@link #TALL} rows by 1 to {@link #WIDEST} vectors. */
  static void tile(
      int vectors,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    if (WARM_UP.has(vectors - 1)) {
      vectorTile(vectors, a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    } else {
      ScalarTile.compute(
          TALL, vectors * LENGTH, a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    }
  }

  private static void vectorTile(
      int vectors,
      long a,
      long aRow,
      long aStep,
      long b,
      long bStep,
      int depth,
      long init,
      long initRow,
      long c,
      long cRow) {
    switch (vectors) {
      case 1 -> AttentionTiles.tile4x1(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 2 -> AttentionTiles.tile4x2(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 3 -> AttentionTiles.tile4x3(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      case 4 -> AttentionTiles.tile4x4(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
      default -> AttentionTiles.tile4x5(a, aRow, aStep, b, bStep, depth, init, initRow, c, cRow);
    }
  }

  /** Calls a tile some times and returns whether it runs at speed. */
  private static boolean exercise(int vectors) {
    try (Arena arena = Arena.ofConfined()) {
      long step = WIDEST * BYTES;
      long a = arena.allocate(4 * TALL * DEPTH, 64).address();
      long b = arena.allocate(step * DEPTH, 64).address();
      long c = arena.allocate(TALL * step, 64).address();
      return WarmUp.atSpeed(
          depth -> vectorTile(vectors, a, 4L * DEPTH, 4, b, step, depth, c, 0, c, step),
          DEPTH,
          AT_SPEED * TALL * vectors * DEPTH);
    }
  }
}
