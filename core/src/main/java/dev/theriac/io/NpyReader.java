package dev.theriac.io;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * One array in NumPy's .npy format, versions 1 to 3: magic, version, header length, a Python dict
 * literal, then the elements.
 */
final class NpyReader {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int MAX_HEADER = 1 << 16;
  private static final int MAX_RANK = 64;
  private static final Pattern DESCR = Pattern.compile("'descr':\\s*('[^']*'|\\[.*?\\])\\s*[,}]");
  private static final Pattern FORTRAN = Pattern.compile("'fortran_order':\\s*(True|False)");
  private static final Pattern SHAPE = Pattern.compile("'shape':\\s*\\(([0-9, L]*)\\)");

  private final Path file;
  private final String what;
  private final InputStream in;
  private final long bytes;

  /**
   * @param what named in errors before each reason, such as {@code entry "x": }, or empty
   * @param bytes length of the stream, which the header must account for
   */
  NpyReader(Path file, String what, InputStream in, long bytes) {
    this.file = file;
    this.what = what;
    this.in = in;
    this.bytes = bytes;
  }

  Tensor read() throws IOException {
    byte[] start = exactly(8);
    if (!Arrays.equals(Arrays.copyOf(start, MAGIC.length), MAGIC)) {
      throw bad("not a NumPy array: the magic bytes are missing");
    }
    int version = start[6];
    if (version < 1 || version > 3) throw bad("version " + version + " of the .npy format");
    int lengthBytes = version == 1 ? 2 : 4;
    ByteBuffer length =
        ByteBuffer.wrap(Arrays.copyOf(exactly(lengthBytes), 4)).order(ByteOrder.LITTLE_ENDIAN);
    int headerBytes = length.getInt();
    if (headerBytes < 0 || headerBytes > MAX_HEADER) {
      throw bad(
          "a header of %s bytes, allowed are %d"
              .formatted(Integer.toUnsignedString(headerBytes), MAX_HEADER));
    }
    String header = new String(exactly(headerBytes), StandardCharsets.UTF_8);
    String descr = find(DESCR, header);
    boolean fortran = find(FORTRAN, header).equals("True");
    long[] shape = shape(find(SHAPE, header));
    Element element = Element.of(descr);
    if (element == null) {
      throw bad(
          "element type %s; readable are |u1 |i1 |b1 <i4 <i8 <f2 <f4 <f8, convert with astype"
              .formatted(descr));
    }
    long size = size(shape, element);
    long have = bytes - 8 - lengthBytes - headerBytes;
    if (size * element.bytes != have) {
      throw bad(
          "%s%s needs %d bytes, there are %d"
              .formatted(descr, Arrays.toString(shape), size * element.bytes, have));
    }
    return elements(element, fortran, shape, size);
  }

  /** A Fortran-ordered array is the transpose of a row-major one with the sizes reversed. */
  private Tensor elements(Element element, boolean fortran, long[] shape, long size)
      throws IOException {
    long[] stored = shape.clone();
    if (fortran) for (int i = 0; i < shape.length; i++) stored[i] = shape[shape.length - 1 - i];
    Tensor t = Tensor.empty(Device.CPU, "npy", element.dtype, stored);
    try {
      long at = t.strided().address();
      byte[] chunk = new byte[1 << 16];
      int perChunk = chunk.length / element.bytes;
      for (long done = 0; done < size; ) {
        int n = (int) Math.min(perChunk, size - done);
        int got = in.readNBytes(chunk, 0, n * element.bytes);
        if (got < n * element.bytes) throw bad("truncated");
        convert(element, chunk, n, at + done * element.dtype.bytes());
        done += n;
      }
      Reference.reachabilityFence(t);
    } catch (IOException | RuntimeException e) {
      t.close();
      throw e;
    }
    if (!fortran || shape.length < 2) return t;
    return t.permute(IntStream.range(0, shape.length).map(i -> shape.length - 1 - i).toArray());
  }

  private static void convert(Element element, byte[] chunk, int n, long to) {
    ByteBuffer in = ByteBuffer.wrap(chunk).order(ByteOrder.LITTLE_ENDIAN);
    switch (element) {
      case F8 -> {
        for (int i = 0; i < n; i++) Host.setFloat(to + 4L * i, (float) in.getDouble(8 * i));
      }
      case B1 -> {
        for (int i = 0; i < n; i++) Host.setByte(to + i, (byte) (chunk[i] != 0 ? 1 : 0));
      }
      default ->
          Host.ALL
              .asSlice(to, (long) n * element.bytes)
              .copyFrom(
                  java.lang.foreign.MemorySegment.ofArray(chunk)
                      .asSlice(0, (long) n * element.bytes));
    }
  }

  private byte[] exactly(int n) throws IOException {
    byte[] out = in.readNBytes(n);
    if (out.length < n) throw bad("truncated in its header");
    return out;
  }

  private String find(Pattern pattern, String header) {
    Matcher m = pattern.matcher(header);
    if (!m.find()) throw bad("header %s lacks %s".formatted(header.strip(), pattern));
    return m.group(1);
  }

  private long[] shape(String text) {
    String[] parts = text.isBlank() ? new String[0] : text.strip().split("\\s*,\\s*");
    if (parts.length > MAX_RANK) throw bad(parts.length + " dimensions, at most " + MAX_RANK);
    long[] out = new long[parts.length];
    for (int i = 0; i < out.length; i++) {
      try {
        out[i] = Long.parseLong(parts[i].endsWith("L") ? parts[i].replace("L", "") : parts[i]);
      } catch (NumberFormatException e) {
        throw bad("shape (" + text + ") is not a list of sizes");
      }
    }
    return out;
  }

  private long size(long[] shape, Element element) {
    try {
      long strides = element.bytes;
      long n = 1;
      for (long s : shape) {
        n = Math.multiplyExact(n, s);
        strides = Math.multiplyExact(strides, Math.max(s, 1));
      }
      return n;
    } catch (ArithmeticException e) {
      throw bad("shape %s overflows 64 bits".formatted(Arrays.toString(shape)));
    }
  }

  private FileException bad(String why) {
    return new FileException(file, what + why);
  }

  /** The element types that are read; F8, NumPy's float64, is rounded to F32. */
  private enum Element {
    U1("'|u1'", 1, DType.U8),
    I1("'|i1'", 1, DType.I8),
    B1("'|b1'", 1, DType.BOOL),
    I4("'<i4'", 4, DType.I32),
    I8("'<i8'", 8, DType.I64),
    F2("'<f2'", 2, DType.F16),
    F4("'<f4'", 4, DType.F32),
    F8("'<f8'", 8, DType.F32);

    final String descr;
    final int bytes;
    final DType dtype;

    Element(String descr, int bytes, DType dtype) {
      this.descr = descr;
      this.bytes = bytes;
      this.dtype = dtype;
    }

    static Element of(String descr) {
      for (Element e : values()) if (e.descr.equals(descr)) return e;
      return null;
    }
  }
}
