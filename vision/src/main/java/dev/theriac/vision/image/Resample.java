package dev.theriac.vision.image;

/**
 * Pillow's bicubic resampling of 8-bit pictures, bit for bit: Keys' cubic with a = -0.5, stretched
 * when shrinking so that it also filters; rows first, then columns, rounded to 8 bits in between;
 * weights rounded to 22 fractional bits. A window of the result can be had without the rest.
 */
final class Resample {
  private static final double A = -0.5;
  private static final double SUPPORT = 2;
  private static final int PRECISION = 32 - 8 - 2;

  private Resample() {}

  /** For each output of one axis, the first input it reads and the weights from there on. */
  private record Axis(int[] first, int[][] weights) {

    /**
     * Outputs {@code start} to {@code start + count - 1} of an axis that is resized from {@code in}
     * to {@code out} samples.
     */
    static Axis of(int in, long out, long start, int count) {
      double scale = (double) in / out;
      double stretch = Math.max(scale, 1.0);
      double support = SUPPORT * stretch;
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
          exact[k] = cubic((k + low - centre + 0.5) * inverse);
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

  private static double cubic(double x) {
    double d = Math.abs(x);
    if (d < 1) {
      return ((A + 2) * d - (A + 3)) * d * d + 1;
    }
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * A : 0;
  }

  /**
   * The window of {@code width x height} pixels at (left, top) of the picture resized to {@code
   * fullWidth x fullHeight}.
   *
   * @param rgb 8-bit RGB
   */
  static Image window(
      Image rgb, long fullWidth, long fullHeight, long left, long top, int width, int height) {
    Axis rows = Axis.of(rgb.height(), fullHeight, top, height);
    boolean vertical = fullHeight != rgb.height();
    int firstRow = vertical ? rows.first()[0] : (int) top;
    int endRow = vertical ? rows.end(height - 1) : (int) top + height;
    byte[] across = new byte[Math.multiplyExact(Math.multiplyExact(width, endRow - firstRow), 3)];
    if (fullWidth != rgb.width()) {
      Axis columns = Axis.of(rgb.width(), fullWidth, left, width);
      horizontal(rgb, firstRow, endRow, columns, across);
    } else {
      for (int y = firstRow; y < endRow; y++) {
        int from = (y * rgb.width() + (int) left) * 3;
        System.arraycopy(rgb.bytesShared(), from, across, (y - firstRow) * width * 3, width * 3);
      }
    }
    if (!vertical) {
      return Image.wrap8(width, height, 3, across);
    }
    return Image.wrap8(width, height, 3, vertical(across, firstRow, rows, width));
  }

  private static void horizontal(Image rgb, int firstRow, int endRow, Axis axis, byte[] out) {
    byte[] in = rgb.bytesShared();
    int at = 0;
    for (int y = firstRow; y < endRow; y++) {
      for (int x = 0; x < axis.first().length; x++) {
        int[] weights = axis.weights()[x];
        int from = (y * rgb.width() + axis.first()[x]) * 3;
        for (int c = 0; c < 3; c++) {
          int sum = 1 << (PRECISION - 1);
          for (int k = 0; k < weights.length; k++) {
            sum += (in[from + 3 * k + c] & 0xFF) * weights[k];
          }
          out[at++] = clip(sum);
        }
      }
    }
  }

  private static byte[] vertical(byte[] in, int firstRow, Axis axis, int width) {
    int stride = width * 3;
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
