package dev.theriac.backend.vector;

import java.lang.foreign.Arena;

/**
 * The {@link WarmUp} of the tiles of packed weights, one for each type, begun by the first product.
 * Until a tile runs at speed its products go through {@link GemmF32}, which gives the same bits.
 */
final class PackedWarmUp {

  /** Nanoseconds for a vector of weights and a row: compiled code takes about one. */
  private static final double AT_SPEED = 6;

  private static final int TERMS = 128;

  private static final boolean LARGE = JitDirectives.LARGE_KERNELS;

  /** Rows of the tiles, the most wanted first. */
  private static final int[] TALL = LARGE ? new int[] {1, 4, 2} : new int[] {1};

  private PackedWarmUp() {}

  /** Made when first asked for. */
  private static final class OfF32 {
    static final WarmUp WARM_UP = warmUp(false);
  }

  private static final class OfBf16 {
    static final WarmUp WARM_UP = warmUp(true);
  }

  private static WarmUp warmUp(boolean half) {
    return new WarmUp(
        "packed " + (half ? "BF16" : "F32") + " weights",
        "the matrix product is used meanwhile",
        TALL.length,
        kernel -> exercise(half, TALL[kernel]));
  }

  private static WarmUp of(boolean half) {
    return half ? OfBf16.WARM_UP : OfF32.WARM_UP;
  }

  /** Rows of the tile for so many rows, at most four: three take that of four. */
  static int tileRows(int rows) {
    if (!LARGE) return 1;
    return rows == 3 ? 4 : rows;
  }

  /** Slices that a tile of so many rows computes at a time: as many streams of memory. */
  static int streams(int tall) {
    if (!LARGE) return 1;
    return tall == 1 ? 3 : tall == 2 ? 2 : 1;
  }

  /** Whether products of so many rows may use the tiles; the first call starts. */
  static boolean ready(boolean half, int rows) {
    int tall = tileRows(rows);
    for (int i = 0; i < TALL.length; i++) {
      if (TALL[i] == tall) return of(half).has(i);
    }
    return false;
  }

  /** Lets all kernels be used, or none: for tests. */
  static void use(boolean vectors) {
    of(false).use(vectors);
    of(true).use(vectors);
  }

  /** Waits until the tiles run at speed; false if that takes longer than {@code seconds}. */
  static boolean await(long seconds) throws InterruptedException {
    WarmUp first = of(true);
    return of(false).await(seconds) && first.await(seconds);
  }

  /** Calls a kernel some times and returns whether it runs at speed. */
  private static boolean exercise(boolean half, int tall) {
    try (Arena arena = Arena.ofConfined()) {
      long w = arena.allocate(256L * TERMS, 64).address();
      long x = arena.allocate(16L * TERMS, 64).address();
      long out = arena.allocate(4096, 64).address();
      long init = arena.allocate(4096, 64).address();
      int vectors = tall * 4 * streams(tall);
      return WarmUp.atSpeed(
          terms -> tile(half, tall, w, w, w, terms, x, 4L * TERMS, tall - 1, init, out, 256, 0, 0),
          TERMS,
          AT_SPEED * vectors * TERMS);
    }
  }

  /**
   * One tile of {@link PackedTiles}.
   *
   * @param w0 address of the first slice
   * @param last the last row that there is: those of the tile beyond it are that one again
   * @param d1 bytes from the sums of the first slice to those of the second, {@code d2} to the
   *     third
   */
  static void tile(
      boolean half,
      int tall,
      long w0,
      long w1,
      long w2,
      int terms,
      long x,
      long xStride,
      int last,
      long init,
      long out,
      long outStride,
      long d1,
      long d2) {
    if (!LARGE) {
      if (half) PackedTiles.bf16x1x1(w0, terms, x, init, out);
      else PackedTiles.f32x1x1(w0, terms, x, init, out);
      return;
    }
    long xLast = last * xStride;
    long outLast = last * outStride;
    switch (half ? 10 + tall : tall) {
      case 1 -> PackedTiles.f32x1x3(w0, w1, w2, terms, x, init, out, d1, d2);
      case 2 -> PackedTiles.f32x2x2(w0, w1, terms, x, xLast, init, out, outLast, d1);
      case 4 -> PackedTiles.f32x4x1(w0, terms, x, xStride, xLast, init, out, outStride, outLast);
      case 11 -> PackedTiles.bf16x1x3(w0, w1, w2, terms, x, init, out, d1, d2);
      case 12 -> PackedTiles.bf16x2x2(w0, w1, terms, x, xLast, init, out, outLast, d1);
      case 14 -> PackedTiles.bf16x4x1(w0, terms, x, xStride, xLast, init, out, outStride, outLast);
      default -> throw new AssertionError(tall);
    }
  }
}
