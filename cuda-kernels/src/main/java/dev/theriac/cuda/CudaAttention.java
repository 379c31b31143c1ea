package dev.theriac.cuda;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.Strided;

/** Attention and its gradients; sums have one order, given by the shapes. */
final class CudaAttention implements AttentionKernels {
  /** How it is computed. Each version gives what the interface says, within its own rounding. */
  enum Version {
    /** A warp takes one query and goes over its keys twice, with its sums in global memory. */
    NAIVE,
    /** A block keeps the sums of many queries and brings keys through shared memory, in F32. */
    TILED
  }

  /**
   * Depths that tiles are compiled for; a smaller one is filled up to the next with zeros, a larger
   * one runs in the plain version.
   */
  private static final int[] DEPTHS = {64, 80, 128};

  private static final int THREADS = 256;
  private static final int WARPS = 4;

  private final CudaDevice device;
  private final Version version;

  CudaAttention(CudaDevice device, Version version) {
    this.device = device;
    this.version = version;
  }

  /** Rows that a block keeps and columns that it takes at a time, as the kernel is compiled. */
  private record Tile(int depth, int rows, int columns) {
    static Tile forward(int depth) {
      return switch (depth) {
        case 64, 80 -> new Tile(depth, 64, 64);
        default -> new Tile(depth, 64, 32);
      };
    }

    static Tile gradient(int depth) {
      return switch (depth) {
        case 64, 80 -> new Tile(depth, 64, 32);
        default -> new Tile(depth, 32, 32);
      };
    }

    long over(long count) {
      return (count + rows - 1) / rows;
    }

    private int rows(int count) {
      return 4 * count * (depth + 4);
    }

    private int weights() {
      return 4 * rows * (columns + 4);
    }

    int forwardBytes() {
      return rows(rows + 2 * columns) + weights();
    }

    int queryBytes() {
      return rows(2 * rows + 2 * columns) + weights();
    }

    int keyBytes() {
      return rows(2 * rows + 2 * columns) + 2 * weights() + 3 * 4 * columns;
    }
  }

  /** The depth that is compiled for this one, or 0 where no tile has room for it. */
  private int compiled(long depth) {
    if (version == Version.NAIVE) return 0;
    for (int d : DEPTHS) {
      if (depth <= d) return d;
    }
    return 0;
  }

  @Override
  public void attention(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse) {
    AttentionCall call = AttentionCall.forward(device, q, k, v, causal, out);
    if (call.rows() == 0) return;
    int depth = compiled(call.depth());
    if (depth == 0) {
      device
          .kernel("attention_naive")
          .grid((call.rows() + WARPS - 1) / WARPS)
          .block(32 * WARPS)
          .pointer(q)
          .pointer(k)
          .pointer(v)
          .pointer(lengths)
          .pointer(out)
          .pointer(lse)
          .struct(call.bytes())
          .floats(scale)
          .run();
      return;
    }
    Tile tile = Tile.forward(depth);
    long blocks = tile.over(call.groupRows()) * call.batch() * call.groups();
    int span = AttentionCall.span(blocks, call.keys());
    int parts = (int) Math.max(1, (call.keys() + span - 1) / span);
    DeviceBlock part = null;
    try {
      if (parts > 1) {
        part = device.allocate(4 * call.rows() * parts * (call.depth() + 2), "attention");
      }
      device
          .kernel("attention_forward_f32_" + depth)
          .grid(blocks * parts)
          .block(THREADS)
          .shared(tile.forwardBytes())
          .pointer(q)
          .pointer(k)
          .pointer(v)
          .pointer(lengths)
          .pointer(out)
          .pointer(lse)
          .pointer(part == null ? 0 : part.address())
          .struct(call.bytes())
          .floats(scale)
          .ints(parts, span)
          .run();
      if (parts > 1) merge(part, call, out, lse, parts);
    } finally {
      if (part != null) part.release();
    }
  }

  private void merge(DeviceBlock part, AttentionCall call, Strided out, Strided lse, int parts) {
    device
        .kernel("attention_merge")
        .grid((call.rows() + WARPS - 1) / WARPS)
        .block(32 * WARPS)
        .pointer(part.address())
        .pointer(out)
        .pointer(lse)
        .struct(call.bytes())
        .ints(parts)
        .run();
  }

  @Override
  public void joinAttention(Strided out, Strided lse, Strided other, Strided otherLse) {
    long rows = out.size(0) * out.size(1) * out.size(2);
    if (rows == 0) return;
    AttentionCall.checkRows(out, rows);
    device
        .kernel("attention_join")
        .grid((rows + WARPS - 1) / WARPS)
        .block(32 * WARPS)
        .pointer(out)
        .pointer(lse)
        .pointer(other)
        .pointer(otherLse)
        .struct(AttentionCall.view(out.stride(0), out.stride(1), out.stride(2)))
        .struct(AttentionCall.view(lse.stride(0), lse.stride(2), lse.stride(1)))
        .struct(AttentionCall.view(other.stride(0), other.stride(1), other.stride(2)))
        .struct(AttentionCall.view(otherLse.stride(0), otherLse.stride(2), otherLse.stride(1)))
        .ints((int) out.size(0), (int) out.size(1), (int) out.size(2), (int) out.size(3))
        .run();
  }

  @Override
  public void attentionGradient(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse,
      Strided grad,
      Strided dq,
      Strided dk,
      Strided dv) {
    AttentionCall call = AttentionCall.gradient(device, q, k, v, causal, out, grad, dq, dk, dv);
    DeviceBlock delta = device.allocate(4 * call.rows(), "attention gradient");
    try {
      if (call.rows() > 0) {
        device
            .kernel("attention_delta")
            .grid((call.rows() + WARPS - 1) / WARPS)
            .block(32 * WARPS)
            .pointer(out)
            .pointer(grad)
            .pointer(delta.address())
            .struct(call.bytes())
            .run();
      }
      Gradient gradient = new Gradient(q, k, v, lengths, lse, delta.address(), grad, call, scale);
      int depth = compiled(call.depth());
      if (depth == 0) {
        gradient.run("attention_naive_gradient_q", call.rows(), WARPS, 32 * WARPS, 0, dq);
        gradient.run("attention_naive_gradient_kv", call.keyRows(), WARPS, 32 * WARPS, 0, dk, dv);
        return;
      }
      Tile tile = Tile.gradient(depth);
      gradient.run(
          "attention_gradient_q_f32_" + depth,
          tile.over(call.groupRows()) * call.batch() * call.groups(),
          1,
          THREADS,
          tile.queryBytes(),
          dq);
      gradient.run(
          "attention_gradient_kv_f32_" + depth,
          tile.over(call.keys()) * call.batch() * call.groups(),
          1,
          THREADS,
          tile.keyBytes(),
          dk,
          dv);
    } finally {
      delta.release();
    }
  }

  /** What all kernels of the backward pass are given. */
  private record Gradient(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      Strided lse,
      long delta,
      Strided grad,
      AttentionCall call,
      float scale) {
    /**
     * Queues a kernel.
     *
     * @param items what there is to do
     * @param each how many of them a block does
     */
    void run(String kernel, long items, int each, int threads, int shared, Strided... results) {
      if (items == 0) return;
      var launch =
          call.device()
              .kernel(kernel)
              .grid((items + each - 1) / each)
              .block(threads)
              .shared(shared)
              .pointer(q)
              .pointer(k)
              .pointer(v)
              .pointer(lengths)
              .pointer(lse)
              .pointer(delta)
              .pointer(grad);
      for (Strided result : results) launch.pointer(result);
      launch.struct(call.bytes()).floats(scale).run();
    }
  }
}
