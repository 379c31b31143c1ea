package dev.theriac.backend.vector;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Scratch memory of one thread, kept from call to call so that warm kernels allocate nothing. It is
 * uninitialised, and each slot is valid until the same thread asks for that slot again. Freed by
 * the garbage collector after the thread has ended.
 */
final class Workspace {
  /** What an operation shares with its tasks; only code outside tasks may ask for it. */
  static final int OPERATION = 0;

  /** What a task needs for itself. */
  static final int TASK = 1;

  /** A few vectors for the ends of rows, see {@link Tails}. */
  static final int TAIL = 2;

  private static final ThreadLocal<Workspace> LOCAL = ThreadLocal.withInitial(Workspace::new);

  private final MemorySegment[] blocks = new MemorySegment[3];
  private final long[] addresses = new long[3];
  private final long[] sizes = new long[3];

  private Workspace() {}

  /** Address of at least {@code bytes} bytes, on a 64-byte line. */
  static long get(int slot, long bytes) {
    Workspace w = LOCAL.get();
    if (w.sizes[slot] < bytes) w.grow(slot, bytes);
    return w.addresses[slot];
  }

  private void grow(int slot, long bytes) {
    long size = Math.max(4096, Math.max(bytes, sizes[slot] + sizes[slot] / 2));
    MemorySegment block = Arena.ofAuto().allocate(size, 64);
    blocks[slot] = block;
    addresses[slot] = block.address();
    sizes[slot] = size;
  }
}
