package dev.theriac.vision.dicom;

import dev.theriac.io.FileException;
import dev.theriac.vision.image.Image;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A DICOM file of one or more frames, mapped into memory. Read are the uncompressed transfer
 * syntaxes (implicit and explicit little endian, deflated, explicit big endian) and RLE; of the
 * others the error says the name. Patient data are not kept nor shown. Immutable; safe to use from
 * several threads.
 */
public final class Dicom {
  private final DataSet data;
  private final Frames frames;
  private final PixelFormat format;

  private Dicom(DicomParser.Parsed parsed) {
    data = parsed.data();
    format = PixelFormat.of(data);
    frames = new Frames(data, format, parsed.syntax());
  }

  /**
   * Reads a file's elements; its pixels when they are asked for.
   *
   * @throws FileException naming the file, and the element when one is missing, damaged or not
   *     supported
   */
  public static Dicom read(Path file) {
    try (FileChannel channel = FileChannel.open(file)) {
      MemorySegment mapped =
          channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
      return of(file, mapped);
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * The same from bytes in memory.
   *
   * @param name what error messages call them
   */
  public static Dicom of(byte[] bytes, Path name) {
    return of(name, MemorySegment.ofArray(bytes));
  }

  private static Dicom of(Path file, MemorySegment bytes) {
    return new Dicom(DicomParser.parse(file, bytes));
  }

  /** Whether bytes begin as a DICOM file does; the first 132 decide. */
  public static boolean isDicom(byte[] bytes) {
    return DicomParser.isDicom(MemorySegment.ofArray(bytes));
  }

  /** Columns. */
  public int width() {
    return format.columns();
  }

  /** Rows. */
  public int height() {
    return format.rows();
  }

  /** Number of frames, 1 for a plain image. */
  public int frames() {
    return format.frames();
  }

  /** Whether the pixels are grey; else they are red, green and blue. */
  public boolean grey() {
    return format.photometric().startsWith("MONOCHROME");
  }

  /** (0008,0060), such as CT, MR, CR; empty when the file does not say. */
  public String modality() {
    return data.text(Tags.MODALITY, "");
  }

  /** The windows that the file recommends for a frame, the first of which is used. */
  public List<Window> windows(int frame) {
    DataSet in = frameGroup(frame, Tags.FRAME_VOI, Tags.CENTER);
    double[] centres = in.decimals(Tags.CENTER);
    double[] widths = in.decimals(Tags.WIDTH);
    if (centres.length != widths.length) {
      throw in.wrong(Tags.WIDTH, widths.length + " widths", centres.length + ", one a centre,");
    }
    String name = in.text(Tags.FUNCTION, "LINEAR");
    Window.Function function =
        switch (name) {
          case "LINEAR" -> Window.Function.LINEAR;
          case "LINEAR_EXACT" -> Window.Function.LINEAR_EXACT;
          case "SIGMOID" -> Window.Function.SIGMOID;
          default ->
              throw in.wrong(Tags.FUNCTION, "\"" + name + "\"", "LINEAR, LINEAR_EXACT or SIGMOID");
        };
    List<Window> out = new ArrayList<>();
    for (int i = 0; i < centres.length; i++) {
      try {
        out.add(new Window(centres[i], widths[i], function));
      } catch (IllegalArgumentException e) {
        throw new FileException(data.file(), e.getMessage(), e);
      }
    }
    return out;
  }

  /**
   * The values of a grey frame, row by row: what is stored, through the modality's lookup table or
   * slope and intercept; in CT Hounsfield units.
   *
   * @param frame from 0
   * @throws FileException when the pixel data end before the frame does
   * @throws IllegalArgumentException when there is no such frame, or it is not grey
   */
  public double[] values(int frame) {
    requireFrame(frame);
    if (!grey()) {
      throw new IllegalArgumentException(
          "%s: values of %s; grey frames have them".formatted(data.file(), format.photometric()));
    }
    int[] stored = frames.stored(frame);
    double[] out = new double[stored.length];
    for (int i = 0; i < out.length; i++) out[i] = format.number(stored[i]);
    DataSet table = data.item(Tags.MODALITY_LUT);
    if (table != null) {
      Lut lut = Lut.of(table, Tags.LUT_DESCRIPTOR, Tags.LUT_DATA, format.signed());
      for (int i = 0; i < out.length; i++) out[i] = lut.apply(out[i]);
      return out;
    }
    DataSet in = frameGroup(frame, Tags.FRAME_VALUES, Tags.SLOPE);
    double slope = one(in, Tags.SLOPE, 1);
    double intercept = one(in, Tags.INTERCEPT, 0);
    for (int i = 0; i < out.length; i++) out[i] = out[i] * slope + intercept;
    return out;
  }

  private static double one(DataSet in, int tag, double missing) {
    double[] values = in.decimals(tag);
    if (values.length > 1) throw in.wrong(tag, values.length + " numbers", "one");
    return values.length == 0 ? missing : values[0];
  }

  /**
   * The frame as an 8-bit picture: a grey one through its lookup table for values of interest, its
   * first window, or from its smallest to its largest value (pixel padding left out) where it has
   * neither, MONOCHROME1 inverted; a coloured one as it is.
   *
   * @param frame from 0
   * @throws FileException when the pixel data end before the frame does
   * @throws IllegalArgumentException when there is no such frame
   */
  public Image image(int frame) {
    requireFrame(frame);
    if (!grey()) return Colours.image(data, format, frames.stored(frame));
    DataSet voi = frameGroup(frame, Tags.FRAME_VOI, Tags.VOI_LUT);
    double[] values = values(frame);
    if (voi.item(Tags.VOI_LUT) != null) {
      return Greys.through(lut(voi.item(Tags.VOI_LUT), values), format, values);
    }
    List<Window> windows = windows(frame);
    if (!windows.isEmpty()) return Greys.through(windows.getFirst(), format, values);
    return Greys.stretched(padding(), frames, frame, format, values);
  }

  /** The grey frame through another window; otherwise as {@link #image(int)}. */
  public Image image(int frame, Window window) {
    return Greys.through(window, format, values(frame));
  }

  private Lut lut(DataSet item, double[] values) {
    // The descriptor's number is signed when values can be negative.
    boolean negative = false;
    for (double v : values) negative |= v < 0;
    return Lut.of(item, Tags.LUT_DESCRIPTOR, Tags.LUT_DATA, format.signed() || negative);
  }

  /** Smallest and largest stored value that mean "no value", or null. */
  private double[] padding() {
    if (!data.has(Tags.PADDING)) return null;
    double low = padding(Tags.PADDING);
    double high = data.has(Tags.PADDING_LIMIT) ? padding(Tags.PADDING_LIMIT) : low;
    return new double[] {Math.min(low, high), Math.max(low, high)};
  }

  private double padding(int tag) {
    int value = data.number(tag);
    return format.signed() ? (short) value : value;
  }

  /** Where a frame's values are: in its functional group, in the shared one, or in the file's. */
  private DataSet frameGroup(int frame, int sequence, int tag) {
    List<DataSet> own = data.items(Tags.FRAME_GROUPS);
    DataSet group = frame < own.size() ? own.get(frame).item(sequence) : null;
    if (group == null) {
      DataSet shared = data.item(Tags.SHARED_GROUPS);
      group = shared == null ? null : shared.item(sequence);
    }
    return group == null || group.get(tag) == null && data.get(tag) != null ? data : group;
  }

  private void requireFrame(int frame) {
    if (frame < 0 || frame >= format.frames()) {
      throw new IllegalArgumentException(
          "%s: frame %d; there are %d, counted from 0"
              .formatted(data.file(), frame, format.frames()));
    }
  }

  @Override
  public String toString() {
    return "Dicom[%s, %d x %d, %s, %d of %d bits%s, %d frames]"
        .formatted(
            modality(),
            width(),
            height(),
            format.photometric(),
            format.stored(),
            format.allocated(),
            format.signed() ? " signed" : "",
            frames());
  }
}
