package dev.theriac.vision.dicom;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A lookup table (PS3.3, sections C.11.1 and C.11.2).
 *
 * @param first input that the first entry is for; smaller ones get it too, larger ones the last
 * @param bits of an entry
 * @param entries without sign
 */
record Lut(int first, int bits, int[] entries) {

  /**
   * @param signed whether the first input is a signed number
   */
  static Lut of(DataSet in, int descriptor, int data, boolean signed) {
    int[] head = in.shorts(descriptor);
    if (head.length != 3) throw in.wrong(descriptor, head.length + " numbers", "three");
    int count = head[0] == 0 ? 65536 : head[0];
    int bits = head[2];
    if (bits < 1 || bits > 16)
      throw in.wrong(descriptor, bits + " bits", "entries of 1 to 16 bits");
    MemorySegment value = in.value(data);
    int[] entries;
    if (value.byteSize() == 2L * count) {
      entries = in.shorts(data);
    } else if (value.byteSize() == count + (count & 1)) {
      entries = new int[count];
      for (int i = 0; i < count; i++) entries[i] = value.get(ValueLayout.JAVA_BYTE, i) & 0xFF;
    } else {
      throw in.wrong(data, value.byteSize() + " bytes", count + " entries of one or two bytes");
    }
    return new Lut(signed ? (short) head[1] : head[1], bits, entries);
  }

  int apply(double value) {
    double at = Math.clamp(Math.floor(value) - first, 0, entries.length - 1);
    return entries[(int) at];
  }
}
