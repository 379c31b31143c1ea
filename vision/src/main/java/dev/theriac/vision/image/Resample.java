package dev.theriac.vision.image;

/**
 * Pillow's resizing of 8-bit pictures, bit for bit: a kernel for each axis, stretched when
 * shrinking; rows first, then columns, rounded to 8 bits in between; weights rounded to 22
 * fractional bits. A window of the result can be had without the rest.
 */
final class Resample {
  private static final int PRECISION = 32 - 8 - 2;

  private Resample() {}

  /** For each output of one axis, the first input it reads and the weights from there on. */
  private record Axis(int[] first, int[][] weights) {

    /**
     * Outputs {@code start} to {@code start + count - 1} of an axis that is resized from {@code in}
     * to {@code out} samples.
     */
    static Axis of(Resampling kernel, int in, long out, long start, int count) {
      double scale = (double) in / out;
      double stretch = Math.max(scale, 1.0);
      double support = kernel.support * stretch;
      int[] first = new int[count];
      int[][] weights = new int[count][];
      for (int i = 0; i < count; i++) {
        double centre = (start + i + 0.5) * scale;
        int low = Math.max((int) (centre - support + 0.5), 0);
        int high = Math.min((int) (centre + support + 0.5), in);
        double inverse = 1.0 / stretch;
        double[] exact = new double[high - low];
        double sum = 0;
        for (int k = 0; k < exact.length; k++) {
          exact[k] = kernel.weight((k + low - centre + 0.5) * inverse);
          sum += exact[k];
        }
        first[i] = low;
        weights[i] = new int[exact.length];
        for (int k = 0; k < exact.length; k++) {
          double weight = sum != 0 ? exact[k] / sum : exact[k];
          weights[i][k] = (int) ((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION));
        }
      }
      return new Axis(first, weights);
    }

    int end(int i) {
      return first[i] + weights[i].length;
    }
  }

  /**
   * The window of {@code width x height} pixels at (left, top) of the picture resized to {@code
   * fullWidth x fullHeight}.
   *
   * @param image 8 bits
   */
  static Image window(
      Image image,
      Resampling kernel,
      long fullWidth,
      long fullHeight,
      long left,
      long top,
      int width,
      int height) {
    if (kernel == Resampling.NEAREST) {
      int[] columns = nearest(image.width(), fullWidth, left, width);
      int[] rows = nearest(image.height(), fullHeight, top, height);
      return pick(image, columns, rows);
    }
    int channels = image.channels();
    boolean vertical = fullHeight != image.height();
    Axis rows = vertical ? Axis.of(kernel, image.height(), fullHeight, top, height) : null;
    int firstRow = vertical ? rows.first()[0] : (int) top;
    int endRow = vertical ? rows.end(height - 1) : (int) top + height;
    int stride = Math.multiplyExact(width, channels);
    byte[] across = new byte[Math.multiplyExact(stride, endRow - firstRow)];
    if (fullWidth != image.width()) {
      Axis columns = Axis.of(kernel, image.width(), fullWidth, left, width);
      horizontal(image, firstRow, endRow, columns, across);
    } else {
      for (int y = firstRow; y < endRow; y++) {
        int from = (y * image.width() + (int) left) * channels;
        System.arraycopy(image.bytesShared(), from, across, (y - firstRow) * stride, stride);
      }
    }
    if (!vertical) {
      return Image.wrap8(width, height, channels, across);
    }
    return Image.wrap8(width, height, channels, vertical(across, firstRow, rows, stride));
  }

  /** The whole picture. */
  static Image resize(Image image, Resampling kernel, int width, int height) {
    return window(image, kernel, width, height, 0, 0, width, height);
  }

  /** The input of each output; positions are summed up as Pillow does, rounding included. */
  private static int[] nearest(int in, long out, long start, int count) {
    double step = (double) in / out;
    double at = step * 0.5;
    for (long i = 0; i < start; i++) at += step;
    int[] from = new int[count];
    for (int i = 0; i < count; i++, at += step) from[i] = (int) at;
    return from;
  }

  private static Image pick(Image image, int[] columns, int[] rows) {
    int channels = image.channels();
    byte[] in = image.bytesShared();
    byte[] out =
        new byte[Math.multiplyExact(Math.multiplyExact(columns.length, rows.length), channels)];
    int to = 0;
    for (int row : rows) {
      for (int column : columns) {
        // What lies beyond the edge by rounding is black, as in Pillow.
        boolean inside = row < image.height() && column < image.width();
        int from = inside ? (row * image.width() + column) * channels : 0;
        for (int c = 0; c < channels; c++) out[to++] = inside ? in[from + c] : 0;
      }
    }
    return Image.wrap8(columns.length, rows.length, channels, out);
  }

  private static void horizontal(Image image, int firstRow, int endRow, Axis axis, byte[] out) {
    byte[] in = image.bytesShared();
    int channels = image.channels();
    int at = 0;
    for (int y = firstRow; y < endRow; y++) {
      for (int x = 0; x < axis.first().length; x++) {
        int[] weights = axis.weights()[x];
        int from = (y * image.width() + axis.first()[x]) * channels;
        for (int c = 0; c < channels; c++) {
          int sum = 1 << (PRECISION - 1);
          for (int k = 0; k < weights.length; k++) {
            sum += (in[from + channels * k + c] & 0xFF) * weights[k];
          }
          out[at++] = clip(sum);
        }
      }
    }
  }

  private static byte[] vertical(byte[] in, int firstRow, Axis axis, int stride) {
    byte[] out = new byte[Math.multiplyExact(axis.first().length, stride)];
    for (int y = 0; y < axis.first().length; y++) {
      int[] weights = axis.weights()[y];
      int from = (axis.first()[y] - firstRow) * stride;
      for (int x = 0; x < stride; x++) {
        int sum = 1 << (PRECISION - 1);
        for (int k = 0; k < weights.length; k++) {
          sum += (in[from + k * stride + x] & 0xFF) * weights[k];
        }
        out[y * stride + x] = clip(sum);
      }
    }
    return out;
  }

  private static byte clip(int sum) {
    return (byte) Math.clamp(sum >> PRECISION, 0, 255);
  }
}
