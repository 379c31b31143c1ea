package dev.theriac.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Raw access to host memory by address. Kernels use one constant segment because a segment that
 * comes in as a parameter pollutes the type profile of the loop that reads it. Nothing here checks
 * bounds or liveness: that is done once, above the kernels.
 */
public final class Host {
  /** All of memory; addresses are its offsets. */
  public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  public static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  public static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  public static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  public static final ValueLayout.OfShort I16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Host() {}

  public static float getFloat(long address) {
    return ALL.get(F32, address);
  }

  public static void setFloat(long address, float value) {
    ALL.set(F32, address, value);
  }

  public static int getInt(long address) {
    return ALL.get(I32, address);
  }

  public static void setInt(long address, int value) {
    ALL.set(I32, address, value);
  }

  public static long getLong(long address) {
    return ALL.get(I64, address);
  }

  public static void setLong(long address, long value) {
    ALL.set(I64, address, value);
  }

  public static short getShort(long address) {
    return ALL.get(I16, address);
  }

  public static void setShort(long address, short value) {
    ALL.set(I16, address, value);
  }

  /** Copies bytes; the ranges do not overlap. */
  public static void copy(long from, long to, long bytes) {
    MemorySegment.copy(ALL, from, ALL, to, bytes);
  }

  public static byte getByte(long address) {
    return ALL.get(ValueLayout.JAVA_BYTE, address);
  }

  public static void setByte(long address, byte value) {
    ALL.set(ValueLayout.JAVA_BYTE, address, value);
  }

  /** Element {@code index} after {@code address} as a double, whatever the type. */
  public static double get(DType dtype, long address, long index) {
    return switch (dtype) {
      case F32 -> getFloat(address + 4 * index);
      case BF16 -> Halves.fromBf16(getShort(address + 2 * index));
      case F16 -> Float.float16ToFloat(getShort(address + 2 * index));
      case I64 -> getLong(address + 8 * index);
      case I32 -> getInt(address + 4 * index);
      case U8 -> getByte(address + index) & 0xff;
      case I8, BOOL -> getByte(address + index);
    };
  }

  /**
   * Stores {@code value} rounded to the type: to nearest even for floating types, towards zero and
   * wrapping for integers, non-zero is true for BOOL.
   */
  public static void set(DType dtype, long address, long index, double value) {
    switch (dtype) {
      case F32 -> setFloat(address + 4 * index, (float) value);
      case BF16 -> setShort(address + 2 * index, Halves.toBf16((float) value));
      case F16 -> setShort(address + 2 * index, Float.floatToFloat16((float) value));
      case I64 -> setLong(address + 8 * index, (long) value);
      case I32 -> setInt(address + 4 * index, (int) (long) value);
      case U8, I8 -> setByte(address + index, (byte) (long) value);
      case BOOL -> setByte(address + index, (byte) (value != 0 ? 1 : 0));
    }
  }
}
