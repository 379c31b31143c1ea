package dev.theriac.vision.dicom;

import dev.theriac.io.FileException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** The data elements of a file or of a sequence's item, by tag (PS3.5, section 7). */
final class DataSet {
  // Decimal strings of PS3.5 table 6.2-1; Java's own parser takes more.
  private static final Pattern NUMBER =
      Pattern.compile("[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?");

  private final Path file;
  private final MemorySegment bytes;
  private final ByteOrder order;
  private final Map<Integer, Element> elements = new LinkedHashMap<>();

  /**
   * @param vr value representation, such as "US"; "??" where the file does not say
   * @param offset of the value
   * @param length of the value in bytes; -1 for fragments up to a delimiter
   * @param items of a sequence, else none
   */
  record Element(int tag, String vr, long offset, long length, List<DataSet> items) {}

  DataSet(Path file, MemorySegment bytes, boolean bigEndian) {
    this.file = file;
    this.bytes = bytes;
    order = bigEndian ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
  }

  /** A tag as the standard writes it. */
  static String name(int tag) {
    return "(%04X,%04X)".formatted(tag >>> 16, tag & 0xFFFF);
  }

  void add(Element element) {
    if (elements.putIfAbsent(element.tag, element) != null) {
      throw new FileException(file, "element %s appears twice".formatted(name(element.tag)));
    }
  }

  /** The element, or null. */
  Element get(int tag) {
    return elements.get(tag);
  }

  MemorySegment bytes() {
    return bytes;
  }

  /** Whether the element is there and not empty. */
  boolean has(int tag) {
    Element e = elements.get(tag);
    return e != null && (e.length != 0 || !e.items.isEmpty());
  }

  MemorySegment value(int tag) {
    Element e = required(tag);
    if (e.length < 0) throw wrong(tag, "undefined length", "a length");
    return bytes.asSlice(e.offset, e.length);
  }

  private Element required(int tag) {
    Element e = elements.get(tag);
    if (e == null) throw new FileException(file, "element %s is missing".formatted(name(tag)));
    return e;
  }

  /** Text without its padding, or {@code missing}. */
  String text(int tag, String missing) {
    if (!has(tag)) return missing;
    MemorySegment value = value(tag);
    if (value.byteSize() > 10_000) throw wrong(tag, value.byteSize() + " bytes", "a short text");
    byte[] ascii = value.toArray(ValueLayout.JAVA_BYTE);
    return new String(ascii, StandardCharsets.ISO_8859_1).replace('\0', ' ').strip();
  }

  /** Decimal or integer strings that are separated by backslashes; none when missing. */
  double[] decimals(int tag) {
    String text = text(tag, "");
    if (text.isEmpty()) return new double[0];
    String[] parts = text.split("\\\\", -1);
    double[] out = new double[parts.length];
    for (int i = 0; i < out.length; i++) {
      String part = parts[i].strip();
      if (!NUMBER.matcher(part).matches()) throw wrong(tag, "\"" + text + "\"", "a number");
      out[i] = Double.parseDouble(part);
      if (!Double.isFinite(out[i])) throw wrong(tag, "\"" + text + "\"", "a finite number");
    }
    return out;
  }

  /** 16-bit numbers, taken without sign. */
  int[] shorts(int tag) {
    MemorySegment value = value(tag);
    if (value.byteSize() % 2 != 0 || value.byteSize() > 2 * 65536) {
      throw wrong(tag, value.byteSize() + " bytes", "16-bit numbers, 65536 at most,");
    }
    short[] raw = value.toArray(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(order));
    int[] out = new int[raw.length];
    for (int i = 0; i < raw.length; i++) out[i] = raw[i] & 0xFFFF;
    return out;
  }

  /** One 16-bit number without sign. */
  int number(int tag) {
    required(tag);
    int[] all = shorts(tag);
    if (all.length == 0) throw wrong(tag, "empty", "a 16-bit number");
    return all[0];
  }

  int number(int tag, int missing) {
    return has(tag) ? number(tag) : missing;
  }

  /** The items of a sequence; none when it is missing. */
  List<DataSet> items(int tag) {
    Element e = elements.get(tag);
    return e == null ? List.of() : e.items;
  }

  /** The first item of a sequence, or null. */
  DataSet item(int tag) {
    List<DataSet> items = items(tag);
    return items.isEmpty() ? null : items.getFirst();
  }

  ByteOrder order() {
    return order;
  }

  /** An error about an element, to be thrown. */
  FileException wrong(int tag, Object found, String wanted) {
    return new FileException(
        file, "element %s is %s; %s is wanted".formatted(name(tag), found, wanted));
  }

  Path file() {
    return file;
  }
}
