package dev.theriac.backend.vector;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Packing buffers of the matrix product, reused across calls. As many exist as tasks have ever run
 * at one time; a thread prefers the set it used last, which is still in its cache.
 */
final class GemmScratch {

  /** Rows of a that are packed at a time: a multiple of every tile's height. */
  static final int ROWS = 96;

  /**
   * Columns of b that are packed at a time: a multiple of the widest tile at every vector width.
   */
  static final int COLUMNS = 288;

  /** Floats of b that are packed at a time: they stay in the L2 cache. */
  static final int B_SIZE = 48 * GemmTiles.MAX_DEPTH;

  /** A cache line more than a row of {@link #wide} holds: its rows lie in different sets. */
  static final long WIDE_STRIDE = 4L * GemmTiles.MAX_DEPTH + 64;

  private static final int SLOTS = 64;
  private static final AtomicReferenceArray<GemmScratch> FREE = new AtomicReferenceArray<>(SLOTS);

  /** Packed a: {@link #ROWS} rows in groups of {@link GemmTiles#GROUP}. */
  final long a;

  /** Packed b: panels of one to three vectors, each holding its rows k one after the other. */
  final long b;

  /** One tile, rows three vectors apart: the way in and out for tiles that overhang the matrix. */
  final long tile;

  /** Rows on their way to a transposition, {@link #WIDE_STRIDE} bytes apart: a group of a's. */
  final long wide;

  /** Zeros, one tile row. */
  final long zeros;

  /** Keeps the memory alive. */
  private final MemorySegment memory;

  private GemmScratch() {
    long row = 3 * Lanes.BYTES;
    long aBytes = 4L * ROWS * GemmTiles.MAX_DEPTH;
    long bBytes = 4L * B_SIZE;
    long wideBytes = GemmTiles.GROUP * WIDE_STRIDE;
    memory = Arena.ofAuto().allocate(aBytes + bBytes + 8 * row + wideBytes + row, 4096);
    b = memory.address();
    a = b + bBytes;
    wide = a + aBytes;
    tile = wide + wideBytes;
    zeros = tile + 8 * row;
  }

  /** Takes a set of buffers that no other task uses. */
  static GemmScratch acquire() {
    int first = home();
    for (int i = 0; i < SLOTS; i++) {
      int slot = (first + i) % SLOTS;
      if (FREE.getPlain(slot) != null) {
        GemmScratch scratch = FREE.getAndSet(slot, null);
        if (scratch != null) {
          return scratch;
        }
      }
    }
    return new GemmScratch();
  }

  /** Gives the buffers back. */
  void release() {
    int first = home();
    for (int i = 0; i < SLOTS; i++) {
      if (FREE.compareAndSet((first + i) % SLOTS, null, this)) {
        return;
      }
    }
  }

  private static int home() {
    return (int) (Thread.currentThread().threadId() % SLOTS);
  }

  /** Must be called after the last use of an address: the memory is freed with this object. */
  void fence() {
    java.lang.ref.Reference.reachabilityFence(memory);
  }
}
