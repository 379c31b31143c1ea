package dev.theriac.backend.vector;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.OutOfTensorMemoryException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.IntConsumer;

/**
 * The left operands of a call, packed once for all blocks of columns: for each product its runs of
 * k one after the other, each packed as {@link GemmPack#a} does.
 */
final class GemmLeft implements IntConsumer {

  /** Left operands that take more are packed by each task for itself. */
  private static final long MOST = 64L << 20;

  /** Rows of one packing task. */
  private static final int STRIP = 256;

  /** Buffers kept for later calls, none of them large: two, for two calls at a time. */
  private static final int SLOTS = 2;

  private static final AtomicReferenceArray<MemorySegment> FREE = new AtomicReferenceArray<>(SLOTS);

  private final GemmF32 call;
  private final GemmGroups groups;

  /** Floats before each product. */
  private final long[] first;

  /** Packing tasks before each product. */
  private final int[] firstTask;

  /** Null where {@link #large} holds the operands. */
  private MemorySegment memory;

  /** A block of the pool of tensors, which counts and bounds what is too large to be kept. */
  private CpuStorage large;

  private long address;

  private GemmLeft(GemmF32 call, GemmGroups groups) {
    this.call = call;
    this.groups = groups;
    int count = groups.count();
    first = new long[count + 1];
    firstTask = new int[count + 1];
    for (int g = 0; g < count; g++) {
      int rows = groups.depth(g) == 0 ? 0 : groups.rows(g);
      int runs = call.runs(g);
      first[g + 1] = first[g] + (long) padded(rows) * groups.depth(g);
      firstTask[g + 1] = Math.addExact(firstTask[g], runs * ((rows + STRIP - 1) / STRIP));
    }
  }

  /** Packs everything, in a parallel region of its own; null when that would take too much. */
  static GemmLeft pack(GemmF32 call, GemmGroups groups) {
    GemmLeft left = new GemmLeft(call, groups);
    long bytes = 4 * left.first[groups.count()];
    if (bytes > MOST) return null;
    if (bytes > Workspace.KEPT) {
      try {
        left.large = CpuStorage.allocate(bytes, "matrix product");
      } catch (OutOfTensorMemoryException e) {
        return null;
      }
      left.address = left.large.address();
    } else {
      left.memory = acquire(Math.max(bytes, 64));
      left.address = left.memory.address();
    }
    try {
      Workers.parallelFor(left.firstTask[groups.count()], left);
    } catch (Throwable e) {
      left.release();
      throw e;
    }
    return left;
  }

  /** Rows that the tiles may read, the last ones without having to be set. */
  private static int padded(int rows) {
    return (rows + GemmTiles.GROUP - 1) / GemmTiles.GROUP * GemmTiles.GROUP;
  }

  /** Address of a product's row, the first of a group, in the run of {@code terms} from k on. */
  long address(int g, int k, int terms, int row) {
    return address + 4 * (first[g] + (long) k * padded(groups.rows(g)) + (long) row * terms);
  }

  @Override
  public void accept(int task) {
    int g = GemmF32.productOf(firstTask, task);
    int runs = call.runs(g);
    int at = task - firstTask[g];
    int row = at / runs * STRIP;
    int run = at % runs;
    int rows = Math.min(STRIP, groups.rows(g) - row);
    GemmScratch scratch = GemmScratch.acquire();
    try {
      int k = run * call.runLength(g);
      int terms = Math.min(call.runLength(g), groups.depth(g) - k);
      call.packA(scratch, g, row, rows, k, terms, address(g, k, terms, row));
    } finally {
      scratch.release();
      scratch.fence();
    }
  }

  private static MemorySegment acquire(long bytes) {
    for (int i = 0; i < SLOTS; i++) {
      MemorySegment free = FREE.getAndSet(i, null);
      if (free == null) continue;
      if (free.byteSize() >= bytes) return free;
      break; // too small: let the collector have it
    }
    return Arena.ofAuto().allocate(Math.max(bytes + bytes / 4, 1 << 20), 4096);
  }

  /** Gives the memory back, after the last use of an address. */
  void release() {
    Reference.reachabilityFence(memory);
    if (large != null) {
      large.free("the end of its operation");
      large = null;
      return;
    }
    for (int i = 0; i < SLOTS; i++) {
      if (FREE.compareAndSet(i, null, memory)) break;
    }
    memory = null;
  }
}
