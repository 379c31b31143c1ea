package dev.theriac.cuda;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DeviceBlock;

/**
 * Pairs of a key and a value, and the buffers of a stable radix sort by eight bits at a time
 * (index.cu).
 */
final class CudaSort extends CudaKernels implements AutoCloseable {
  private static final int BITS = 8;
  private static final int BLOCK_PAIRS = 1024;

  private final long count;
  private final DeviceBlock memory;
  private final long counts;
  private long keys;
  private long values;
  private long otherKeys;
  private long otherValues;

  /** Memory for {@code count} pairs, at least one, to be written to {@link #keys} and values. */
  CudaSort(CudaDevice device, long count, String holder) {
    super(device);
    this.count = count;
    long pairs = 4 * 8 * count;
    // One block: a second request that fails would leave the first behind.
    memory = device.allocate(pairs + 8 * 256 * Math.ceilDiv(count, BLOCK_PAIRS), holder);
    counts = memory.address() + pairs;
    keys = memory.address();
    values = keys + 8 * count;
    otherKeys = values + 8 * count;
    otherValues = otherKeys + 8 * count;
  }

  /** Where the keys are, unsigned longs. */
  long keys() {
    return keys;
  }

  /** Where the values are, longs. */
  long values() {
    return values;
  }

  /** Sorts by the bits [from, to) of the keys; pairs that are equal there keep their order. */
  void sort(int from, int to) {
    long blocks = Math.ceilDiv(count, BLOCK_PAIRS);
    for (int shift = from; shift < to; shift += BITS) {
      kernel("index_sort_count")
          .grid(blocks)
          .block(256)
          .pointer(keys)
          .longs(count)
          .ints(shift)
          .pointer(counts)
          .run();
      kernel("index_sort_sum").block(256).pointer(counts).longs(256 * blocks).run();
      kernel("index_sort_place")
          .grid(blocks)
          .block(256)
          .pointer(keys)
          .pointer(values)
          .longs(count)
          .ints(shift)
          .pointer(counts)
          .pointer(otherKeys)
          .pointer(otherValues)
          .run();
      long sortedKeys = otherKeys;
      long sortedValues = otherValues;
      otherKeys = keys;
      otherValues = values;
      keys = sortedKeys;
      values = sortedValues;
    }
  }

  /** Bits of the numbers below {@code limit}. */
  static int bits(long limit) {
    return limit <= 1 ? 0 : Long.SIZE - Long.numberOfLeadingZeros(limit - 1);
  }

  @Override
  public void close() {
    memory.release();
  }
}
