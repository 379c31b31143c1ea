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

  /** Bytes of the copied rows of a. */
  private static final long COPY = 4L * GemmScratch.ROWS * GemmTiles.MAX_DEPTH;

  private static final MemorySegment ZEROS = Arena.global().allocate(4 * PANEL, 64);

  private final GemmGroups groups;
  private final GemmF32.Shape shape;
  private final int chunk;
  private final int chunks;

  /** Products per task: more than one only where each is a single chunk, and a small one. */
  private final int bundle;

  private final int tasks;

  private FewRows(GemmGroups groups, GemmF32.Shape shape, long columnBytes, long bytes) {
    this.groups = groups;
    this.shape = shape;
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
    int count = 0;
    for (int g = 0; g < groups.count(); g++) {
      int rows = groups.rows(g);
      if (rows == 0) continue;
      int depth = groups.depth(g);
      if (rows > MOST || depth < block) return false;
      if (groups.bIndex(g) != 0 || groups.aColumnIndex(g) != 0) return false;
      if (scattered(groups, shape, g) && 4L * rows * depth > COPY) {
        return false;
      }
      kernels |= FewRowsWarmUp.bit(half, rows);
      deepest = Math.max(deepest, depth);
      count++;
    }
    if (count == 0 || !FewRowsWarmUp.ready(kernels)) return false;
    long columnBytes = deepest * shape.bType().bytes * (shape.pair() ? 2 : 1);
    long bytes = count * columnBytes * shape.columns();
    FewRows call = new FewRows(groups, shape, columnBytes, bytes);
    if (bytes < PARALLEL_FROM) {
      for (int task = 0; task < call.tasks; task++) {
        call.accept(task);
      }
    } else {
      Workers.parallelFor(call.tasks, call);
    }
    Reference.reachabilityFence(groups);
    return true;
  }

  /** Terms of a sum that a kernel takes at a time. */
  private static int block(Element type) {
    return type == Element.F32 ? LENGTH : 2 * LENGTH;
  }

  /** Whether the rows of a have to be copied to lie evenly spaced and contiguous. */
  private static boolean scattered(GemmGroups groups, GemmF32.Shape shape, int g) {
    return shape.aColStride() != 4 || groups.aRowIndex(g) != 0 && groups.rows(g) > 1;
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
    long x = groups.a(g);
    long xStride = shape.aRowStride();
    if (scattered(groups, shape, g)) {
      gather(g, x, scratch.a);
      x = scratch.a;
      xStride = 4L * groups.depth(g);
    } else if (groups.aRowIndex(g) != 0) {
      x += ALL.get(I64, groups.aRowIndex(g)) * xStride;
    }
    product(scratch, g, x, xStride, groups.b(g), groups.bias(g), groups.c(g), first, end);
    if (shape.pair()) {
      product(scratch, g, x, xStride, groups.b2(g), groups.bias2(g), groups.c2(g), first, end);
    }
    groups.finish(g, 0, rows, first, end - first);
  }

  private void gather(int g, long a, long to) {
    long index = groups.aRowIndex(g);
    int depth = groups.depth(g);
    for (int r = 0; r < groups.rows(g); r++) {
      long row = index == 0 ? r : ALL.get(I64, index + 8L * r);
      long from = a + row * shape.aRowStride();
      if (shape.aColStride() == 4) {
        copy(from, to, depth);
      } else {
        for (int k = 0; k < depth; k++) {
          ALL.set(F32, to + 4L * k, ALL.get(F32, from + k * shape.aColStride()));
        }
      }
      to += 4L * depth;
    }
  }

  private void product(
      GemmScratch scratch,
      int g,
      long x,
      long xStride,
      long b,
      long bias,
      long c,
      int first,
      int end) {
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
        panel(w, next, x, xStride, rows, depth, init, initStride, to, shape.cRowStride());
        continue;
      }
      for (int r = 0; r < rows; r++) {
        copy(init + r * initStride, scratch.tile + 4L * PANEL * r, PANEL);
      }
      panel(w, next, x, xStride, rows, depth, scratch.tile, 4 * PANEL, scratch.tile, 4 * PANEL);
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
      long x,
      long xStride,
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
    kernel(half, kernel, w, step, next, x, xStride, rows, blocks, init, initStride, c, cStride);
    int done = blocks * block;
    if (done == depth) return;
    w += done * shape.bType().bytes;
    for (int r = 0; r < rows; r++) {
      rest(half, w, step, x + r * xStride + 4L * done, depth - done, c + r * cStride);
    }
  }

  /** The terms at the end of the sums, fewer than a block. */
  private static void rest(boolean half, long w, long wStride, long x, int terms, long c) {
    for (int j = 0; j < PANEL; j++) {
      float sum = ALL.get(F32, c + 4L * j);
      for (int k = 0; k < terms; k++) {
        float value =
            half ? Float.intBitsToFloat(ALL.get(I16, w + 2L * k) << 16) : ALL.get(F32, w + 4L * k);
        sum = Math.fma(ALL.get(F32, x + 4L * k), value, sum);
      }
      ALL.set(F32, c + 4L * j, sum);
      w += wStride;
    }
  }

  /**
   * Calls the kernel for {@code kernel} rows, of which the first {@code rows} are there.
   *
   * @return the exclusive or of what it touched ahead
   */
  static long kernel(
      boolean half,
      int kernel,
      long w,
      long s,
      long next,
      long x,
      long xs,
      int rows,
      int n,
      long i,
      long is,
      long c,
      long cs) {
    long last = x + (rows - 1) * xs;
    int which = (half ? 8 : 0) + kernel;
    return switch (LENGTH) {
      case 16 -> {
        yield switch (which) {
          case 1 -> FewRows16.f32x1(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 2 -> FewRows16.f32x2(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 4 -> FewRows16.f32x4(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 9 -> FewRows16.bf16x1(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 10 -> FewRows16.bf16x2(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          default -> FewRows16.bf16x4(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
        };
      }
      case 8 -> {
        yield switch (which) {
          case 1 -> FewRows8.f32x1(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 2 -> FewRows8.f32x2(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 4 -> FewRows8.f32x4(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 9 -> FewRows8.bf16x1(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 10 -> FewRows8.bf16x2(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          default -> FewRows8.bf16x4(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
        };
      }
      default -> {
        yield switch (which) {
          case 1 -> FewRows4.f32x1(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 2 -> FewRows4.f32x2(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 4 -> FewRows4.f32x4(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 9 -> FewRows4.bf16x1(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          case 10 -> FewRows4.bf16x2(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
          default -> FewRows4.bf16x4(w, s, next, x, xs, last, n, STOP, i, is, c, cs);
        };
      }
    };
  }
}
