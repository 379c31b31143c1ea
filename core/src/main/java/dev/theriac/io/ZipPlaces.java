package dev.theriac.io;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;

/**
 * Where the entries of a zip file lie, so that what is stored without compression can be used where
 * it is; the JDK's reader does not tell. Follows PKWARE's APPNOTE 6.3: the central directory at the
 * end of the file decides, zip64 records included, and sizes in local headers, which may follow the
 * data, are not looked at.
 */
final class ZipPlaces {
  private static final int END = 0x06054b50;
  private static final int END64 = 0x06064b50;
  private static final int LOCATOR64 = 0x07064b50;
  private static final int CENTRAL = 0x02014b50;
  static final int LOCAL = 0x04034b50;
  private static final long MAX_ENTRIES = 500_000;
  private static final long FULL = 0xffff_ffffL;

  private final Path file;
  private final MemorySegment bytes;
  private final Map<String, Place> places = new LinkedHashMap<>();

  /**
   * Bytes of an entry as they lie in the file.
   *
   * @param header where the local header begins
   * @param size in the file
   * @param wholeSize when decompressed
   * @param method 0 for stored
   */
  record Place(
      String name, long header, long size, long wholeSize, int method, int flags, int crc) {}

  ZipPlaces(Path file, MemorySegment bytes) {
    this.file = file;
    this.bytes = bytes;
    long end = end();
    long count = u16(end + 10);
    long length = u32(end + 12);
    long start = u32(end + 16);
    long limit = end;
    if (end >= 20 && i32(end - 20) == LOCATOR64) {
      long end64 = i64(end - 12);
      limit = within(end64, 56, end - 20, "the zip64 record");
      if (i32(end64) != END64) throw bad("no zip64 record at byte %d".formatted(end64));
      count = i64(end64 + 32);
      length = i64(end64 + 40);
      start = i64(end64 + 48);
    }
    if (count < 0 || count > MAX_ENTRIES) {
      throw bad("%d entries, at most %d are read".formatted(count, MAX_ENTRIES));
    }
    within(start, length, limit, "the central directory");
    directory(start, start + length, count);
  }

  /** Every entry by name, in the directory's order. */
  Map<String, Place> places() {
    return Collections.unmodifiableMap(places);
  }

  /** The bytes of a stored entry, not copied and not compared with their checksum. */
  MemorySegment stored(Place place) {
    if ((place.flags & 1) != 0) throw bad("\"%s\" is encrypted".formatted(place.name));
    if (place.method != 0 || place.size != place.wholeSize) {
      throw bad(
          ("\"%s\" is compressed (method %d), and only stored entries can be mapped; unpack the"
                  + " file and pack it again without compression (zip -0), or save it again")
              .formatted(place.name, place.method));
    }
    long data = dataStart(place);
    within(data, place.size, bytes.byteSize(), "\"" + place.name + "\"");
    return bytes.asSlice(data, place.size);
  }

  /** As {@link #stored}, for entries that are read whole anyway. */
  MemorySegment checked(Place place) {
    MemorySegment data = stored(place);
    CRC32 crc = new CRC32();
    for (long at = 0; at < data.byteSize(); at += 1 << 20) {
      crc.update(data.asSlice(at, Math.min(1 << 20, data.byteSize() - at)).asByteBuffer());
    }
    if ((int) crc.getValue() != place.crc) {
      throw bad(
          "\"%s\" is damaged: CRC %08x, should be %08x"
              .formatted(place.name, crc.getValue(), place.crc));
    }
    return data;
  }

  /** Where the data of an entry begin in the file. */
  long dataStart(Place place) {
    within(place.header, 30, bytes.byteSize(), "the header of \"" + place.name + "\"");
    if (i32(place.header) != LOCAL) {
      throw bad("no header of \"%s\" at byte %d".formatted(place.name, place.header));
    }
    return place.header + 30 + u16(place.header + 26) + u16(place.header + 28);
  }

  private long end() {
    long size = bytes.byteSize();
    for (long at = size - 22; at >= Math.max(0, size - 22 - 0xffff); at--) {
      if (i32(at) == END && at + 22 + u16(at + 20) == size) return at;
    }
    throw bad("the directory at its end is missing: truncated? copy or download it again");
  }

  private void directory(long start, long end, long count) {
    long at = start;
    for (long i = 0; i < count; i++) {
      within(at, 46, end, "entry %d of the central directory".formatted(i));
      if (i32(at) != CENTRAL) throw bad("no entry %d at byte %d".formatted(i, at));
      int nameLength = u16(at + 28);
      int extraLength = u16(at + 30);
      long next = at + 46 + nameLength + extraLength + u16(at + 32);
      within(at, next - at, end, "entry %d of the central directory".formatted(i));
      String name = text(at + 46, nameLength);
      long[] sizes = {u32(at + 24), u32(at + 20), u32(at + 42)};
      widen(name, sizes, at + 46 + nameLength, extraLength);
      Place place =
          new Place(name, sizes[2], sizes[1], sizes[0], u16(at + 10), u16(at + 8), i32(at + 16));
      if (places.put(name, place) != null) throw bad("\"%s\" is there twice".formatted(name));
      at = next;
    }
    if (at != end) throw bad("%d bytes follow its last entry".formatted(end - at));
  }

  /** Sizes of which the directory has no room are in the zip64 field, in the directory's order. */
  private void widen(String name, long[] sizes, long at, int length) {
    long end = at + length;
    while (at + 4 <= end) {
      int fieldEnd = (int) Math.min(end - at, 4L + u16(at + 2));
      if (u16(at) == 1) {
        long value = at + 4;
        for (int i = 0; i < sizes.length; i++) {
          if (sizes[i] != FULL) continue;
          if (value + 8 > at + fieldEnd) throw bad("\"%s\" lacks its size".formatted(name));
          sizes[i] = i64(value);
          value += 8;
        }
        return;
      }
      at += fieldEnd;
    }
  }

  private long within(long from, long length, long limit, String what) {
    if (from < 0 || length < 0 || from > limit || length > limit - from) {
      throw bad(
          ("%s should be %d bytes from byte %d on, which lie beyond byte %d: damaged or truncated;"
                  + " copy or download it again")
              .formatted(what, length, from, limit));
    }
    return from;
  }

  private String text(long at, int length) {
    ByteBuffer utf8 = bytes.asSlice(at, length).asByteBuffer();
    return StandardCharsets.UTF_8.decode(utf8).toString();
  }

  private int u16(long at) {
    return bytes.get(ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at)
        & 0xffff;
  }

  private int i32(long at) {
    return bytes.get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at);
  }

  private long u32(long at) {
    return i32(at) & FULL;
  }

  private long i64(long at) {
    return bytes.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at);
  }

  private FileException bad(String why) {
    return new FileException(file, "zip file: " + why);
  }
}
