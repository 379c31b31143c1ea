package dev.theriac.cuda;

import dev.theriac.backend.SelectionKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.Launch;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.LongStream;

/** What a router does behind its product: kernels of {@code selection.cu} and a sort of rows. */
final class CudaSelection extends CudaKernels implements SelectionKernels {
  /** Warps of a block of the kernels that give a row to each. */
  private static final int ROWS = 4;

  private static final int THREADS = 128;

  /** Tokens of a run, as in {@code sort_rows.cu}. */
  private static final long RUN = 64;

  /** Runs times groups up to which one block sorts: sixteen for each of its threads. */
  private static final long WHOLE = 1 << 14;

  CudaSelection(CudaDevice device) {
    super(device);
  }

  @Override
  public void select(Strided scores, int k, int groups, int kept, int best, Strided ids) {
    long rows = scores.size(0);
    long columns = scores.size(1);
    if (rows == 0 || k == 0) return;
    if (groups == 1) {
      device
          .kernel("selection_select")
          .grid(Math.ceilDiv(rows, ROWS))
          .block(THREADS)
          .pointer(scores)
          .longs(rows, columns)
          .ints(k)
          .pointer(ids)
          .run();
      return;
    }
    long width = columns / groups;
    withScratch(
        DType.F32,
        rows * groups,
        "select",
        ranks -> {
          device
              .kernel("selection_rank")
              .grid(Math.ceilDiv(rows * groups, ROWS))
              .block(THREADS)
              .pointer(scores)
              .longs(rows * groups, width)
              .ints((int) Math.min(best, width))
              .pointer(ranks)
              .run();
          device
              .kernel("selection_select_grouped")
              .grid(Math.ceilDiv(rows, ROWS))
              .block(THREADS)
              .pointer(scores)
              .pointer(ranks)
              .longs(rows, columns)
              .ints(k, groups, kept)
              .pointer(ids)
              .run();
        });
  }

  @Override
  public void unusable(Strided scores, Strided flags) {
    long rows = scores.size(0);
    if (rows == 0) return;
    device
        .kernel("selection_unusable")
        .grid(Math.ceilDiv(rows, ROWS))
        .block(THREADS)
        .pointer(scores)
        .longs(rows, scores.size(1))
        .pointer(flags)
        .run();
  }

  @Override
  public void selectedSoftmax(Strided logits, Strided ids, boolean sigmoid, Strided weights) {
    long rows = ids.size(0);
    if (ids.size() == 0) return;
    perRow("selection_softmax", rows)
        .pointer(logits)
        .pointer(ids)
        .longs(rows, logits.size(1))
        .ints(Math.toIntExact(ids.size(1)), sigmoid ? 1 : 0)
        .pointer(weights)
        .run();
  }

  @Override
  public void selectedSoftmaxGradient(
      Strided logits,
      Strided ids,
      boolean sigmoid,
      Strided weights,
      Strided grad,
      Strided dlogits) {
    long rows = ids.size(0);
    device.clear(address(dlogits), dlogits.size() * DType.F32.bytes());
    if (ids.size() == 0) return;
    perRow("selection_softmax_gradient", rows)
        .pointer(logits)
        .pointer(ids)
        .pointer(weights)
        .pointer(grad)
        .longs(rows, logits.size(1))
        .ints(Math.toIntExact(ids.size(1)), sigmoid ? 1 : 0)
        .pointer(dlogits)
        .run();
  }

  private Launch perRow(String kernel, long rows) {
    return device.kernel(kernel).grid(Math.ceilDiv(rows, THREADS)).block(THREADS);
  }

  @Override
  public long sortRows(
      Strided ids,
      int groups,
      boolean known,
      Strided offsets,
      Strided rowToken,
      Strided rowSlot,
      Strided tokenStart,
      Strided tokenRow) {
    long tokens = ids.size(0);
    if (ids.size() == 0) {
      device.clear(address(offsets), offsets.size() * DType.I64.bytes());
      device.clear(address(tokenStart), tokenStart.size() * DType.I64.bytes());
      return 0;
    }
    long runs = Math.ceilDiv(tokens, RUN);
    long items = runs * groups;
    // The counts, what was kept, where each choice went, what was wrong, and the outcome.
    long[] parts = {items, runs + 1, ids.size(), runs, 2};
    long[] rows = {ids.size()};
    withScratch(
        DType.I64,
        LongStream.of(parts).sum(),
        "sortRows",
        scratch -> {
          long[] values = new long[15];
          values[0] = address(ids);
          values[1] = tokens;
          values[2] = ids.size(1);
          values[3] = groups;
          values[4] = runs;
          Strided[] outputs = {offsets, rowToken, rowSlot, tokenStart, tokenRow};
          for (int i = 0; i < outputs.length; i++) values[5 + i] = address(outputs[i]);
          long at = address(scratch);
          for (int i = 0; i < parts.length; i++) {
            values[10 + i] = at;
            at += 8 * parts[i];
          }
          sort(MemorySegment.ofArray(values), items);
          if (!known) rows[0] = outcome(scratch, ids, groups);
        });
    return rows[0];
  }

  private void sort(MemorySegment sort, long items) {
    if (items <= WHOLE) {
      device.kernel("sort_rows_whole").grid(1).block(1024).struct(sort).run();
      return;
    }
    kernel("sort_rows_count", items).struct(sort).run();
    device.kernel("sort_rows_sum").grid(1).block(1024).struct(sort).run();
    kernel("sort_rows_place", items).struct(sort).run();
    kernel("sort_rows_list", items).struct(sort).run();
  }

  /** The number of rows; waits for the device. */
  private static long outcome(Strided scratch, Strided ids, int groups) {
    long topK = ids.size(1);
    long[] status = last(scratch, 2);
    if (status[1] < 0) return status[0];
    long choice = status[1] / 2;
    // Read again for the message: this is an error, and may take its time.
    DeviceStorage storage = (DeviceStorage) ids.storage();
    long id = read(storage, 8 * (ids.layout().offset() + choice), 1)[0];
    if (status[1] % 2 == 0) {
      throw SelectionKernels.outside(id, choice / topK, choice % topK, groups);
    }
    throw SelectionKernels.twice(id, choice / topK, choice % topK);
  }

  private static long[] last(Strided scratch, int count) {
    return read((DeviceStorage) scratch.storage(), 8 * (scratch.size() - count), count);
  }

  private static long[] read(DeviceStorage storage, long offset, int count) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(ValueLayout.JAVA_LONG, count);
      storage.block().copyToHost(offset, host.address(), 8L * count);
      return host.toArray(ValueLayout.JAVA_LONG);
    }
  }
}
