package dev.theriac.nn;

import dev.theriac.backend.Backends;
import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.stream.LongStream;

/**
 * Keys and values of the positions that a decoder has seen, for each layer [B, capacity, G, D].
 * Rows may have different lengths: a row's next position is written behind its own last one. Not
 * thread-safe.
 */
public final class KvCache implements AutoCloseable {
  private final Tensor[] keys;
  private final Tensor[] values;
  private final long[] lengths;
  private long capacity;

  /** On the {@linkplain Device#current() current device}. */
  public KvCache(int layers, int batch, long capacity, long kvHeads, long headDim) {
    this(Device.current(), layers, batch, capacity, kvHeads, headDim);
  }

  /** On {@code device}, where keys and values are that will be appended. */
  public KvCache(Device device, int layers, int batch, long capacity, long kvHeads, long headDim) {
    keys = new Tensor[layers];
    values = new Tensor[layers];
    for (int i = 0; i < layers; i++) {
      keys[i] = Scope.persist(Tensor.zeros(device, batch, capacity, kvHeads, headDim));
      values[i] = Scope.persist(Tensor.zeros(device, batch, capacity, kvHeads, headDim));
    }
    lengths = new long[batch];
    this.capacity = capacity;
  }

  /** Bytes of tensor memory that such a cache takes. */
  public static long bytes(int layers, int batch, long capacity, long kvHeads, long headDim) {
    long values = Math.multiplyExact(Math.multiplyExact(batch * capacity, kvHeads), headDim);
    return Math.multiplyExact(values, 2L * layers * DType.F32.bytes());
  }

  /** Positions held for each row; advanced by {@link #advance} once every layer has appended. */
  public long[] lengths() {
    return lengths.clone();
  }

  /** Longest row. */
  public long length() {
    long max = 0;
    for (long l : lengths) max = Math.max(max, l);
    return max;
  }

  public long capacity() {
    return capacity;
  }

  /**
   * Makes room for rows of {@code positions}, at least half as many again as there was room for;
   * what the rows hold stays. Views that {@link #append} gave before are no longer valid.
   */
  public void reserve(long positions) {
    if (positions <= capacity) return;
    long wanted = Math.max(positions, Math.addExact(capacity, capacity / 2));
    long held = length();
    for (Tensor[] all : new Tensor[][] {keys, values}) {
      for (int i = 0; i < all.length; i++) {
        Tensor old = all[i];
        Tensor larger = Scope.persist(zeros(old, wanted));
        Backends.of(old.device())
            .elementwise()
            .copy(
                old.strided().with(old.layout().slice(1, 0, held)),
                larger.strided().with(larger.layout().slice(1, 0, held)));
        all[i] = larger;
        old.close();
      }
    }
    capacity = wanted;
  }

  private static Tensor zeros(Tensor like, long capacity) {
    return Tensor.zeros(like.device(), like.size(0), capacity, like.size(2), like.size(3));
  }

  private static void checkDevice(Tensor cache, Tensor t) {
    if (t != null && !t.device().equals(cache.device())) {
      throw new IllegalArgumentException(
          "KV cache: on %s, and got a tensor on %s; move it with to(Device)"
              .formatted(cache.device(), t.device()));
    }
  }

  /**
   * Keys and values to attend to after appending {@code key} and {@code value} [B, T, G, D] of one
   * layer: everything up to the longest row, as views. Gradients do not flow through the cache.
   *
   * @throws IllegalStateException when the capacity is exceeded, or when T is more than 1 and rows
   *     have different lengths: a causal mask has one shape for all rows
   */
  public Pair append(int layer, Tensor key, Tensor value) {
    return append(layer, key, value, null, null);
  }

  /**
   * As {@link #append(int, Tensor, Tensor)}, with keys rotated on their way into the cache as
   * {@link dev.theriac.op.Rope} does it.
   *
   * @param positions I64 [B, T]
   * @param frequencies of the rotation; null for none
   */
  public Pair append(
      int layer, Tensor key, Tensor value, Tensor positions, RopeFrequencies frequencies) {
    long count = key.size(1);
    // The kernel reads rows of heads and a list of positions.
    Tensor turned = frequencies != null ? key.contiguous() : key;
    Tensor at = frequencies != null ? positions.contiguous() : null;
    for (Tensor t : new Tensor[] {turned, value, at}) checkDevice(keys[layer], t);
    if (count > 1 && LongStream.of(lengths).distinct().count() > 1) {
      throw new IllegalStateException(
          "KV cache: %d new positions for rows of lengths %s; append to them one at a time"
              .formatted(count, Arrays.toString(lengths)));
    }
    for (int b = 0; b < lengths.length; b++) {
      if (lengths[b] + count > capacity) {
        throw new IllegalStateException(
            "KV cache: %d positions and %d new ones exceed the capacity of %d"
                .formatted(lengths[b], count, capacity));
      }
      if (frequencies != null) {
        rotate(keys[layer], turned, b, count, at, frequencies);
      } else {
        write(keys[layer], key, b, count);
      }
      write(values[layer], value, b, count);
    }
    // The kernel saw addresses only: until here copies must not look unused to the collector.
    Reference.reachabilityFence(turned);
    Reference.reachabilityFence(at);
    Reference.reachabilityFence(key);
    Reference.reachabilityFence(value);
    long seen = length() + count;
    return new Pair(keys[layer].slice(1, 0, seen), values[layer].slice(1, 0, seen));
  }

  private void write(Tensor cache, Tensor source, int row, long count) {
    Layout from = source.layout().slice(0, row, row + 1);
    Layout to = cache.layout().slice(0, row, row + 1).slice(1, lengths[row], lengths[row] + count);
    Backends.of(cache.device())
        .elementwise()
        .copy(source.strided().with(from), cache.strided().with(to));
  }

  private void rotate(
      Tensor cache,
      Tensor source,
      int row,
      long count,
      Tensor positions,
      RopeFrequencies frequencies) {
    Layout from = source.layout().slice(0, row, row + 1);
    Layout at = positions.layout().slice(0, row, row + 1);
    Layout to = cache.layout().slice(0, row, row + 1).slice(1, lengths[row], lengths[row] + count);
    Backends.of(cache.device())
        .rope()
        .rope(
            source.strided().with(from),
            positions.strided().with(at),
            frequencies,
            false,
            cache.strided().with(to));
  }

  /** Moves each row on by the number of its new positions that are not padding. */
  public void advance(long[] counts) {
    for (int b = 0; b < lengths.length; b++) lengths[b] += counts[b];
  }

  @Override
  public void close() {
    for (Tensor t : keys) t.close();
    for (Tensor t : values) t.close();
  }

  /** Keys and values [B, S, G, D]. */
  public record Pair(Tensor key, Tensor value) {}
}
