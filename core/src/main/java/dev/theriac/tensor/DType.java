package dev.theriac.tensor;

/** Element types of a {@link Tensor}; {@code bytes} is the size of one element in memory. */
public enum DType {
  F32(4, true),
  BF16(2, true),
  F16(2, true),
  I64(8, false),
  I32(4, false),
  U8(1, false),
  I8(1, false),
  BOOL(1, false);

  private final int bytes;
  private final boolean floating;

  DType(int bytes, boolean floating) {
    this.bytes = bytes;
    this.floating = floating;
  }

  /** Size of one element in bytes. */
  public int bytes() {
    return bytes;
  }

  /** True for F32, BF16 and F16: the types that can carry a gradient. */
  public boolean isFloating() {
    return floating;
  }

  /**
   * The type in which an operation on {@code a} and {@code b} gives its result: equal types stay, a
   * floating type wins over an integer type, two different floating types give F32, two integer
   * types give the wider one (U8 with I8 gives I32).
   */
  public static DType promote(DType a, DType b) {
    if (a == b) return a;
    if (a.floating || b.floating) {
      if (a.floating && b.floating) return F32;
      return a.floating ? a : b;
    }
    if (a == BOOL) return b;
    if (b == BOOL) return a;
    if (a.bytes == b.bytes) return I32;
    return a.bytes > b.bytes ? a : b;
  }
}
