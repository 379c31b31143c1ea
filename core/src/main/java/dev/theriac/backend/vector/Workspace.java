package dev.theriac.backend.vector;

import dev.theriac.tensor.CpuStorage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Scratch memory of one thread, kept from call to call so that warm kernels allocate nothing. It is
 * uninitialised, and each slot is valid until the same thread asks for that slot again. Freed by
 * the garbage collector after the thread has ended.
 *
 * <p>What may exceed {@link #KEPT} bytes is taken and released instead: a large block then comes
 * from the pool of tensors, which counts it and bounds it, and goes back when the operation ends.
 */
final class Workspace {
  /** Blocks of more bytes are not kept for a thread, where they are asked for with take. */
  static final long KEPT = 32L << 20;

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
  private final CpuStorage[] taken = new CpuStorage[3];

  private Workspace() {}

  /** Address of at least {@code bytes} bytes, on a 64-byte line. */
  static long get(int slot, long bytes) {
    Workspace w = LOCAL.get();
    if (w.sizes[slot] < bytes) w.grow(slot, bytes);
    return w.addresses[slot];
  }

  /**
   * The same until {@link #release}, which must follow: what exceeds {@link #KEPT} is not kept.
   *
   * @param holder operation named in reports of memory
   * @throws dev.theriac.tensor.OutOfTensorMemoryException if the pool's limit is reached
   */
  static long take(int slot, long bytes, String holder) {
    if (bytes <= KEPT) return get(slot, bytes);
    CpuStorage large = CpuStorage.allocate(bytes, holder);
    LOCAL.get().taken[slot] = large;
    return large.address();
  }

  /** Gives back what {@link #take} gave this thread, if it is not to be kept. */
  static void release(int slot) {
    CpuStorage[] taken = LOCAL.get().taken;
    if (taken[slot] == null) return;
    taken[slot].free("the end of its operation");
    taken[slot] = null;
  }

  private void grow(int slot, long bytes) {
    long size = Math.max(4096, Math.max(bytes, Math.min(sizes[slot] + sizes[slot] / 2, KEPT)));
    MemorySegment block = Arena.ofAuto().allocate(size, 64);
    blocks[slot] = block;
    addresses[slot] = block.address();
    sizes[slot] = size;
  }
}
