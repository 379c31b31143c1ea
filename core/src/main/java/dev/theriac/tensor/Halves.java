package dev.theriac.tensor;

/** Conversions between float and bfloat16 (the upper half of a float, rounded to nearest even). */
public final class Halves {
  private Halves() {}

  public static float fromBf16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  public static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) return (short) (bits >>> 16 | 0x40);
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
  }
}
