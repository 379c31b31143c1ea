package dev.theriac.io;

import dev.theriac.io.SafeTensors.Source;
import dev.theriac.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/**
 * The header of a safetensors file: 8 bytes of length (little-endian), then JSON that gives each
 * tensor's type, shape and place. Every claim that a header makes is checked against the others and
 * against the file's size before a tensor is handed out.
 */
record SafeTensorsHeader(Map<String, String> metadata, Map<String, Weights.Entry> entries) {
  /** The bound that the reference implementation has. */
  private static final long MAX_BYTES = 100_000_000;

  private static final int MAX_RANK = 64;
  private static final String METADATA = "__metadata__";
  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Bytes of a cache line and of the widest vector. */
  static final int ALIGNMENT = 64;

  /** Bytes of data from which on it matters how they lie. */
  private static final long LARGE = 1 << 20;

  /** The order of the reference writer: by alignment, largest first, then by key. */
  private static final List<DType> ORDER =
      List.of(
          DType.I64, DType.F32, DType.I32, DType.BF16, DType.F16, DType.I8, DType.U8, DType.BOOL);

  static SafeTensorsHeader parse(Path file, MemorySegment bytes) {
    long size = bytes.byteSize();
    if (size < 8) {
      throw new FileException(
          file,
          "not a safetensors file: it has %d bytes, and 8 of header length come first"
              .formatted(size));
    }
    long length = bytes.get(LENGTH, 0);
    if (length < 2 || length > MAX_BYTES) {
      throw new FileException(
          file,
          "not a safetensors file: a header of %s bytes, allowed are 2 to %d"
              .formatted(Long.toUnsignedString(length), MAX_BYTES));
    }
    if (length > size - 8) {
      throw new FileException(
          file,
          "truncated: the header has %d bytes, the file only %d; copy or download it again"
              .formatted(length, size));
    }
    Object root = Json.parse(file, "header", bytes.asSlice(8, length).asByteBuffer());
    Map<?, ?> map = object(file, "header", root);
    Map<String, Weights.Entry> entries = new LinkedHashMap<>();
    Map<String, String> metadata = Map.of();
    for (Map.Entry<?, ?> e : map.entrySet()) {
      String key = (String) e.getKey();
      if (key.equals(METADATA)) metadata = strings(file, METADATA, e.getValue());
      else entries.put(key, entry(file, key, e.getValue(), 8 + length));
    }
    checkPlaces(file, entries, 8 + length, size);
    return new SafeTensorsHeader(metadata, entries);
  }

  static Map<?, ?> object(Path file, String what, Object value) {
    if (value instanceof Map<?, ?> map) return map;
    throw new FileException(file, what + " is not a JSON object");
  }

  static Map<String, String> strings(Path file, String what, Object value) {
    Map<String, String> out = new LinkedHashMap<>();
    object(file, what, value)
        .forEach((k, v) -> {
          if (!(v instanceof String s)) {
            throw new FileException(
                file, "%s: the value of \"%s\" is not a string".formatted(what, k));
          }
          out.put((String) k, s);
        });
    return out;
  }

  private static Weights.Entry entry(Path file, String key, Object value, long dataStart) {
    String tensor = "tensor \"" + key + "\"";
    Map<?, ?> map = object(file, tensor, value);
    for (Object field : map.keySet()) {
      if (!List.of("dtype", "shape", "data_offsets").contains(field)) {
        throw new FileException(file, "%s: unknown field \"%s\"".formatted(tensor, field));
      }
    }
    ElementType type = map.get("dtype") instanceof String name ? ElementType.of(name) : null;
    if (type == null) {
      throw new FileException(
          file,
          "%s: unknown dtype %s; known are %s"
              .formatted(tensor, map.get("dtype"), Arrays.toString(ElementType.values())));
    }
    long[] shape = sizes(file, tensor + ": shape", map.get("shape"));
    long[] offsets = sizes(file, tensor + ": data_offsets", map.get("data_offsets"));
    if (shape.length > MAX_RANK) {
      throw new FileException(
          file, "%s: %d dimensions, at most %d".formatted(tensor, shape.length, MAX_RANK));
    }
    if (offsets.length != 2 || offsets[0] > offsets[1]) {
      throw new FileException(
          file,
          "%s: data_offsets %s are not a begin and an end"
              .formatted(tensor, map.get("data_offsets")));
    }
    long bytes = bytes(file, tensor, type, shape);
    if (offsets[1] - offsets[0] != bytes) {
      throw new FileException(
          file,
          "%s: %s%s needs %d bytes, data_offsets %s give %d"
              .formatted(
                  tensor,
                  type,
                  map.get("shape"),
                  bytes,
                  map.get("data_offsets"),
                  offsets[1] - offsets[0]));
    }
    if (offsets[1] > Long.MAX_VALUE - dataStart) {
      throw new FileException(file, tensor + ": data_offsets beyond 2^63");
    }
    return new Weights.Entry(file, key, type.name(), shape, dataStart + offsets[0], bytes);
  }

  private static long[] sizes(Path file, String what, Object value) {
    if (!(value instanceof List<?> list)) {
      throw new FileException(file, what + " is missing or not a list");
    }
    long[] out = new long[list.size()];
    for (int i = 0; i < out.length; i++) {
      if (!(list.get(i) instanceof Long n) || n < 0) {
        throw new FileException(
            file, "%s %s: %s is not a size (0 to 2^63-1)".formatted(what, list, list.get(i)));
      }
      out[i] = n;
    }
    return out;
  }

  private static long bytes(Path file, String tensor, ElementType type, long[] shape) {
    long bits = sizeInBits(file, tensor, type, shape);
    if (bits % 8 != 0) {
      throw new FileException(
          file,
          "%s: %s%s has %d bits, which are not whole bytes"
              .formatted(tensor, type, Arrays.toString(shape), bits));
    }
    return bits / 8;
  }

  /** Size of a tensor; an error when it, or a stride, does not fit 63 bits. */
  static long sizeInBits(Path file, String tensor, ElementType type, long[] shape) {
    try {
      long n = type.bits();
      // Strides are products too, and there a size of 0 counts as 1.
      long strides = n;
      for (long s : shape) {
        n = Math.multiplyExact(n, s);
        strides = Math.multiplyExact(strides, Math.max(s, 1));
      }
      return n;
    } catch (ArithmeticException e) {
      throw new FileException(
          file,
          "%s: shape %s of %s overflows 64 bits".formatted(tensor, Arrays.toString(shape), type),
          e);
    }
  }

  /** Tensors must fill the data from its first byte to its last, without holes or overlaps. */
  private static void checkPlaces(
      Path file, Map<String, Weights.Entry> entries, long dataStart, long size) {
    List<Weights.Entry> sorted = new ArrayList<>(entries.values());
    sorted.sort(
        Comparator.comparingLong(Weights.Entry::offset).thenComparingLong(Weights.Entry::bytes));
    long end = dataStart;
    String before = "the header";
    for (Weights.Entry e : sorted) {
      if (e.offset() != end) {
        throw new FileException(
            file,
            "tensor \"%s\" begins at byte %d of the data, but %s ends at %d: %s"
                .formatted(
                    e.key(),
                    e.offset() - dataStart,
                    before,
                    end - dataStart,
                    e.offset() < end ? "they overlap" : "a hole lies between"));
      }
      end = e.offset() + e.bytes();
      before = "tensor \"" + e.key() + "\"";
    }
    if (end > size) {
      throw new FileException(
          file,
          "truncated: %s ends at byte %d of the file, which has %d; copy or download it again"
              .formatted(before, end, size));
    }
    if (end < size) {
      throw new FileException(
          file, "%d bytes follow the last tensor, which ends at %d".formatted(size - end, end));
    }
  }

  /**
   * The keys in the order in which the reference writer lays tensors out; {@code aligned} takes
   * those of whole multiples of {@link #ALIGNMENT} bytes first.
   */
  static List<String> order(Map<String, Source> tensors, boolean aligned) {
    List<String> keys = new ArrayList<>(tensors.keySet());
    keys.sort(
        Comparator.comparing((String k) -> aligned && tensors.get(k).bytes() % ALIGNMENT != 0)
            .thenComparing(k -> ORDER.indexOf(tensors.get(k).dtype()))
            .thenComparing(Comparator.naturalOrder()));
    return keys;
  }

  /**
   * The map in its order; by key when it has none of its own: that of Map.of differs between runs,
   * and equal contents are to give equal bytes.
   */
  static <T> SequencedMap<String, T> ordered(Map<String, T> map) {
    return map instanceof SequencedMap<String, T> own ? own : new TreeMap<>(map);
  }

  /**
   * Length and JSON, padded with spaces as the reference writer pads it, to 8 bytes, or so that
   * data that are {@link #LARGE} or {@code aligned} begin at a multiple of {@link #ALIGNMENT}.
   * Mapped otherwise, vectors lie across lines of the cache, and products of one row take a third
   * longer.
   */
  static byte[] format(
      Path file,
      Map<String, Source> tensors,
      List<String> order,
      Map<String, String> metadata,
      boolean aligned) {
    StringBuilder json = new StringBuilder("{");
    if (!metadata.isEmpty()) {
      json.append(Json.quote(METADATA)).append(":{");
      ordered(metadata)
          .forEach(
              (k, v) -> json.append(Json.quote(k)).append(':').append(Json.quote(v)).append(','));
      json.setCharAt(json.length() - 1, '}');
      json.append(',');
    }
    long at = 0;
    for (String key : order) {
      if (key.equals(METADATA)) {
        throw new FileException(file, "a tensor cannot be called " + METADATA);
      }
      Source t = tensors.get(key);
      long end = at + t.bytes();
      json.append(Json.quote(key)).append(":{\"dtype\":\"").append(t.dtype());
      json.append("\",\"shape\":").append(Arrays.toString(t.shape()).replace(" ", ""));
      json.append(",\"data_offsets\":[").append(at).append(',').append(end).append("]},");
      at = end;
    }
    if (json.length() > 1) json.setLength(json.length() - 1);
    json.append('}');
    byte[] utf8 = json.toString().getBytes(StandardCharsets.UTF_8);
    int alignment = aligned || at >= LARGE ? ALIGNMENT : Long.BYTES;
    int padded = (8 + utf8.length + alignment - 1 & -alignment) - 8;
    if (padded > MAX_BYTES) {
      throw new FileException(
          file, "a header of %d bytes; allowed are %d".formatted(padded, MAX_BYTES));
    }
    byte[] out = Arrays.copyOf(utf8, 8 + padded);
    System.arraycopy(utf8, 0, out, 8, utf8.length);
    Arrays.fill(out, 8 + utf8.length, out.length, (byte) ' ');
    MemorySegment.ofArray(out).set(LENGTH, 0, padded);
    return out;
  }
}
