package dev.theriac.cuda;

import dev.theriac.backend.IndexKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;

/**
 * Gathering, scattering and selection (index.cu, topk.cu). Rows to be scattered are first sorted by
 * where they go, keeping their order, so that each sum has one owner and the scalar back end's
 * order.
 */
final class CudaIndex extends CudaKernels implements IndexKernels {
  /** Below, each element looks at the others of its row. */
  private static final long FEW_COLUMNS = 128;

  /** Below, the next largest is looked for k times. */
  private static final int FEW = 32;

  /** Elements that are sorted at once: 512 MiB of pairs. */
  private static final long SORTED_AT_ONCE = 1 << 24;

  CudaIndex(CudaDevice device) {
    super(device);
  }

  @Override
  public void gatherRows(Strided table, Strided ids, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("gatherRows", table, ids, out);
    long rowBytes = table.size(1) * table.dtype().bytes();
    // The largest power of two, up to 16, that divides rows and addresses.
    long all = rowBytes | address(table) | address(out) | 16;
    long bytes = Long.lowestOneBit(all);
    long units = rowBytes / bytes;
    long count = ids.size() * units;
    kernel("index_gather_rows")
        .grid(Math.ceilDiv(count, 1024))
        .block(256)
        .ints((int) bytes)
        .pointer(table)
        .pointer(ids)
        .pointer(out)
        .longs(count, units)
        .run();
  }

  @Override
  public void scatterRows(Strided x, Strided ids, Strided out) {
    if (x.size() == 0) return;
    requireContiguous("scatterRows", x, ids, out);
    addByKeys(x, ids, out, ids.size(), x.size(1), ids.size(), 1, out.size(0));
  }

  @Override
  public void gatherColumns(Strided x, Strided ids, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("gatherColumns", x, ids, out);
    kernel("index_gather_columns", out.size())
        .pointer(x)
        .pointer(ids)
        .pointer(out)
        .longs(out.size(), ids.size(1), x.size(1))
        .run();
  }

  @Override
  public void scatterColumns(Strided x, Strided ids, Strided out) {
    if (x.size() == 0) return;
    requireContiguous("scatterColumns", x, ids, out);
    long k = ids.size(1);
    if (k > FEW_COLUMNS) {
      addByKeys(x, ids, out, ids.size(), 1, k, out.size(1), out.size());
      return;
    }
    kernel("index_scatter_columns", x.size())
        .pointer(x)
        .pointer(ids)
        .pointer(out)
        .longs(x.size(), k, out.size(1))
        .run();
  }

  /**
   * out[i / k * columns + ids[i], :] += x[i, :] in ascending i.
   *
   * @param width of rows of x and out
   * @param limit number of rows of out
   */
  private void addByKeys(
      Strided x,
      Strided ids,
      Strided out,
      long count,
      long width,
      long k,
      long columns,
      long limit) {
    try (CudaSort sort = new CudaSort(device, count, "scatter")) {
      kernel("index_keys", count)
          .pointer(ids)
          .pointer(sort.keys())
          .pointer(sort.values())
          .longs(count, k, columns)
          .run();
      sort.sort(0, CudaSort.bits(limit));
      kernel("index_add_sorted")
          .grid(Math.ceilDiv(count, 8), Math.min(65535, Math.ceilDiv(width, 32)), 1)
          .block(32, 8, 1)
          .pointer(x)
          .pointer(sort.keys())
          .pointer(sort.values())
          .pointer(out)
          .longs(count, width)
          .run();
    }
  }

  @Override
  public void topK(Strided x, int k, Strided values, Strided indices) {
    long rows = x.size(0);
    long columns = x.size(1);
    if (rows == 0 || k == 0) return;
    requireContiguous("topK", x, values, indices);
    if (columns > 0xffff_ffffL) {
      throw new IllegalArgumentException(
          "topK: rows of %d elements; the kernels take less than 2^32".formatted(columns));
    }
    if (k <= FEW) {
      kernel("topk_few")
          .grid(Math.ceilDiv(rows, 4))
          .block(128)
          .pointer(x)
          .longs(rows, columns)
          .ints(k)
          .pointer(values)
          .pointer(indices)
          .run();
      return;
    }
    long atOnce = Math.max(1, SORTED_AT_ONCE / columns);
    for (long from = 0; from < rows; from += atOnce) {
      long to = Math.min(rows, from + atOnce);
      sortedTopK(
          x.with(x.layout().slice(0, from, to)),
          k,
          values.with(values.layout().slice(0, from, to)),
          indices.with(indices.layout().slice(0, from, to)));
    }
  }

  private void sortedTopK(Strided x, int k, Strided values, Strided indices) {
    long rows = x.size(0);
    long columns = x.size(1);
    try (CudaSort sort = new CudaSort(device, x.size(), "topK")) {
      kernel("topk_keys", x.size())
          .pointer(x)
          .pointer(sort.keys())
          .pointer(sort.values())
          .longs(x.size(), columns)
          .run();
      sort.sort(0, Integer.SIZE + CudaSort.bits(rows));
      kernel("topk_take", rows * k)
          .pointer(x)
          .pointer(sort.values())
          .longs(rows, columns, k)
          .pointer(values)
          .pointer(indices)
          .run();
    }
  }
}
