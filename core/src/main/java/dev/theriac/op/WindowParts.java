package dev.theriac.op;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Backends;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;

/**
 * Attention to a window by the kernels of plain causal attention, a block of queries at a time. Of
 * the keys that a block of n queries at positions [p, p + n) sees, the last W, those from p + n - W
 * on, are a causal mask's. The n - 1 before them form the other triangle, where the first query
 * sees the most: read from behind, queries and keys, it is a causal mask's too. The two are put
 * together by their log-sums; the kernels' backward pass needs nothing but that of both.
 */
final class WindowParts {
  private static final long BLOCK = 512;

  private final AttentionOp.Windowed op;
  private final long batch;
  private final long queries;
  private final long keys;
  private final long heads;
  private final long depth;
  private final long[] ends;

  WindowParts(AttentionOp.Windowed op) {
    this.op = op;
    batch = op.query().size(0);
    queries = op.query().size(1);
    keys = op.key().size(1);
    heads = op.query().size(2);
    depth = op.query().size(3);
    ends = new long[Math.toIntExact(batch)];
    Arrays.fill(ends, keys);
    if (op.lengths() != null) System.arraycopy(op.lengths().toLongs(), 0, ends, 0, ends.length);
  }

  /**
   * What one call of a kernel computes.
   *
   * @param row the row of the batch, or -1 for all
   * @param from first query
   * @param to behind the last query
   * @param keyFrom first key
   * @param keyTo behind the last key
   * @param causal whether the last query stands at the last key
   * @param behind whether both are read from behind
   */
  private record Part(
      long row, long from, long to, long keyFrom, long keyTo, boolean causal, boolean behind) {
    long count() {
      return to - from;
    }

    Strided queries(Strided x) {
      return cut(x, from, to);
    }

    Strided keys(Strided x) {
      return cut(x, keyFrom, keyTo);
    }

    private Strided cut(Strided x, long first, long last) {
      Layout all = row < 0 ? x.layout() : x.layout().slice(0, row, row + 1);
      return turned(x.with(all.slice(1, first, last)));
    }

    /** The positions of x as the kernel is to meet them. */
    Strided turned(Strided x) {
      Layout all = x.layout();
      if (!behind || all.size(1) == 0) return x;
      long[] strides = all.strides();
      long last = all.offset() + (all.size(1) - 1) * strides[1];
      strides[1] = -strides[1];
      return x.with(Layout.strided(all.shape(), strides, last));
    }
  }

  /** Takes the main part of a block and the one beside it, or null. */
  @FunctionalInterface
  private interface Blocks {
    void block(Part main, Part beside);
  }

  private void each(Blocks blocks) {
    long window = op.window();
    if (queries == 1) {
      boolean same = Arrays.stream(ends).distinct().count() <= 1;
      for (int b = 0; b < (same ? Math.min(1, batch) : batch); b++) {
        long end = ends[b];
        long first = Math.max(0, end - window);
        blocks.block(new Part(same ? -1 : b, 0, 1, first, end, false, false), null);
      }
      return;
    }
    long before = keys - queries;
    for (long from = 0; from < queries; ) {
      long at = before + from;
      if (at < window) {
        long to = Math.min(queries, window - before);
        blocks.block(new Part(-1, from, to, 0, before + to, true, false), null);
        from = to;
        continue;
      }
      long to = Math.min(queries, from + Math.min(BLOCK, window));
      long end = before + to;
      Part main = new Part(-1, from, to, end - window, end, true, false);
      boolean one = to - from == 1;
      Part beside =
          one ? null : new Part(-1, from, to - 1, at - window + 1, end - window, true, true);
      blocks.block(main, beside);
      from = to;
    }
  }

  /**
   * The rows' lengths, counted from a part's first key. Of the keys read from behind all are read:
   * a row that ends among them has filling for queries.
   */
  private Strided lengths(Part part) {
    if (op.lengths() == null || part.row >= 0 || part.behind) return null;
    long most = part.keyTo - part.keyFrom;
    return Tensor.of(
            device(), Arrays.stream(ends).map(e -> Math.clamp(e - part.keyFrom, 0, most)).toArray())
        .strided();
  }

  /** The log-sums [rows, H, n] of a block; blocks lie one behind the other. */
  private Strided sums(Part part) {
    long at = part.row < 0 ? batch * heads * part.from : part.row * heads;
    long rows = part.row < 0 ? batch : 1;
    long n = part.count();
    Layout layout = Layout.strided(new long[] {rows, heads, n}, new long[] {heads * n, n, 1}, at);
    return op.lse().strided().with(layout);
  }

  void forward(AttentionKernels kernels, Strided out) {
    Strided q = op.query().strided();
    Strided k = op.key().strided();
    Strided v = op.value().strided();
    each((main, beside) -> {
      try (Scope _ = Scope.open()) {
        Strided at = main.queries(out);
        Strided sums = sums(main);
        kernels.attention(
            main.queries(q),
            main.keys(k),
            main.keys(v),
            lengths(main),
            main.causal,
            op.scale(),
            at,
            sums);
        if (beside == null) return;
        long n = beside.count();
        Strided other =
            Tensor.empty(device(), "attention", DType.F32, batch, n, heads, depth).strided();
        Strided otherSums =
            Tensor.empty(device(), "attention", DType.F32, batch, heads, n).strided();
        kernels.attention(
            beside.queries(q),
            beside.keys(k),
            beside.keys(v),
            null,
            true,
            op.scale(),
            beside.turned(other),
            otherSums);
        kernels.joinAttention(
            at.with(at.layout().slice(1, 0, n)),
            sums.with(sums.layout().slice(2, 0, n)),
            other,
            otherSums.with(fromBehind(n)));
      }
    });
  }

  /** Gradients from the output and the log-sums; all contiguous, {@code dk} and {@code dv} zero. */
  void backward(
      AttentionKernels kernels, Strided out, Strided grad, Strided dq, Strided dk, Strided dv) {
    each((main, beside) -> {
      try (Scope _ = Scope.open()) {
        Strided sums = sums(main);
        gradient(kernels, main, sums, out, grad, main.queries(dq), dk, dv);
        if (beside == null) return;
        long n = beside.count();
        Strided other =
            Tensor.empty(device(), "attention gradient", DType.F32, batch, heads, n).strided();
        Strided first = sums.with(sums.layout().slice(2, 0, n));
        elementwise().copy(first, other.with(fromBehind(n)));
        Strided more =
            Tensor.empty(device(), "attention gradient", DType.F32, batch, n, heads, depth)
                .strided();
        gradient(kernels, beside, other, out, grad, beside.turned(more), dk, dv);
        add(more, dq, beside.from, -1);
      }
    });
  }

  private Device device() {
    return op.query().device();
  }

  /** Log-sums [B, H, n] that lie as a part read from behind has them, in order. */
  private Layout fromBehind(long n) {
    return Layout.strided(new long[] {batch, heads, n}, new long[] {heads * n, n, -1}, n - 1);
  }

  private ElementwiseKernels elementwise() {
    return Backends.of(device()).elementwise();
  }

  private void gradient(
      AttentionKernels kernels,
      Part part,
      Strided sums,
      Strided out,
      Strided grad,
      Strided dq,
      Strided dk,
      Strided dv) {
    long rows = part.row < 0 ? batch : 1;
    long[] shape = {rows, part.keyTo - part.keyFrom, dk.size(2), depth};
    Strided moreK = Tensor.empty(device(), "attention gradient", DType.F32, shape).strided();
    Strided moreV = Tensor.empty(device(), "attention gradient", DType.F32, shape).strided();
    kernels.attentionGradient(
        part.queries(op.query().strided()),
        part.keys(op.key().strided()),
        part.keys(op.value().strided()),
        lengths(part),
        part.causal,
        op.scale(),
        part.queries(out),
        sums,
        part.queries(grad),
        dq,
        part.turned(moreK),
        part.turned(moreV));
    add(moreK, dk, part.keyFrom, part.row);
    add(moreV, dv, part.keyFrom, part.row);
  }

  /** Adds to the positions from {@code at} on, of one row or (-1) of all. */
  private void add(Strided x, Strided to, long at, long row) {
    for (long i = 0; i < x.size(0); i++) {
      long b = row < 0 ? i : row;
      Layout rows = to.layout().slice(0, b, b + 1).slice(1, at, at + x.size(1));
      elementwise().accumulate(to.with(rows), x.with(x.layout().slice(0, i, i + 1)));
    }
  }
}
