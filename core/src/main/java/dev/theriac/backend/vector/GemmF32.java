package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.GemmPack.Element;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * Matrix products in f32: {@code c = a b (+ bias)} or {@code c += a b}, one or many at a time, in
 * one parallel region.
 *
 * <p>The scheme is that of Goto and van de Geijn (Anatomy of High-Performance Matrix
 * Multiplication, 2008): blocks of both operands are packed into cache-sized buffers, from which a
 * register tile of eight rows by three vectors is computed with fused multiply-adds.
 *
 * <p><b>Bits.</b> Every element of c is one chain of fused multiply-adds in the order of k, started
 * from zero, the bias or the old c: exactly what a scalar loop over {@link Math#fma(float, float,
 * float)} computes. Blocks of k continue the chain from c, so the result does not depend on
 * blocking, vector width, number of threads, the operands' strides, or the number of rows: a row
 * gives the same bits alone as in a batch.
 *
 * <p>Thread-safe; operands may be read by others meanwhile, c must not be. Addresses are not
 * checked: callers check bounds once and keep the storage alive until the call returns.
 */
final class GemmF32 implements IntConsumer {

  /** Multiply-adds that make a task worth handing out. */
  private static final double TASK = Grain.of(Grain.PRODUCT);

  /** Number of tasks aimed at, so that threads finish at about the same time. */
  private static final int TASKS = 48;

  /** Number of tasks for which rows are split too, which costs another packing of b. */
  private static final int FEW_TASKS = 8;

  /** Rows of a product of few columns, at least, that are split. */
  private static final int SHORTEST = 48;

  private static final int MAX_ROW_BLOCK = 1024;

  private static final int DEPTH_UNIT = 16;

  /**
   * What all products of a call share. Strides in bytes.
   *
   * @param columns columns of b and c
   * @param accumulate whether c keeps its old value as the start of the sum (then there is no bias)
   * @param pair whether a second product of the same a is computed beside the first: c2 = a b2
   * @param bGroup bytes from 64 columns of b to the next 64, where b is packed; else 0
   */
  record Shape(
      int columns,
      long aRowStride,
      long aColStride,
      Element bType,
      long bRowStride,
      long bColStride,
      long cRowStride,
      boolean accumulate,
      boolean pair,
      long bGroup) {

    /** A b that is not packed. */
    Shape(
        int columns,
        long aRowStride,
        long aColStride,
        Element bType,
        long bRowStride,
        long bColStride,
        long cRowStride,
        boolean accumulate,
        boolean pair) {
      this(
          columns,
          aRowStride,
          aColStride,
          bType,
          bRowStride,
          bColStride,
          cRowStride,
          accumulate,
          pair,
          0);
    }

    /** One product. */
    Shape(
        int columns,
        long aRowStride,
        long aColStride,
        Element bType,
        long bRowStride,
        long bColStride,
        long cRowStride,
        boolean accumulate) {
      this(
          columns,
          aRowStride,
          aColStride,
          bType,
          bRowStride,
          bColStride,
          cRowStride,
          accumulate,
          false,
          0);
    }
  }

  private final GemmGroups groups;
  private final Shape shape;
  private final GemmPanels panels;
  private final int rowBlock;
  private final int columnBlock;
  private final int columnBlocks;

  /** Products per task: more than one only where each is a single block, and a small one. */
  private final int bundle;

  /** First task of each product, then their number; null where all have the same number. */
  private final int[] firstTask;

  private final int tasks;
  private final double work;

  /** The packed left operands, or null where each task packs what it needs. */
  private GemmLeft left;

  private GemmF32(GemmGroups groups, Shape shape) {
    this.groups = groups;
    this.shape = shape;
    panels = new GemmPanels(shape);
    int count = groups.count();
    int tallest = 0;
    int deepest = 1;
    boolean uniform = true;
    double sum = 0;
    for (int g = 0; g < count; g++) {
      int rows = groups.rows(g);
      tallest = Math.max(tallest, rows);
      uniform &= rows == groups.rows(0);
      deepest = Math.max(deepest, groups.depth(g));
      sum += (double) rows * shape.columns * Math.max(1, groups.depth(g));
    }
    work = shape.pair ? 2 * sum : sum;
    // The left operand is packed once where there are several blocks of columns, so that splitting
    // columns costs little; splitting rows costs another packing of b.
    int panel = GemmPanels.WIDEST * LENGTH;
    int rows = Math.max(1, Math.min(tallest, MAX_ROW_BLOCK));
    int columns = Math.max(1, Math.min(shape.columns, mostColumns(deepest)));
    // Two panels have no even halves, and b is then small enough to be packed more often.
    boolean narrow = shape.columns <= 2 * panel;
    int shortest = narrow ? SHORTEST : 128;
    double wanted = Math.min(TASKS, work / TASK);
    while (blocks(rows, columns) < wanted) {
      if ((narrow || columns <= panel) && rows >= shortest && blocks(rows, columns) < FEW_TASKS) {
        rows = roundUp((rows + 1) / 2, GemmTiles.GROUP);
      } else if (columns > panel) {
        columns = roundUp((columns + 1) / 2, panel);
      } else {
        break;
      }
    }
    rowBlock = even(tallest, rows, GemmTiles.GROUP);
    columnBlock = even(shape.columns, columns, panel);
    columnBlocks = ceil(shape.columns, columnBlock);
    if (uniform) {
      int each = ceil(tallest, rowBlock) * columnBlocks;
      bundle = each == 1 ? (int) Math.clamp(TASK * count / work, 1, count) : 1;
      firstTask = null;
      tasks = Math.toIntExact(((long) count * each + bundle - 1) / bundle);
    } else {
      bundle = 1;
      firstTask = new int[count + 1];
      for (int g = 0; g < count; g++) {
        int own = ceil(groups.rows(g), rowBlock) * columnBlocks;
        firstTask[g + 1] = Math.addExact(firstTask[g], own);
      }
      tasks = firstTask[count];
    }
  }

  /** Computes all products of {@code groups}, which keeps the operands' storage reachable. */
  static void run(GemmGroups groups, Shape shape) {
    if (FewRows.run(groups, shape) || GemmDirect.run(groups, shape)) return;
    GemmF32 call = new GemmF32(groups, shape);
    if (call.tasks == 1 || call.work < TASK) {
      for (int task = 0; task < call.tasks; task++) {
        call.accept(task);
      }
    } else {
      if (call.columnBlocks > 1) call.left = GemmLeft.pack(call, groups);
      try {
        Workers.parallelFor(call.tasks, call);
      } finally {
        if (call.left != null) call.left.release();
      }
    }
    Reference.reachabilityFence(groups);
  }

  /**
   * Columns of b that lie one after the other in memory are read as far as they go; rows are read
   * faster the more of each is taken at a time. Two matrices share the buffer.
   */
  private int longestRun() {
    boolean rows = shape.bColStride == shape.bType.bytes && shape.bGroup == 0;
    return rows || shape.pair ? GemmTiles.MAX_DEPTH / 2 : GemmTiles.MAX_DEPTH;
  }

  /** Columns of b that a task packs: as many as the buffer holds at the length of the runs. */
  private int mostColumns(int deepest) {
    int length = Math.min(longestRun(), roundUp(deepest, DEPTH_UNIT));
    int panel = GemmPanels.WIDEST * LENGTH;
    int floats = shape.pair ? GemmScratch.B_SIZE / 2 : GemmScratch.B_SIZE;
    int most = shape.pair ? GemmScratch.COLUMNS / 2 : GemmScratch.COLUMNS;
    return Math.min(most, floats / length) / panel * panel;
  }

  private double blocks(int rows, int columns) {
    double blocks = 0;
    for (int g = 0; g < groups.count(); g++) {
      blocks += ceil(groups.rows(g), rows);
    }
    return blocks * ceil(shape.columns, columns);
  }

  /** Computes one task: one block of c, or a bundle of small products. */
  @Override
  public void accept(int task) {
    GemmScratch scratch = GemmScratch.acquire();
    try {
      if (bundle > 1) {
        int end = Math.min(groups.count(), (task + 1) * bundle);
        for (int g = task * bundle; g < end; g++) {
          block(scratch, g, 0, 0);
        }
        return;
      }
      int g;
      int block;
      if (firstTask == null) {
        int each = tasks / groups.count();
        g = task / each;
        block = task % each;
      } else {
        g = productOf(firstTask, task);
        block = task - firstTask[g];
      }
      block(scratch, g, block / columnBlocks * rowBlock, block % columnBlocks * columnBlock);
    } finally {
      scratch.release();
      scratch.fence();
    }
  }

  /** The product to which a task belongs; those without rows have none. */
  static int productOf(int[] firstTask, int task) {
    int found = Arrays.binarySearch(firstTask, task);
    int g = found >= 0 ? found : -found - 2;
    while (firstTask[g + 1] == task) g++;
    return g;
  }

  /** Length of the runs in which k is taken. */
  int runLength(int g) {
    return even(groups.depth(g), longestRun(), DEPTH_UNIT);
  }

  /** Number of runs of k: one even for an empty sum, as c then becomes what the sum starts from. */
  int runs(int g) {
    return Math.max(1, ceil(groups.depth(g), runLength(g)));
  }

  private void block(GemmScratch scratch, int g, int firstRow, int firstColumn) {
    int rows = Math.min(rowBlock, groups.rows(g) - firstRow);
    int columns = Math.min(columnBlock, shape.columns - firstColumn);
    int depth = groups.depth(g);
    int length = runLength(g);
    int runs = runs(g);
    long c = groups.c(g) + firstRow * shape.cRowStride;
    long c2 = groups.c2(g) + firstRow * shape.cRowStride;
    long second = scratch.b + 2L * GemmScratch.B_SIZE;
    int j = firstColumn;
    for (int run = 0; run < runs; run++) {
      int k = run * length;
      int terms = Math.min(length, depth - k);
      panels.pack(scratch, groups.b(g), groups.bIndex(g), k, terms, j, columns, scratch.b);
      if (shape.pair) panels.pack(scratch, groups.b2(g), 0, k, terms, j, columns, second);
      for (int i = 0; i < rows; i += GemmScratch.ROWS) {
        int height = Math.min(GemmScratch.ROWS, rows - i);
        long a = scratch.a;
        if (left == null) packA(scratch, g, firstRow + i, height, k, terms, a);
        else a = left.address(g, k, terms, firstRow + i);
        long at = i * shape.cRowStride + 4L * j;
        panels.strip(scratch, a, scratch.b, height, columns, terms, k, groups.bias(g), j, c + at);
        if (shape.pair) {
          panels.strip(scratch, a, second, height, columns, terms, k, groups.bias2(g), j, c2 + at);
        }
        if (run == runs - 1) groups.finish(g, firstRow + i, height, j, columns);
      }
    }
  }

  /** Packs some rows of a product's left operand for one run of k. */
  void packA(GemmScratch scratch, int g, int row, int rows, int k, int depth, long to) {
    long a = groups.a(g);
    long rowIndex = groups.aRowIndex(g);
    long columnIndex = groups.aColumnIndex(g);
    long rowStride = shape.aRowStride;
    long colStride = shape.aColStride;
    if (rowIndex != 0) {
      GemmPack.aRows(a + 4L * k, rowStride, rowIndex + 8L * row, rows, depth, to, scratch);
    } else if (columnIndex != 0) {
      long from = a + row * rowStride;
      GemmPack.aColumns(from, colStride, columnIndex + 8L * k, rows, depth, to);
    } else {
      long from = a + row * rowStride + k * colStride;
      GemmPack.a(from, rowStride, colStride, rows, depth, to, scratch);
    }
  }

  /** The step, a multiple of {@code unit}, that cuts {@code size} evenly into the fewest steps. */
  private static int even(int size, int limit, int unit) {
    int parts = Math.max(1, ceil(size, limit));
    return Math.max(unit, roundUp(ceil(size, parts), unit));
  }

  private static int ceil(int size, int step) {
    return size == 0 ? 0 : (size - 1) / step + 1;
  }

  private static int roundUp(int size, int unit) {
    return ceil(size, unit) * unit;
  }
}
