package dev.theriac.vision.dicom;

import dev.theriac.io.FileException;
import dev.theriac.vision.image.Images;

/**
 * How samples lie in the pixel data (PS3.3, section C.7.6.3).
 *
 * @param samples of a pixel: 1 or 3
 * @param planar whether the three colours lie one after the other
 * @param allocated bits of a sample's place: 8, 16 or 32
 * @param stored bits that count, up to the high bit
 * @param shift bits below them
 * @param signed whether they are a two's complement number
 */
record PixelFormat(
    String photometric,
    int rows,
    int columns,
    int frames,
    int samples,
    boolean planar,
    int allocated,
    int stored,
    int shift,
    boolean signed) {

  static PixelFormat of(DataSet in) {
    for (int tag : new int[] {Tags.FLOAT_PIXELS, Tags.DOUBLE_PIXELS}) {
      if (in.has(tag)) throw in.wrong(tag, "floating pixel data", "whole numbers (7FE0,0010)");
    }
    if (in.get(DicomParser.PIXEL_DATA) == null) {
      throw new FileException(
          in.file(), "holds no picture: no pixel data (7FE0,0010); name an image file");
    }
    String photometric = in.text(Tags.PHOTOMETRIC, "");
    boolean colour =
        switch (photometric) {
          case "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR" -> false;
          case "RGB", "YBR_FULL" -> true;
          default ->
              throw in.wrong(
                  Tags.PHOTOMETRIC,
                  "\"" + photometric + "\"",
                  "MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB or YBR_FULL");
        };
    int samples = in.number(Tags.SAMPLES, 1);
    if (samples != (colour ? 3 : 1)) {
      throw in.wrong(Tags.SAMPLES, samples + " samples", (colour ? 3 : 1) + " for " + photometric);
    }
    int rows = in.number(Tags.ROWS);
    int columns = in.number(Tags.COLUMNS);
    if (rows == 0 || columns == 0) throw in.wrong(Tags.ROWS, rows + " x " + columns, "a size");
    if ((long) rows * columns > Images.MAX_PIXELS) {
      throw in.wrong(Tags.ROWS, rows + " x " + columns, "at most " + Images.MAX_PIXELS + " pixels");
    }
    double[] frames = in.decimals(Tags.FRAMES);
    if (frames.length > 1 || frames.length == 1 && !(frames[0] >= 1 && frames[0] <= 1 << 24)) {
      throw in.wrong(Tags.FRAMES, in.text(Tags.FRAMES, ""), "a number of frames");
    }
    int allocated = in.number(Tags.ALLOCATED);
    if (allocated != 8 && allocated != 16 && allocated != 32 || colour && allocated == 32) {
      throw in.wrong(Tags.ALLOCATED, allocated + " bits", "8, 16 or (grey) 32");
    }
    int stored = in.number(Tags.STORED, allocated);
    int high = in.number(Tags.HIGH_BIT, stored - 1);
    if (stored < 1 || stored > allocated || high >= allocated || high < stored - 1) {
      throw in.wrong(
          Tags.STORED,
          "%d bits up to bit %d".formatted(stored, high),
          "what fits the %d allocated".formatted(allocated));
    }
    return new PixelFormat(
        photometric,
        rows,
        columns,
        frames.length == 0 ? 1 : (int) frames[0],
        samples,
        colour && in.number(Tags.PLANAR, 0) == 1,
        allocated,
        stored,
        high - stored + 1,
        in.number(Tags.SIGNED, 0) == 1);
  }

  int pixels() {
    return rows * columns;
  }

  /** Bytes of one frame, uncompressed. */
  long frameBytes() {
    return (long) pixels() * samples * (allocated / 8);
  }

  /** The bits that count, of a signed number with its sign in front. */
  int bits(int raw) {
    int high = raw >>> shift << 32 - stored;
    return signed ? high >> 32 - stored : high >>> 32 - stored;
  }

  /** What {@link #bits} stand for. */
  double number(int bits) {
    return signed ? bits : bits & 0xFFFFFFFFL;
  }
}
