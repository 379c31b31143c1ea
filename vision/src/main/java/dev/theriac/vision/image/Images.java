package dev.theriac.vision.image;

import dev.theriac.io.AtomicFile;
import dev.theriac.io.FileException;
import dev.theriac.vision.dicom.Dicom;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import java.util.function.Supplier;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Reads PNG, JPEG, TIFF and DICOM files and writes PNG files, without a display. What becomes of
 * the rest of a file, so that all pictures end as grey or RGB:
 *
 * <ul>
 *   <li>16-bit samples are kept; {@link Image#toRgb8()} scales them to 8 bits by 257 (Pillow would
 *       clip them at 255, which loses nearly all of a radiograph).
 *   <li>An alpha channel or a transparent palette colour is dropped and the colour under it kept,
 *       as Pillow's {@code convert("RGB")} does.
 *   <li>Palettes and 1-bit pictures become RGB.
 *   <li>CMYK is converted to RGB as Pillow does, without the embedded profile.
 *   <li>An orientation tag (EXIF, or XMP in a JPEG file) is applied, as by Pillow's {@code
 *       ImageOps.exif_transpose}; of several pages the first is read.
 *   <li>Of DICOM files the first frame is read as {@link Dicom#image(int)} shows it; that class has
 *       the other frames and windows.
 * </ul>
 *
 * <p>Every error is an {@link IOException} that names the file, says what is wrong and what to do.
 * Safe to use from several threads.
 */
public final class Images {

  /** The largest picture that is read: 134 million pixels. */
  public static final long MAX_PIXELS = 1L << 27;

  private static final long MAX_FILE_BYTES = 1L << 30;

  private Images() {}

  /**
   * Reads a picture.
   *
   * @throws NoSuchFileException if there is no such file
   * @throws IOException if the path is no readable file, or the file is empty, truncated, damaged,
   *     of another format or larger than {@link #MAX_PIXELS}
   */
  public static Image read(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new NoSuchFileException(
          file.toString(), null, "no such image file; check the path (relative to the data set?)");
    }
    if (Files.isDirectory(file)) {
      throw new IOException(file + ": is a directory; name one image file in it");
    }
    if (isDicom(file)) {
      return dicom(() -> Dicom.read(file));
    }
    if (Files.size(file) > MAX_FILE_BYTES) {
      throw new IOException(
          "%s: the file has %d bytes, more than 1 GiB; make the image smaller"
              .formatted(file, Files.size(file)));
    }
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new IOException(file + ": cannot be read; check its permissions", e);
    }
    return decode(bytes, file.toString());
  }

  private static boolean isDicom(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      return Dicom.isDicom(in.readNBytes(132));
    } catch (IOException e) {
      throw new IOException(file + ": cannot be read; check its permissions", e);
    }
  }

  private static Image dicom(Supplier<Dicom> file) throws IOException {
    try {
      return file.get().image(0);
    } catch (FileException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /**
   * Reads a picture from the bytes of a file.
   *
   * @param name what error messages call it
   */
  public static Image decode(byte[] bytes, String name) throws IOException {
    if (bytes.length == 0) {
      throw new IOException(name + ": the file is empty; copy or download it again");
    }
    if (Dicom.isDicom(bytes)) {
      return dicom(() -> Dicom.of(bytes, Path.of(name)));
    }
    Format format = Format.of(bytes);
    if (format == null) {
      throw new IOException(
          name + ": not a PNG, JPEG, TIFF or DICOM file; convert the image to PNG, for example");
    }
    JpegHeader jpeg = format == Format.JPEG ? JpegHeader.of(bytes) : null;
    if (jpeg != null && !jpeg.ends()) {
      // The decoder would fill the missing part with grey and go on.
      throw new IOException(name + ": the JPEG file is truncated; copy or download it again");
    }
    Image image;
    try (ImageInputStream input =
        new MemoryCacheImageInputStream(new java.io.ByteArrayInputStream(bytes))) {
      ImageReader reader = format.reader();
      try {
        reader.setInput(input, true, true);
        requireSize(reader.getWidth(0), reader.getHeight(0), name);
        format.requireFilled(bytes, reader.getWidth(0), reader.getHeight(0));
        image =
            jpeg != null && jpeg.components() == 4
                ? Cmyk.toRgb(reader.readRaster(0, null), jpeg.adobe() == 2, true)
                : BufferedImages.toImage(reader.read(0), name);
      } finally {
        reader.dispose();
      }
    } catch (NamedException e) {
      throw e;
    } catch (IOException | RuntimeException | OutOfMemoryError e) {
      // Decoders meet damaged files with all kinds of unchecked exceptions, and one that believes
      // in a damaged count of samples asks for an array that cannot be had.
      throw new IOException(
          "%s: damaged or truncated %s file (%s); copy it again or convert it to an RGB PNG"
              .formatted(name, format, reason(e)),
          e);
    }
    int orientation =
        switch (format) {
          case JPEG -> jpeg.orientation();
          case PNG -> Orientation.ofPng(bytes);
          case TIFF -> Orientation.ofTiff(bytes, 0, bytes.length);
        };
    return Orientation.apply(image, orientation);
  }

  private static String reason(Throwable e) {
    Throwable cause = e;
    while (cause.getMessage() == null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
  }

  private static void requireSize(int width, int height, String name) throws NamedException {
    if ((long) width * height > MAX_PIXELS) {
      throw new NamedException(
          "%s: %d x %d pixels are more than the %d that are read at most; make the image smaller"
              .formatted(name, width, height, MAX_PIXELS));
    }
  }

  /**
   * Writes the picture as a PNG file, replacing one that is there in one step.
   *
   * @throws IOException if the file cannot be written
   */
  public static void writePng(Image image, Path file) throws IOException {
    byte[] bytes = encodePng(image);
    try {
      AtomicFile.write(file, bytes);
    } catch (FileException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** The bytes of a PNG file with the samples of the picture, 8 or 16 bits each. */
  public static byte[] encodePng(Image image) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (var output = new javax.imageio.stream.MemoryCacheImageOutputStream(bytes)) {
      if (!ImageIO.write(BufferedImages.fromImage(image), "png", output)) {
        throw new IllegalStateException("this Java runtime has no PNG writer for " + image);
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException("PNG encoding of " + image, e);
    }
    return bytes.toByteArray();
  }

  /** An error that names its file already. */
  static final class NamedException extends IOException {
    private static final long serialVersionUID = 1L;

    NamedException(String message) {
      super(message);
    }
  }

  private enum Format {
    PNG,
    JPEG,
    TIFF;

    static Format of(byte[] bytes) {
      if (starts(bytes, 0x89, 'P', 'N', 'G')) {
        return PNG;
      }
      if (starts(bytes, 0xFF, 0xD8, 0xFF)) {
        return JPEG;
      }
      boolean tiff = starts(bytes, 'I', 'I', 42, 0) || starts(bytes, 'M', 'M', 0, 42);
      return tiff ? TIFF : null;
    }

    private static boolean starts(byte[] bytes, int... signature) {
      if (bytes.length < signature.length) {
        return false;
      }
      for (int i = 0; i < signature.length; i++) {
        if ((bytes[i] & 0xFF) != signature[i]) {
          return false;
        }
      }
      return true;
    }

    /**
     * Refuses sizes for which the file is far too short, before memory is asked for: DEFLATE gives
     * at most 1032 bytes for one, and a block of 64 pixels takes one bit of a JPEG file or more.
     */
    void requireFilled(byte[] bytes, int width, int height) throws IOException {
      long needed =
          switch (this) {
            case PNG -> {
              int[] samples = {1, 1, 3, 1, 2, 1, 4};
              int kind = bytes.length > 25 && bytes[25] >= 0 && bytes[25] < 7 ? bytes[25] : 0;
              long bits = (long) width * samples[kind] * (bytes.length > 24 ? bytes[24] & 0xFF : 1);
              yield (bits + 7) / 8 * height / 1032;
            }
            case JPEG -> (long) width * height / 512;
            // Fax coding gives a white row for one bit.
            case TIFF -> (long) width * height / 65536;
          };
      if (needed > bytes.length) {
        throw new IOException(
            "%d bytes cannot hold %d x %d pixels".formatted(bytes.length, width, height));
      }
    }

    /** TwelveMonkeys' reader where there is one, for CMYK JPEG and more kinds of TIFF. */
    ImageReader reader() throws IOException {
      ImageReader chosen = null;
      Iterator<ImageReader> readers =
          ImageIO.getImageReadersByFormatName(name().toLowerCase(Locale.ROOT));
      while (readers.hasNext()) {
        ImageReader reader = readers.next();
        if (chosen == null || reader.getClass().getName().startsWith("com.twelvemonkeys.")) {
          chosen = reader;
        }
      }
      if (chosen == null) {
        throw new IOException("this Java runtime has no reader for it");
      }
      return chosen;
    }
  }
}
