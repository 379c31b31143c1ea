package dev.theriac.backend;

import dev.theriac.tensor.Strided;
import java.util.Arrays;

/**
 * Walks tensors of one shape together in row-major order, a run along the innermost dimension at a
 * time. Dimensions that lie evenly in every tensor are joined first, so that contiguous tensors are
 * one run. Addresses and steps are in bytes.
 *
 * <pre>{@code
 * for (Odometer o = new Odometer(from, to, x, out); o.next(); ) {
 *   long px = o.address(0);
 *   long po = o.address(1);
 *   for (long i = 0; i < o.length(); i++, px += o.step(0), po += o.step(1)) ...
 * }
 * }</pre>
 *
 * Not thread-safe; each task makes its own.
 */
public final class Odometer {
  private final long[] shape;
  private final long[][] strides;
  private final long[] address;
  private final long[] at;
  private final int inner;
  private final long size;
  private long left;
  private long length;

  /** Walks every element. */
  public Odometer(Strided... tensors) {
    this(0, tensors[0].size(), tensors);
  }

  /** Walks the elements {@code from} to {@code to} (exclusive) of the row-major order. */
  public Odometer(long from, long to, Strided... tensors) {
    int n = tensors.length;
    int rank = tensors[0].layout().rank();
    long[] joined = new long[Math.max(rank, 1)];
    long[][] steps = new long[n][joined.length];
    int first = joined.length; // joined[first..] are filled, from the end
    for (int d = rank - 1; d >= 0; d--) {
      long extent = tensors[0].size(d);
      if (extent == 1) continue;
      boolean even = first < joined.length;
      for (int t = 0; t < n && even; t++) {
        even = tensors[t].stride(d) * tensors[t].dtype().bytes() == joined[first] * steps[t][first];
      }
      if (even) {
        joined[first] *= extent;
        continue;
      }
      joined[--first] = extent;
      for (int t = 0; t < n; t++) {
        steps[t][first] = tensors[t].stride(d) * tensors[t].dtype().bytes();
      }
    }
    if (first == joined.length) joined[--first] = 1;
    shape = Arrays.copyOfRange(joined, first, joined.length);
    strides = new long[n][];
    address = new long[n];
    for (int t = 0; t < n; t++) {
      strides[t] = Arrays.copyOfRange(steps[t], first, joined.length);
      address[t] = tensors[t].address();
    }
    inner = shape.length - 1;
    at = new long[shape.length];
    size = tensors[0].size();
    left = to - from;
    if (left > 0) seek(from);
  }

  private void seek(long from) {
    long rest = from;
    for (int d = inner; d >= 0; d--) {
      at[d] = rest % shape[d];
      rest /= shape[d];
      for (int t = 0; t < address.length; t++) address[t] += at[d] * strides[t][d];
    }
  }

  /** Starts again at the first element, with the first tensor's elements beginning elsewhere. */
  public void restart(long firstAddress) {
    address[0] = firstAddress;
    Arrays.fill(at, 0);
    left = size;
    length = 0;
  }

  /** Goes to the next run; false when there is none. */
  public boolean next() {
    left -= length;
    if (left <= 0) {
      length = 0;
      return false;
    }
    if (length > 0) carry();
    length = Math.min(shape[inner] - at[inner], left);
    return true;
  }

  private void carry() {
    for (int t = 0; t < address.length; t++) address[t] -= at[inner] * strides[t][inner];
    at[inner] = 0;
    for (int d = inner - 1; d >= 0; d--) {
      boolean wraps = ++at[d] == shape[d];
      if (wraps) at[d] = 0;
      for (int t = 0; t < address.length; t++) {
        address[t] += wraps ? -(shape[d] - 1) * strides[t][d] : strides[t][d];
      }
      if (!wraps) return;
    }
  }

  /** Number of elements of this run. */
  public long length() {
    return length;
  }

  /** Address of the run's first element in tensor {@code t}. */
  public long address(int t) {
    return address[t];
  }

  /** Distance of the run's elements in tensor {@code t}. */
  public long step(int t) {
    return strides[t][inner];
  }
}
