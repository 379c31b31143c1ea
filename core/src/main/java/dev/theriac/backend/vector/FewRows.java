package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.I16;
import static dev.theriac.backend.vector.Lanes.I64;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.GemmPack.Element;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * Products of a few rows with transposed f32 or bf16 matrices, as in generation: every weight is
 * read once, in long runs, and transposed in registers, so that memory is what bounds them.
 *
 * <p><b>Bits.</b> Those of {@link GemmF32}: one chain of fused multiply-adds for each element, in
 * the order of k. Which of the two computes a product therefore never shows.
 *
 * <p>Thread-safe. Addresses are not checked.
 */
final class FewRows implements IntConsumer {

  /** Rows up to which this is faster than the tiles, which pack the matrix first. */
  static final int MOST = 4;

  /** Columns of c that are computed at a time. */
  private static final int PANEL = 16;

  /** Bytes of weights below which the caller computes alone: waking others would cost more. */
  private static final long PARALLEL_FROM = 2 * Grain.of(Grain.WEIGHT_BYTE);

  private static final long SMALLEST_TASK = Math.min(512 << 10, Grain.of(Grain.WEIGHT_BYTE));
  private static final long LARGEST_TASK = 512 << 10;
  private static final int TASKS = 48;

  /** For the parameter of that name of the kernels. */
  private static final int STOP = -1000;

  /** Most elements of the copied rows of a: as many as the kernels address. */
  private static final long COPIED = 1 << 24;

  /** Elements up to which a thread keeps its array. */
  private static final int KEPT = 1 << 20;

  /** A thread's array for the rows of a; null while one of its products uses it. */
  private static final ThreadLocal<float[][]> ARRAYS =
      ThreadLocal.withInitial(() -> new float[1][]);

  private static final MemorySegment ZEROS = Arena.global().allocate(4 * PANEL, 64);

  private final GemmGroups groups;
  private final GemmF32.Shape shape;
  private final int chunk;
  private final int chunks;

  /** Products per task: more than one only where each is a single chunk, and a small one. */
  private final int bundle;

  private final int tasks;

  /** The rows of a, those of product g from its element g * {@link #slot}. */
  private final float[] x;

  private final int slot;

  private FewRows(
      GemmGroups groups, GemmF32.Shape shape, long columnBytes, long bytes, float[] x, int slot) {
    this.groups = groups;
    this.shape = shape;
    this.x = x;
    this.slot = slot;
    long task = Math.clamp(bytes / TASKS, SMALLEST_TASK, LARGEST_TASK);
    long wanted = Math.max(1, (long) shape.columns() * columnBytes / task);
    int panels = (shape.columns() + PANEL - 1) / PANEL;
    chunk = (int) ((panels + wanted - 1) / wanted) * PANEL;
    chunks = (shape.columns() + chunk - 1) / chunk;
    long one = Math.max(1, (long) shape.columns() * columnBytes);
    bundle = chunks > 1 ? 1 : Math.clamp(task / one, 1, groups.count());
    tasks = Math.toIntExact(((long) groups.count() * chunks + bundle - 1) / bundle);
  }

  /** Computes all products of {@code groups} and returns true, or does nothing. */
  static boolean run(GemmGroups groups, GemmF32.Shape shape) {
    if (!JitDirectives.LARGE_KERNELS
        || shape.bType() == Element.F16
        || shape.bRowStride() != shape.bType().bytes
        || shape.columns() < PANEL) {
      return false;
    }
    int block = block(shape.bType());
    boolean half = shape.bType() != Element.F32;
    int kernels = 0;
    long deepest = 0;
    long slot = 0;
    int count = 0;
    for (int g = 0; g < groups.count(); g++) {
      int rows = groups.rows(g);
      if (rows == 0) continue;
      int depth = groups.depth(g);
      if (rows > MOST || depth < block) return false;
      if (groups.bIndex(g) != 0 || groups.aColumnIndex(g) != 0) return false;
      slot = Math.max(slot, (long) FewRowsWarmUp.kernelRows(rows) * depth);
      kernels |= FewRowsWarmUp.bit(half, rows);
      deepest = Math.max(deepest, depth);
      count++;
    }
    long copied = slot * groups.count();
    if (count == 0 || copied > COPIED || !FewRowsWarmUp.ready(kernels)) return false;
    long columnBytes = deepest * shape.bType().bytes * (shape.pair() ? 2 : 1);
    long bytes = count * columnBytes * shape.columns();
    float[][] holder = ARRAYS.get();
    float[] x = holder[0];
    if (x == null || x.length < copied) x = new float[(int) Math.max(copied + copied / 2, 1 << 14)];
    holder[0] = null;
    FewRows call = new FewRows(groups, shape, columnBytes, bytes, x, (int) slot);
    for (int g = 0; g < groups.count(); g++) call.copyRows(g);
    if (bytes < PARALLEL_FROM) {
      for (int task = 0; task < call.tasks; task++) {
        call.accept(task);
      }
    } else {
      Workers.parallelFor(call.tasks, call);
    }
    if (x.length <= KEPT) holder[0] = x;
    Reference.reachabilityFence(groups);
    return true;
  }

  /** Terms of a sum that a kernel takes at a time. */
  private static int block(Element type) {
    return type == Element.F32 ? LENGTH : 2 * LENGTH;
  }

  @Override
  public void accept(int task) {
    GemmScratch scratch = GemmScratch.acquire();
    try {
      if (bundle > 1) {
        int end = Math.min(groups.count(), (task + 1) * bundle);
        for (int g = task * bundle; g < end; g++) {
          columns(scratch, g, 0, shape.columns());
        }
      } else {
        int first = task % chunks * chunk;
        columns(scratch, task / chunks, first, Math.min(shape.columns(), first + chunk));
      }
    } finally {
      scratch.release();
      scratch.fence();
    }
  }

  private void columns(GemmScratch scratch, int g, int first, int end) {
    int rows = groups.rows(g);
    if (rows == 0) return;
    product(scratch, g, groups.b(g), groups.bias(g), groups.c(g), first, end);
    if (shape.pair()) {
      product(scratch, g, groups.b2(g), groups.bias2(g), groups.c2(g), first, end);
    }
    groups.finish(g, 0, rows, first, end - first);
  }

  /** Copies the rows of a, and the last one again for those that the kernel has beyond them. */
  private void copyRows(int g) {
    int rows = groups.rows(g);
    if (rows == 0) return;
    long index = groups.aRowIndex(g);
    int depth = groups.depth(g);
    int to = g * slot;
    for (int r = 0; r < FewRowsWarmUp.kernelRows(rows); r++) {
      long there = Math.min(r, rows - 1);
      long row = index == 0 ? there : ALL.get(I64, index + 8 * there);
      long from = groups.a(g) + row * shape.aRowStride();
      for (int k = 0; k < depth; k++) {
        x[to + k] = ALL.get(F32, from + k * shape.aColStride());
      }
      to += depth;
    }
  }

  private void product(GemmScratch scratch, int g, long b, long bias, long c, int first, int end) {
    int rows = groups.rows(g);
    int depth = groups.depth(g);
    int kernel = FewRowsWarmUp.kernelRows(rows);
    for (int j = first; j < end; j += PANEL) {
      // The last panel starts further left; what it computes a second time is thrown away.
      int from = Math.min(j, shape.columns() - PANEL);
      long w = b + from * shape.bColStride();
      long next = b + Math.min(j + PANEL, shape.columns() - PANEL) * shape.bColStride();
      long to = c + 4L * from;
      long init = to;
      long initStride = shape.cRowStride();
      if (!shape.accumulate()) {
        init = bias == 0 ? ZEROS.address() : bias + 4L * from;
        initStride = 0;
      }
      if (from == j && rows == kernel) {
        panel(w, next, g, rows, depth, init, initStride, to, shape.cRowStride());
        continue;
      }
      for (int r = 0; r < rows; r++) {
        copy(init + r * initStride, scratch.tile + 4L * PANEL * r, PANEL);
      }
      panel(w, next, g, rows, depth, scratch.tile, 4 * PANEL, scratch.tile, 4 * PANEL);
      for (int r = 0; r < rows; r++) {
        long source = scratch.tile + 4L * (PANEL * r + j - from);
        int count = Math.min(PANEL - (j - from), end - j);
        copy(source, to + r * shape.cRowStride() + 4L * (j - from), count);
      }
    }
  }

  /** Copies floats without vectors: in a method this large the compiler may box those. */
  private static void copy(long from, long to, int count) {
    for (int i = 0; i < count; i++) {
      ALL.set(F32, to + 4L * i, ALL.get(F32, from + 4L * i));
    }
  }

  /** Sixteen columns of c. Three rows take a kernel for four, whose last row is the third again. */
  private void panel(
      long w,
      long next,
      int g,
      int rows,
      int depth,
      long init,
      long initStride,
      long c,
      long cStride) {
    int block = block(shape.bType());
    int blocks = depth / block;
    boolean half = shape.bType() != Element.F32;
    long step = shape.bColStride();
    int kernel = FewRowsWarmUp.kernelRows(rows);
    kernel(half, kernel, w, step, next, x, g * slot, depth, blocks, init, initStride, c, cStride);
    int done = blocks * block;
    if (done == depth) return;
    w += done * shape.bType().bytes;
    for (int r = 0; r < rows; r++) {
      rest(half, w, step, g * slot + r * depth + done, depth - done, c + r * cStride);
    }
  }

  /** The terms at the end of the sums, fewer than a block. */
  private void rest(boolean half, long w, long wStride, int first, int terms, long c) {
    for (int j = 0; j < PANEL; j++) {
      float sum = ALL.get(F32, c + 4L * j);
      for (int k = 0; k < terms; k++) {
        float value =
            half ? Float.intBitsToFloat(ALL.get(I16, w + 2L * k) << 16) : ALL.get(F32, w + 4L * k);
        sum = Math.fma(x[first + k], value, sum);
      }
      ALL.set(F32, c + 4L * j, sum);
      w += wStride;
    }
  }

  /**
   * Calls the kernel for {@code kernel} rows.
   *
   * @return the exclusive or of what it touched ahead
   */
  static long kernel(
      boolean half,
      int kernel,
      long w,
      long s,
      long next,
      float[] x,
      int first,
      int xs,
      int n,
      long i,
      long is,
      long c,
      long cs) {
    int which = (half ? 8 : 0) + kernel;
    return switch (LENGTH) {
      case 16 -> {
        yield switch (which) {
          case 1 -> FewRows16.f32x1(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 2 -> FewRows16.f32x2(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 4 -> FewRows16.f32x4(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 9 -> FewRows16.bf16x1(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 10 -> FewRows16.bf16x2(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          default -> FewRows16.bf16x4(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
        };
      }
      case 8 -> {
        yield switch (which) {
          case 1 -> FewRows8.f32x1(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 2 -> FewRows8.f32x2(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 4 -> FewRows8.f32x4(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 9 -> FewRows8.bf16x1(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 10 -> FewRows8.bf16x2(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          default -> FewRows8.bf16x4(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
        };
      }
      default -> {
        yield switch (which) {
          case 1 -> FewRows4.f32x1(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 2 -> FewRows4.f32x2(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 4 -> FewRows4.f32x4(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 9 -> FewRows4.bf16x1(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          case 10 -> FewRows4.bf16x2(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
          default -> FewRows4.bf16x4(w, s, next, x, first, xs, n, STOP, i, is, c, cs);
        };
      }
    };
  }
}
