package dev.theriac.vision.image;

import dev.theriac.io.AtomicFile;
import dev.theriac.io.FileException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * Reads PNG, JPEG and TIFF files and writes PNG files, without a display. What becomes of the rest
 * of a file, so that all pictures end as grey or RGB:
 *
 * <ul>
 *   <li>16-bit samples are kept; {@link Image#toRgb8()} scales them to 8 bits by 257 (Pillow would
 *       clip them at 255, which loses nearly all of a radiograph).
 *   <li>An alpha channel or a transparent palette colour is dropped and the colour under it kept,
 *       as Pillow's {@code convert("RGB")} does.
 *   <li>Palettes and 1-bit pictures become RGB.
 *   <li>CMYK is converted to RGB, with the embedded profile where there is one.
 *   <li>An orientation tag (EXIF) is not applied, and of several pages the first is read.
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

  /**
   * Reads a picture from the bytes of a file.
   *
   * @param name what error messages call it
   */
  public static Image decode(byte[] bytes, String name) throws IOException {
    if (bytes.length == 0) {
      throw new IOException(name + ": the file is empty; copy or download it again");
    }
    Format format = Format.of(bytes);
    if (format == null) {
      throw new IOException(
          name + ": not a PNG, JPEG or TIFF file; convert the image to PNG, for example");
    }
    if (format == Format.JPEG && !JpegEnd.reached(bytes)) {
      // The decoder would fill the missing part with grey and go on.
      throw new IOException(name + ": the JPEG file is truncated; copy or download it again");
    }
    BufferedImage decoded;
    try (ImageInputStream input =
        new MemoryCacheImageInputStream(new java.io.ByteArrayInputStream(bytes))) {
      ImageReader reader = format.reader();
      try {
        reader.setInput(input, true, true);
        requireSize(reader.getWidth(0), reader.getHeight(0), name);
        decoded = reader.read(0);
      } finally {
        reader.dispose();
      }
    } catch (TooLargeException e) {
      throw e;
    } catch (IOException | RuntimeException | OutOfMemoryError e) {
      // Decoders meet damaged files with all kinds of unchecked exceptions, and one that believes
      // in a damaged count of samples asks for an array that cannot be had.
      throw new IOException(
          "%s: damaged or truncated %s file (%s); copy it again or convert it to an RGB PNG"
              .formatted(name, format, reason(e)),
          e);
    }
    return BufferedImages.toImage(decoded, name);
  }

  private static String reason(Throwable e) {
    Throwable cause = e;
    while (cause.getMessage() == null && cause.getCause() != null) {
      cause = cause.getCause();
    }
    return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
  }

  private static void requireSize(int width, int height, String name) throws TooLargeException {
    if ((long) width * height > MAX_PIXELS) {
      throw new TooLargeException(
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

  private static final class TooLargeException extends IOException {
    private static final long serialVersionUID = 1L;

    TooLargeException(String message) {
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
