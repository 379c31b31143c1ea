package dev.theriac.io;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.ByteOrder;

/**
 * Element types that weight files hold, under the names that safetensors gives them, and what they
 * become in memory: the same bits where {@link DType} has the type; wider integers where it has
 * none of that size; F32 for F64, rounded to nearest even, as whoever computes in F32 would do; and
 * nothing where no type holds the values.
 */
enum ElementType {
  BOOL(8, DType.BOOL),
  U8(8, DType.U8),
  I8(8, DType.I8),
  I16(16, DType.I32),
  U16(16, DType.I32),
  F16(16, DType.F16),
  BF16(16, DType.BF16),
  I32(32, DType.I32),
  U32(32, DType.I64),
  F32(32, DType.F32),
  F64(64, DType.F32),
  I64(64, DType.I64),
  U64(64, null),
  C64(64, null),
  C128(128, null),
  F4(4, null),
  F6_E2M3(6, null),
  F6_E3M2(6, null),
  F8_E4M3(8, null),
  F8_E4M3FNUZ(8, null),
  F8_E5M2(8, null),
  F8_E5M2FNUZ(8, null),
  F8_E8M0(8, null);

  private final int bits;
  private final DType dtype;

  ElementType(int bits, DType dtype) {
    this.bits = bits;
    this.dtype = dtype;
  }

  /** Size of an element in bits; not always whole bytes. */
  int bits() {
    return bits;
  }

  /** The type of tensors that are read from it; null when there is none. */
  DType dtype() {
    return dtype;
  }

  /** True when the bytes in a file are those of a tensor. */
  boolean isMapped(boolean bigEndian) {
    return dtype != null && dtype.name().equals(name()) && (!bigEndian || bits == 8);
  }

  /** The type of that name, or null. */
  static ElementType of(String name) {
    for (ElementType t : values()) if (t.name().equals(name)) return t;
    return null;
  }

  /**
   * A view of mapped bytes where they are as {@link DType} wants them; a converted copy, owned by
   * the current scope, otherwise.
   *
   * @param bytes from the element at index 0 of every dimension to the last one
   * @param layout at offset 0
   * @param holder named in reports of memory
   */
  Tensor tensor(MemorySegment bytes, Layout layout, boolean bigEndian, String holder) {
    if (isMapped(bigEndian)) {
      return Tensor.wrap(new Strided(CpuStorage.wrap(bytes, holder), dtype, layout));
    }
    // Strides stay: an expanded tensor of a million elements may have one in the file.
    long count = layout.span();
    Tensor copy = Tensor.empty(Device.CPU, holder, dtype, count);
    ByteOrder order = bigEndian ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
    convert(bytes, order, count, copy.strided().address());
    Reference.reachabilityFence(copy);
    return Tensor.wrap(copy.strided().with(layout));
  }

  private void convert(MemorySegment from, ByteOrder order, long count, long to) {
    var shorts = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(order);
    var ints = ValueLayout.JAVA_INT_UNALIGNED.withOrder(order);
    var longs = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(order);
    for (long i = 0; i < count; i++) {
      switch (this) {
        case I16 -> Host.setInt(to + 4 * i, from.get(shorts, 2 * i));
        case U16 -> Host.setInt(to + 4 * i, from.get(shorts, 2 * i) & 0xffff);
        case F16, BF16 -> Host.setShort(to + 2 * i, from.get(shorts, 2 * i));
        case I32, F32 -> Host.setInt(to + 4 * i, from.get(ints, 4 * i));
        case U32 -> Host.setLong(to + 8 * i, from.get(ints, 4 * i) & 0xffff_ffffL);
        case I64 -> Host.setLong(to + 8 * i, from.get(longs, 8 * i));
        case F64 ->
            Host.setFloat(to + 4 * i, (float) Double.longBitsToDouble(from.get(longs, 8 * i)));
        default -> throw new IllegalStateException(name());
      }
    }
  }
}
