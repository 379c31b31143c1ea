package dev.theriac.io;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.Locale;

/**
 * Quantised matrices as tensors of weight files. The matrix that stands for a weight {@code X} is
 * called {@code X.int8}, {@code X.int4}, {@code X.bf16} or {@code X.f32}, and is U8 [groups of
 * rows, tiles of columns, bytes of a tile], the bytes being those of {@link QuantisedFormat}: a
 * mapped file is multiplied by as it is. Rows and columns are those of the layer; the shape tells
 * them up to the filling of the last group and tile.
 */
public final class QuantisedTensors {
  private QuantisedTensors() {}

  /** What the matrix is called that stands for the weight {@code key}. */
  public static String key(String key, QuantisedFormat format) {
    return key + suffix(format);
  }

  /** Whether a tensor of that name is a matrix of the format. */
  public static boolean isKey(String key, QuantisedFormat format) {
    return key.endsWith(suffix(format)) && key.length() > suffix(format).length();
  }

  /** The weight that the matrix {@code key} stands for. */
  public static String weight(String key, QuantisedFormat format) {
    return key.substring(0, key.length() - suffix(format).length());
  }

  private static String suffix(QuantisedFormat format) {
    return "." + format.name().toLowerCase(Locale.ROOT);
  }

  /** Shape of the tensor of a matrix. */
  public static long[] shape(QuantisedFormat format, long rows, long columns) {
    long groups = (rows + QuantisedFormat.GROUP - 1) / QuantisedFormat.GROUP;
    return new long[] {groups, format.groupBytes(columns) / format.tileBytes(), format.tileBytes()};
  }

  /** Whether a tensor in a file is the matrix of a weight of that shape, by name, type and size. */
  public static boolean fits(Weights.Entry entry, long... shape) {
    if (shape.length != 2 || !entry.dtype().equals(DType.U8.name())) return false;
    for (QuantisedFormat format : QuantisedFormat.values()) {
      boolean same = Arrays.equals(entry.shape(), shape(format, shape[0], shape[1]));
      if (same && isKey(entry.key(), format)) return true;
    }
    return false;
  }

  /** The tensor of a matrix; a view. */
  public static Tensor tensor(QuantisedMatrix matrix) {
    return matrix.bytes().reshape(shape(matrix.format(), matrix.rows(), matrix.columns()));
  }

  /**
   * A matrix in a file, which stays mapped.
   *
   * @param key as {@link #key} gives it
   * @throws FileException when there is none of that name, or it is not U8 of the shape that the
   *     sizes give
   */
  public static QuantisedMatrix read(
      Weights file, String key, QuantisedFormat format, long rows, long columns) {
    long[] wanted = shape(format, rows, columns);
    Weights.Entry entry = file.entry(key);
    if (!entry.dtype().equals(DType.U8.name()) || !Arrays.equals(entry.shape(), wanted)) {
      throw new FileException(
          entry.file(),
          "tensor \"%s\" is %s, %s[%d, %d]%s is U8%s; does the file belong to this"
                  .formatted(
                      key,
                      entry.describe(),
                      format,
                      rows,
                      columns,
                      format.hasScales() ? " in blocks of " + QuantisedFormat.BLOCK : "",
                      Arrays.toString(wanted))
              + " model?");
    }
    return new QuantisedMatrix(format, rows, columns, file.get(key).reshape(-1));
  }
}
