package dev.theriac.vision.dicom;

import dev.theriac.io.FileException;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Reads the data elements of a file up to its pixel data. Lengths are checked against what is left
 * before anything is read or kept; depth and number of elements are bounded.
 */
final class DicomParser {
  static final int PIXEL_DATA = 0x7FE00010;
  private static final int TRANSFER_SYNTAX = 0x00020010;
  private static final int ITEM = 0xFFFEE000;
  private static final int ITEM_END = 0xFFFEE00D;
  private static final int SEQUENCE_END = 0xFFFEE0DD;
  private static final long UNDEFINED = 0xFFFFFFFFL;
  private static final int MAX_DEPTH = 16;
  private static final int MAX_ELEMENTS = 1_000_000;
  private static final int MAX_INFLATED = 1 << 29;
  private static final Set<String> LONG =
      Set.of("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV");

  private final Path file;
  private final MemorySegment bytes;
  private final boolean explicit;
  private final boolean bigEndian;
  private final ValueLayout.OfInt ints;
  private final ValueLayout.OfShort shorts;
  private final int[] count;
  private long at;

  /**
   * @param meta the file's group 2, without preamble
   * @param data everything else, up to the pixel data
   */
  record Parsed(TransferSyntax syntax, DataSet meta, DataSet data) {}

  private DicomParser(
      Path file, MemorySegment bytes, long at, boolean explicit, boolean bigEndian, int[] count) {
    this.file = file;
    this.bytes = bytes;
    this.at = at;
    this.explicit = explicit;
    this.bigEndian = bigEndian;
    this.count = count;
    DataSet order = new DataSet(file, bytes, bigEndian);
    ints = ValueLayout.JAVA_INT_UNALIGNED.withOrder(order.order());
    shorts = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(order.order());
  }

  /** Whether the bytes begin as a DICOM file does (PS3.10, section 7.1). */
  static boolean isDicom(MemorySegment bytes) {
    return bytes.byteSize() >= 132
        && bytes.get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(java.nio.ByteOrder.BIG_ENDIAN), 128)
            == 0x4449434D;
  }

  static Parsed parse(Path file, MemorySegment bytes) {
    if (!isDicom(bytes)) {
      throw new FileException(file, "not a DICOM file: no \"DICM\" at byte 128");
    }
    int[] count = {0};
    DicomParser head = new DicomParser(file, bytes, 132, true, false, count);
    DataSet meta = head.metaGroup();
    String uid = meta.text(TRANSFER_SYNTAX, "");
    if (uid.isEmpty()) {
      throw new FileException(
          file,
          "no transfer syntax: element %s is missing".formatted(DataSet.name(TRANSFER_SYNTAX)));
    }
    TransferSyntax syntax = TransferSyntax.of(uid);
    if (syntax == null) {
      throw new FileException(
          file,
          "transfer syntax %s (%s) is not supported; convert the file to Explicit VR Little Endian"
                  .formatted(uid, TransferSyntax.name(uid))
              + " (1.2.840.10008.1.2.1)");
    }
    MemorySegment rest = bytes;
    long start = head.at;
    if (syntax.deflated) {
      rest = inflate(file, bytes.asSlice(head.at));
      start = 0;
    }
    DicomParser body = new DicomParser(file, rest, start, syntax.explicit, syntax.bigEndian, count);
    return new Parsed(syntax, meta, body.elements(rest.byteSize(), 0, false));
  }

  private static MemorySegment inflate(Path file, MemorySegment deflated) {
    byte[] in = deflated.toArray(ValueLayout.JAVA_BYTE);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] block = new byte[1 << 16];
    Inflater inflater = new Inflater(true);
    try {
      inflater.setInput(in);
      while (!inflater.finished()) {
        int n = inflater.inflate(block);
        if (n == 0 && (inflater.needsInput() || inflater.needsDictionary())) {
          throw new FileException(file, "truncated: its deflated data set does not end");
        }
        if (out.size() > MAX_INFLATED - n) {
          throw new FileException(
              file, "its deflated data set has more than %d bytes".formatted(MAX_INFLATED));
        }
        out.write(block, 0, n);
      }
    } catch (DataFormatException e) {
      throw new FileException(file, "its deflated data set is damaged: " + e.getMessage(), e);
    } finally {
      inflater.end();
    }
    return MemorySegment.ofArray(out.toByteArray());
  }

  private DataSet metaGroup() {
    DataSet out = new DataSet(file, bytes, false);
    while (bytes.byteSize() - at >= 8 && (bytes.get(shorts, at) & 0xFFFF) == 2) {
      out.add(element(bytes.byteSize(), 0));
    }
    return out;
  }

  /** Elements up to {@code end}, or up to an item's delimiter. */
  private DataSet elements(long end, int depth, boolean delimited) {
    if (depth > MAX_DEPTH) {
      throw new FileException(file, "sequences are nested deeper than " + MAX_DEPTH);
    }
    DataSet out = new DataSet(file, bytes, bigEndian);
    while (at < end) {
      if (delimited && tagAt(end) == ITEM_END) {
        at += 8;
        return out;
      }
      DataSet.Element element = element(end, depth);
      out.add(element);
      if (depth == 0 && element.tag() == PIXEL_DATA) return out;
    }
    if (delimited) throw truncated("an item");
    return out;
  }

  private int tagAt(long end) {
    if (end - at < 8) throw truncated("an element");
    int group = bytes.get(shorts, at) & 0xFFFF;
    return group << 16 | bytes.get(shorts, at + 2) & 0xFFFF;
  }

  private DataSet.Element element(long end, int depth) {
    if (++count[0] > MAX_ELEMENTS) {
      throw new FileException(file, "more than %d elements".formatted(MAX_ELEMENTS));
    }
    int tag = tagAt(end);
    String vr = "??";
    long length;
    if (explicit) {
      byte[] two = bytes.asSlice(at + 4, 2).toArray(ValueLayout.JAVA_BYTE);
      vr = new String(two, StandardCharsets.ISO_8859_1);
      if (vr.charAt(0) < 'A' || vr.charAt(0) > 'Z' || vr.charAt(1) < 'A' || vr.charAt(1) > 'Z') {
        throw new FileException(
            file,
            "damaged: element %s at byte %d has no value representation"
                .formatted(DataSet.name(tag), at));
      }
      boolean wide = LONG.contains(vr);
      if (wide && end - at < 12) throw truncated("element " + DataSet.name(tag));
      length = wide ? bytes.get(ints, at + 8) & UNDEFINED : bytes.get(shorts, at + 6) & 0xFFFF;
      at += wide ? 12 : 8;
    } else {
      length = bytes.get(ints, at + 4) & UNDEFINED;
      at += 8;
    }
    if (tag == PIXEL_DATA && depth == 0) return pixelData(vr, length, end);
    boolean unknown = vr.equals("UN") && length == UNDEFINED;
    if (vr.equals("SQ") || unknown || vr.equals("??") && length == UNDEFINED) {
      return new DataSet.Element(tag, "SQ", at, 0, sequence(tag, length, end, depth, unknown));
    }
    if (length == UNDEFINED || length > end - at) {
      throw new FileException(
          file,
          "truncated or damaged: element %s at byte %d has %s, %d bytes are left"
              .formatted(
                  DataSet.name(tag),
                  at,
                  length == UNDEFINED ? "no length" : length + " bytes",
                  end - at));
    }
    DataSet.Element out =
        new DataSet.Element(tag, vr, at, length, itemsIfKnown(tag, length, depth));
    at = out.offset() + length;
    return out;
  }

  /** Implicit files do not say what is a sequence; of those that matter here, the tag does. */
  private List<DataSet> itemsIfKnown(int tag, long length, int depth) {
    if (explicit || !Tags.SEQUENCES.contains(tag)) return List.of();
    return sequence(tag, length, at + length, depth, false);
  }

  private DataSet.Element pixelData(String vr, long length, long end) {
    if (length == UNDEFINED) return new DataSet.Element(PIXEL_DATA, vr, at, -1, List.of());
    if (length > end - at) {
      throw new FileException(
          file,
          "truncated: its pixel data have %d bytes, %d are left; copy it again"
              .formatted(length, end - at));
    }
    return new DataSet.Element(PIXEL_DATA, vr, at, length, List.of());
  }

  private List<DataSet> sequence(int tag, long length, long end, int depth, boolean implicit) {
    DicomParser inner = this;
    if (implicit && explicit) {
      // PS3.5 section 6.2.2: what is inside an unknown sequence is implicit, little endian.
      inner = new DicomParser(file, bytes, at, false, false, count);
    }
    List<DataSet> out = inner.items(tag, length, end, depth);
    at = inner.at;
    return out;
  }

  private List<DataSet> items(int tag, long length, long end, int depth) {
    boolean delimited = length == UNDEFINED;
    if (!delimited && length > end - at) throw truncated("sequence " + DataSet.name(tag));
    long stop = delimited ? end : at + length;
    List<DataSet> out = new ArrayList<>();
    while (at < stop) {
      int next = tagAt(stop);
      long size = bytes.get(ints, at + 4) & UNDEFINED;
      at += 8;
      if (delimited && next == SEQUENCE_END) return out;
      if (next != ITEM) {
        throw new FileException(
            file,
            "damaged: %s at byte %d inside sequence %s, where an item should begin"
                .formatted(DataSet.name(next), at - 8, DataSet.name(tag)));
      }
      if (++count[0] > MAX_ELEMENTS) {
        throw new FileException(file, "more than %d elements".formatted(MAX_ELEMENTS));
      }
      if (size == UNDEFINED) {
        out.add(elements(stop, depth + 1, true));
      } else {
        if (size > stop - at) throw truncated("an item of sequence " + DataSet.name(tag));
        out.add(elements(at + size, depth + 1, false));
      }
    }
    if (delimited) throw truncated("sequence " + DataSet.name(tag));
    return out;
  }

  /** The fragments of encapsulated pixel data after the offset table (PS3.5 section A.4). */
  static List<MemorySegment> fragments(DataSet data) {
    DicomParser p =
        new DicomParser(
            data.file(), data.bytes(), data.get(PIXEL_DATA).offset(), true, false, new int[1]);
    List<MemorySegment> out = new ArrayList<>();
    long end = p.bytes.byteSize();
    boolean table = true;
    while (true) {
      int tag = p.tagAt(end);
      long size = p.bytes.get(p.ints, p.at + 4) & UNDEFINED;
      p.at += 8;
      if (tag == SEQUENCE_END) return out;
      if (tag != ITEM) throw data.wrong(tag, "among the pixel data's fragments", "an item");
      if (size > end - p.at) throw p.truncated("a fragment of the pixel data");
      if (!table) out.add(p.bytes.asSlice(p.at, size));
      table = false;
      p.at += size;
    }
  }

  private FileException truncated(String what) {
    return new FileException(
        file, "truncated: %s at byte %d does not end; copy it again".formatted(what, at));
  }
}
