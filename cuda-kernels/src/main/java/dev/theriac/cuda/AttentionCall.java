package dev.theriac.cuda;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.Strided;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The shapes and strides of one call, as kernels take them: {@code attention::Call}. */
final class AttentionCall {
  private static final int INTS = 8;
  private static final int VIEWS = 8;
  private static final int BYTES = 4 * INTS + VIEWS * 3 * 8;

  /** Blocks that keep a large device busy. */
  private static final long ENOUGH_BLOCKS = 512;

  /** Keys that are worth a block of their own, and a multiple of what a block takes at a time. */
  private static final int LEAST_SPAN = 128;

  private final CudaDevice device;
  private final Strided q;
  private final Strided k;
  private final MemorySegment bytes;

  private AttentionCall(
      CudaDevice device, Strided q, Strided k, boolean causal, boolean vector, Strided... views) {
    this.device = device;
    this.q = q;
    this.k = k;
    check();
    ByteBuffer call = ByteBuffer.allocate(BYTES).order(ByteOrder.nativeOrder());
    call.putInt((int) q.size(0)).putInt((int) q.size(1)).putInt((int) k.size(1));
    call.putInt((int) q.size(2)).putInt((int) k.size(2)).putInt((int) q.size(3));
    call.putInt(causal ? 1 : 0).putInt(vector ? 1 : 0);
    for (Strided view : views) {
      for (int dim = 0; dim < 3; dim++) call.putLong(view == null ? 0 : view.stride(dim));
    }
    bytes = MemorySegment.ofArray(call.array());
  }

  static AttentionCall forward(
      CudaDevice device, Strided q, Strided k, Strided v, boolean causal, Strided out) {
    return new AttentionCall(
        device, q, k, causal, aligned(device, q, k, v), q, k, v, out, null, null, null, null);
  }

  static AttentionCall gradient(
      CudaDevice device,
      Strided q,
      Strided k,
      Strided v,
      boolean causal,
      Strided out,
      Strided grad,
      Strided dq,
      Strided dk,
      Strided dv) {
    return new AttentionCall(
        device, q, k, causal, aligned(device, q, k, v, grad), q, k, v, out, grad, dq, dk, dv);
  }

  private void check() {
    checkRows(q, rows());
    checkRows(k, keyRows());
  }

  /** Indices of rows are of 32 bits in kernels; offsets are of 64. */
  static void checkRows(Strided x, long rows) {
    if (rows > Integer.MAX_VALUE / 2 || x.size(3) > Integer.MAX_VALUE / 2) {
      throw new IllegalArgumentException(
          "attention: %s has %d rows, %d is the most on CUDA; split the batch"
              .formatted(x.layout(), rows, Integer.MAX_VALUE / 2));
    }
  }

  /** An {@code attention::View}. */
  static MemorySegment view(long batch, long position, long head) {
    ByteBuffer view = ByteBuffer.allocate(24).order(ByteOrder.nativeOrder());
    return MemorySegment.ofArray(view.putLong(batch).putLong(position).putLong(head).array());
  }

  /** Whether each row begins at a multiple of 16 bytes and is one long. */
  private static boolean aligned(CudaDevice device, Strided... tensors) {
    for (Strided x : tensors) {
      if (x.deviceAddress(device.device()) % 16 != 0 || x.size(3) % 4 != 0) return false;
      for (int dim = 0; dim < 3; dim++) {
        if (x.size(dim) > 1 && x.stride(dim) % 4 != 0) return false;
      }
    }
    return true;
  }

  /**
   * How many keys a block takes, given the number of blocks of the rows: all, if there are enough.
   */
  static int span(long blocks, long keys) {
    long parts = Math.clamp(ENOUGH_BLOCKS / Math.max(1, blocks), 1, 64);
    long each = (keys + parts - 1) / parts;
    return (int) Math.max(LEAST_SPAN, (each + LEAST_SPAN - 1) / LEAST_SPAN * LEAST_SPAN);
  }

  CudaDevice device() {
    return device;
  }

  MemorySegment bytes() {
    return bytes;
  }

  long batch() {
    return q.size(0);
  }

  long keys() {
    return k.size(1);
  }

  long groups() {
    return k.size(2);
  }

  long depth() {
    return q.size(3);
  }

  /** Queries of all heads. */
  long rows() {
    return q.size(0) * q.size(1) * q.size(2);
  }

  /** Queries that read one key-value head. */
  long groupRows() {
    return groups() == 0 ? 0 : q.size(1) * (q.size(2) / groups());
  }

  /** Keys of all key-value heads. */
  long keyRows() {
    return k.size(0) * k.size(1) * k.size(2);
  }
}
