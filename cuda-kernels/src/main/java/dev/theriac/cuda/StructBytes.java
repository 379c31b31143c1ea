package dev.theriac.cuda;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A struct for a kernel, field after field; fields of 8 bytes come before those of 4. */
final class StructBytes {
  private final ByteBuffer buffer;

  /**
   * @param longs number of {@code long long} fields
   * @param ints number of {@code int} fields
   */
  StructBytes(int longs, int ints) {
    buffer = ByteBuffer.allocate(8 * longs + (4 * ints + 7 & ~7)).order(ByteOrder.nativeOrder());
  }

  StructBytes longs(long... values) {
    for (long value : values) buffer.putLong(value);
    return this;
  }

  StructBytes ints(int... values) {
    for (int value : values) buffer.putInt(value);
    return this;
  }

  /** The bytes, padded to a multiple of 8. */
  MemorySegment segment() {
    return MemorySegment.ofArray(buffer.array());
  }
}
