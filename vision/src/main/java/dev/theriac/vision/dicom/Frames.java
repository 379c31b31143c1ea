package dev.theriac.vision.dicom;

import dev.theriac.io.FileException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;

/** The samples of frames, from uncompressed or RLE pixel data. */
final class Frames {
  private final DataSet data;
  private final PixelFormat format;
  private final List<MemorySegment> fragments;

  Frames(DataSet data, PixelFormat format, TransferSyntax syntax) {
    this.data = data;
    this.format = format;
    long length = data.get(DicomParser.PIXEL_DATA).length();
    if (syntax.encapsulated != length < 0) {
      throw data.wrong(
          DicomParser.PIXEL_DATA,
          length < 0 ? "in fragments" : "in one piece",
          "what transfer syntax " + syntax.uid + " says");
    }
    if (!syntax.encapsulated) {
      long wanted = Math.multiplyExact(format.frameBytes(), (long) format.frames());
      if (length < wanted) {
        throw new FileException(
            data.file(),
            "truncated: %d frames of %d x %d pixels have %d bytes, its pixel data %d; copy it again"
                .formatted(format.frames(), format.columns(), format.rows(), wanted, length));
      }
      fragments = null;
      return;
    }
    fragments = DicomParser.fragments(data);
    if (fragments.size() != format.frames()) {
      throw data.wrong(
          DicomParser.PIXEL_DATA,
          fragments.size() + " fragments",
          "one for each of %d frames".formatted(format.frames()));
    }
  }

  /**
   * What is stored, pixel by pixel; three samples side by side. {@link PixelFormat#number} reads
   * them.
   */
  int[] stored(int frame) {
    int width = format.allocated() / 8;
    int count = Math.multiplyExact(format.pixels(), format.samples());
    MemorySegment bytes;
    ByteOrder order = data.order();
    boolean planar = format.planar();
    if (fragments == null) {
      long at = data.get(DicomParser.PIXEL_DATA).offset() + frame * format.frameBytes();
      bytes = data.bytes().asSlice(at, format.frameBytes());
    } else {
      byte[] unpacked =
          RleDecoder.decode(
              data.file(), fragments.get(frame), format.pixels(), format.samples(), width);
      bytes = MemorySegment.ofArray(unpacked);
      planar = false;
    }
    ValueLayout.OfShort shorts = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(order);
    ValueLayout.OfInt ints = ValueLayout.JAVA_INT_UNALIGNED.withOrder(order);
    int[] out = new int[count];
    for (int i = 0; i < count; i++) {
      int from = planar ? i % 3 * format.pixels() + i / 3 : i;
      int raw =
          switch (width) {
            case 1 -> bytes.get(ValueLayout.JAVA_BYTE, from) & 0xFF;
            case 2 -> bytes.get(shorts, 2L * from) & 0xFFFF;
            default -> bytes.get(ints, 4L * from);
          };
      out[i] = format.bits(raw);
    }
    return out;
  }
}
