package dev.theriac.vision.image;

import dev.theriac.io.FileException;
import java.nio.file.Path;

/**
 * How a picture becomes the input of an encoder, step by step as {@code CLIPImageProcessor} and
 * {@code SiglipImageProcessor} of Hugging Face's transformers do with Pillow and NumPy: RGB,
 * padding to a square, resizing, centre crop, rescaling, normalisation, each of which may be left
 * out. The 8-bit steps equal Pillow's bit for bit, the float steps NumPy's. 16-bit pictures are
 * scaled to 8 bits first. Immutable; safe to use from several threads.
 *
 * @param rgb whether grey pictures become RGB; else they keep their one channel
 * @param square whether a picture is put on a square of the mean colour first, in the middle, as
 *     LLaVA does; not part of the files of transformers
 * @param size what to resize to, or null
 * @param resampling how to resize
 * @param crop height and width that are cut out of the middle, or null; what lies outside the
 *     picture is black
 * @param rescale what samples are multiplied with, or null
 * @param normalisation what is subtracted and divided by then, or null
 */
public record ImageProcessor(
    boolean rgb,
    boolean square,
    TargetSize size,
    Resampling resampling,
    TargetSize.Exact crop,
    Double rescale,
    Normalisation normalisation) {

  /** The longest edge of a result. */
  public static final int MAX_EDGE = 8192;

  /** 1/255, from samples of 8 bits to numbers from 0 to 1. */
  static final double TO_UNIT = 1 / 255.0;

  /**
   * (value - mean) / std.
   *
   * @param mean one for each channel, or one for all
   * @param std likewise
   */
  public record Normalisation(float[] mean, float[] std) {
    /** Copies the arrays. */
    public Normalisation {
      if (mean.length != std.length || mean.length != 1 && mean.length != 3) {
        throw new IllegalArgumentException(
            "image normalisation: %d means and %d deviations; one or three of each are wanted"
                .formatted(mean.length, std.length));
      }
      for (int c = 0; c < mean.length; c++) {
        if (!Float.isFinite(mean[c]) || !(std[c] > 0) || !Float.isFinite(std[c])) {
          throw new IllegalArgumentException(
              "image normalisation: mean %s and deviation %s; a mean is finite, a deviation above 0"
                  .formatted(mean[c], std[c]));
        }
      }
      mean = mean.clone();
      std = std.clone();
    }

    /** A copy. */
    @Override
    public float[] mean() {
      return mean.clone();
    }

    /** A copy. */
    @Override
    public float[] std() {
      return std.clone();
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Normalisation that
          && java.util.Arrays.equals(mean, that.mean)
          && java.util.Arrays.equals(std, that.std);
    }

    @Override
    public int hashCode() {
      return 31 * java.util.Arrays.hashCode(mean) + java.util.Arrays.hashCode(std);
    }
  }

  public ImageProcessor {
    if (size != null && resampling == null) {
      throw new IllegalArgumentException("image processor: a size without a way to resize");
    }
    if (rescale != null && !(Math.abs(rescale) <= Float.MAX_VALUE)) {
      throw new IllegalArgumentException("image processor: rescale factor " + rescale);
    }
  }

  /** The defaults of CLIPImageProcessor: shortest edge 224, bicubic, centre crop of 224. */
  public static ImageProcessor clip() {
    return of(Preprocessing.clip(224, false));
  }

  /** The defaults of SiglipImageProcessor: 224 x 224, bicubic, no crop, to between -1 and 1. */
  public static ImageProcessor siglip() {
    float[] half = {0.5f, 0.5f, 0.5f};
    return new ImageProcessor(
        true,
        false,
        new TargetSize.Exact(224, 224),
        Resampling.BICUBIC,
        null,
        TO_UNIT,
        new Normalisation(half, half));
  }

  /** The same as a {@link Preprocessing}. */
  public static ImageProcessor of(Preprocessing wanted) {
    return new ImageProcessor(
        true,
        wanted.pad(),
        new TargetSize.ShortestEdge(wanted.size()),
        Resampling.BICUBIC,
        new TargetSize.Exact(wanted.size(), wanted.size()),
        TO_UNIT,
        new Normalisation(wanted.mean(), wanted.std()));
  }

  /** The same with or without padding to a square. */
  public ImageProcessor withSquare(boolean wanted) {
    return new ImageProcessor(rgb, wanted, size, resampling, crop, rescale, normalisation);
  }

  /**
   * Reads {@code preprocessor_config.json}, or the {@code image_processor} of {@code
   * processor_config.json}, of a model directory; or a file of the first kind.
   *
   * @throws FileException naming the file and the field when one is of the wrong type or asks for
   *     what is not supported
   */
  public static ImageProcessor read(Path directoryOrFile) {
    return ImageProcessorFile.read(directoryOrFile);
  }

  /**
   * The text of a {@code preprocessor_config.json} that says the same, for Theriac and for
   * transformers.
   */
  public String json() {
    return ImageProcessorFile.write(this);
  }

  /**
   * The encoder's input of one picture.
   *
   * @throws IllegalArgumentException when the result, or a square, would have a side of 0 or more
   *     than {@link Images#MAX_PIXELS}, or when there are three means for one channel
   */
  public PixelValues apply(Image image) {
    Image pixels = pixels(image);
    int channels = pixels.channels();
    byte[] bytes = pixels.bytesShared();
    int plane = bytes.length / channels;
    float[] values = new float[bytes.length];
    for (int c = 0; c < channels; c++) {
      float[] table = table(c, channels);
      for (int i = 0; i < plane; i++) {
        values[c * plane + i] = table[bytes[channels * i + c] & 0xFF];
      }
    }
    return new PixelValues(channels, pixels.height(), pixels.width(), values);
  }

  private float[] table(int channel, int channels) {
    float[] table = new float[256];
    for (int v = 0; v < 256; v++) table[v] = rescale == null ? v : (float) (v * rescale);
    if (normalisation == null) return table;
    float[] means = normalisation.mean;
    if (means.length == 3 && channels == 1) {
      throw new IllegalArgumentException(
          "image processor: three means and a picture of one channel; convert it to RGB"
              + " (do_convert_rgb)");
    }
    int at = means.length == 1 ? 0 : channel;
    for (int v = 0; v < 256; v++) table[v] = (table[v] - means[at]) / normalisation.std[at];
    return table;
  }

  /** The 8-bit steps only: what the encoder sees. */
  public Image pixels(Image image) {
    Image in = rgb ? image.toRgb8() : image.to8();
    if (square && in.width() != in.height()) in = Squares.pad(in, normalisation);
    long[] full =
        size == null ? new long[] {in.width(), in.height()} : size.of(in.width(), in.height());
    long width = crop == null ? full[0] : crop.width();
    long height = crop == null ? full[1] : crop.height();
    if (full[0] < 1 || full[1] < 1 || width * height > Images.MAX_PIXELS) {
      throw new IllegalArgumentException(
          "resizing %s to %d x %d pixels: a side must be at least 1, and all at most %d"
              .formatted(in, full[0], full[1], Images.MAX_PIXELS));
    }
    return Squares.window(
        in,
        resampling,
        full,
        Math.floorDiv(full[0] - width, 2),
        Math.floorDiv(full[1] - height, 2),
        (int) width,
        (int) height);
  }
}
