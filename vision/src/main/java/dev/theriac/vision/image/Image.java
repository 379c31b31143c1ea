package dev.theriac.vision.image;

import java.util.Arrays;

/**
 * An immutable picture: {@code height} rows of {@code width} pixels of 1 (grey) or 3 (red, green,
 * blue) interleaved samples, each an unsigned integer of 8 or 16 bits. There is no alpha channel
 * and no colour profile; {@link Images#read} says what becomes of those. Safe to share between
 * threads.
 */
public final class Image {

  private final int width;
  private final int height;
  private final int channels;
  // Exactly one of the two is non-null.
  private final byte[] samples8;
  private final short[] samples16;

  private Image(int width, int height, int channels, byte[] samples8, short[] samples16) {
    this.width = width;
    this.height = height;
    this.channels = channels;
    this.samples8 = samples8;
    this.samples16 = samples16;
  }

  /**
   * A picture of 8-bit samples.
   *
   * @param channels 1 for grey, 3 for RGB
   * @param samples {@code height * width * channels} unsigned bytes, row by row; copied
   * @throws IllegalArgumentException if a side is below 1, the channels are neither 1 nor 3, or the
   *     number of samples does not fit
   */
  public static Image of8(int width, int height, int channels, byte[] samples) {
    requireShape(width, height, channels, samples.length);
    return new Image(width, height, channels, samples.clone(), null);
  }

  /** A picture of unsigned 16-bit samples; otherwise as {@link #of8}. */
  public static Image of16(int width, int height, int channels, short[] samples) {
    requireShape(width, height, channels, samples.length);
    return new Image(width, height, channels, null, samples.clone());
  }

  /** As {@link #of8} for callers inside this package that give the array away. */
  static Image wrap8(int width, int height, int channels, byte[] samples) {
    requireShape(width, height, channels, samples.length);
    return new Image(width, height, channels, samples, null);
  }

  /** As {@link #of16} for callers inside this package that give the array away. */
  static Image wrap16(int width, int height, int channels, short[] samples) {
    requireShape(width, height, channels, samples.length);
    return new Image(width, height, channels, null, samples);
  }

  private static void requireShape(int width, int height, int channels, int length) {
    if (width < 1 || height < 1) {
      throw new IllegalArgumentException(
          "image of %d x %d pixels: both sides must be at least 1".formatted(width, height));
    }
    if (channels != 1 && channels != 3) {
      throw new IllegalArgumentException(
          "image with %d channels: use 1 (grey) or 3 (RGB)".formatted(channels));
    }
    if ((long) width * height * channels != length) {
      throw new IllegalArgumentException(
          "image of %d x %d pixels and %d channels needs %d samples, got %d"
              .formatted(width, height, channels, (long) width * height * channels, length));
    }
  }

  /** Columns. */
  public int width() {
    return width;
  }

  /** Rows. */
  public int height() {
    return height;
  }

  /** 1 (grey) or 3 (RGB). */
  public int channels() {
    return channels;
  }

  /** Bits of a sample, 8 or 16. */
  public int bitDepth() {
    return samples8 != null ? 8 : 16;
  }

  /**
   * One sample, 0 to 255 or 0 to 65535 after {@link #bitDepth()}.
   *
   * @throws IndexOutOfBoundsException if the pixel or the channel lies outside
   */
  public int sample(int x, int y, int channel) {
    if (x < 0 || x >= width || y < 0 || y >= height || channel < 0 || channel >= channels) {
      throw new IndexOutOfBoundsException(
          "sample (x %d, y %d, channel %d) of an image of %d x %d pixels and %d channels"
              .formatted(x, y, channel, width, height, channels));
    }
    int at = (y * width + x) * channels + channel;
    return samples8 != null ? samples8[at] & 0xFF : samples16[at] & 0xFFFF;
  }

  /** The same picture with 8-bit samples, scaled as by {@link #toRgb8}; grey stays grey. */
  public Image to8() {
    if (samples8 != null) {
      return this;
    }
    byte[] narrow = new byte[samples16.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = narrowed(samples16[i]);
    }
    return new Image(width, height, channels, narrow, null);
  }

  private static byte narrowed(short sample) {
    return (byte) (((sample & 0xFFFF) * 255 + 32767) / 65535);
  }

  /**
   * The same picture as 8-bit RGB: grey is repeated in the three channels and 16-bit samples are
   * divided by 257 (65535 becomes 255) with rounding to nearest.
   */
  public Image toRgb8() {
    if (channels == 3 && samples8 != null) {
      return this;
    }
    byte[] rgb = new byte[Math.multiplyExact(Math.multiplyExact(width, height), 3)];
    int repeat = channels == 1 ? 3 : 1;
    int length = width * height * channels;
    for (int i = 0, out = 0; i < length; i++) {
      byte value = samples8 != null ? samples8[i] : narrowed(samples16[i]);
      for (int r = 0; r < repeat; r++) {
        rgb[out++] = value;
      }
    }
    return new Image(width, height, 3, rgb, null);
  }

  /**
   * A copy of the 8-bit samples, row by row, channels interleaved.
   *
   * @throws IllegalStateException if the samples have 16 bits; call {@link #toRgb8()} first
   */
  public byte[] bytes() {
    return bytesShared().clone();
  }

  /** The samples without a copy, for readers inside this package that never write to them. */
  byte[] bytesShared() {
    if (samples8 == null) {
      throw new IllegalStateException("the image has 16-bit samples: call toRgb8() first");
    }
    return samples8;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Image that
        && width == that.width
        && height == that.height
        && channels == that.channels
        && Arrays.equals(samples8, that.samples8)
        && Arrays.equals(samples16, that.samples16);
  }

  @Override
  public int hashCode() {
    return 31 * (31 * width + height) + Arrays.hashCode(samples8) + Arrays.hashCode(samples16);
  }

  @Override
  public String toString() {
    return "Image[%d x %d, %s, %d bit]"
        .formatted(width, height, channels == 1 ? "grey" : "RGB", bitDepth());
  }
}
