package dev.theriac.vision.dicom;

import dev.theriac.io.FileException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** One frame of RLE Lossless (PS3.5, annex G): byte planes, each packed by itself. */
final class RleDecoder {
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private RleDecoder() {}

  /**
   * @param pixels of the frame
   * @param samples of a pixel
   * @param width bytes of a sample
   * @return the frame as it would lie uncompressed, little endian, samples side by side
   */
  static byte[] decode(Path file, MemorySegment frame, int pixels, int samples, int width) {
    int planes = samples * width;
    if (frame.byteSize() < 64 || frame.get(INT, 0) != planes) {
      throw new FileException(
          file,
          "damaged: an RLE frame of %d bytes names %s segments; %d are wanted"
              .formatted(
                  frame.byteSize(), frame.byteSize() < 64 ? "no" : frame.get(INT, 0), planes));
    }
    // A run of two bytes gives at most 128: checked before the frame is allocated.
    if ((long) pixels * planes > frame.byteSize() * 64) {
      throw new FileException(
          file,
          "truncated: an RLE frame of %d bytes cannot hold %d pixels"
              .formatted(frame.byteSize(), pixels));
    }
    byte[] out = new byte[Math.multiplyExact(pixels, planes)];
    for (int plane = 0; plane < planes; plane++) {
      long start = frame.get(INT, 4 + 4 * plane) & 0xFFFFFFFFL;
      long end =
          plane + 1 < planes ? frame.get(INT, 8 + 4 * plane) & 0xFFFFFFFFL : frame.byteSize();
      if (start < 64 || start > end || end > frame.byteSize()) {
        throw new FileException(
            file, "damaged: RLE segment %d lies at bytes %d to %d".formatted(plane, start, end));
      }
      // The most significant byte of a sample comes first.
      int offset = plane / width * width + width - 1 - plane % width;
      unpack(file, frame, start, end, out, offset, planes);
    }
    return out;
  }

  private static void unpack(
      Path file, MemorySegment frame, long at, long end, byte[] out, int to, int step) {
    while (to < out.length) {
      if (at >= end) throw new FileException(file, "truncated: an RLE segment ends too early");
      int n = frame.get(ValueLayout.JAVA_BYTE, at++);
      if (n == -128) continue;
      boolean run = n < 0;
      int count = run ? 1 - n : n + 1;
      if (at + (run ? 1 : count) > end) {
        throw new FileException(file, "truncated: an RLE segment ends too early");
      }
      for (int i = 0; i < count && to < out.length; i++, to += step) {
        out[to] = frame.get(ValueLayout.JAVA_BYTE, run ? at : at + i);
      }
      at += run ? 1 : count;
    }
  }
}
