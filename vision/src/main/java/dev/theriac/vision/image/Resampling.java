package dev.theriac.vision.image;

/**
 * Pillow's ways to resize ({@code PIL.Image.Resampling}). All but NEAREST are convolutions whose
 * kernel is stretched when an image becomes smaller, so that it also filters.
 */
public enum Resampling {
  /** The pixel whose area holds the new pixel's centre. */
  NEAREST(0),
  /** Windowed sinc over three lobes. */
  LANCZOS(3),
  /** A triangle. */
  BILINEAR(1),
  /** Keys' cubic with a = -0.5. */
  BICUBIC(2),
  /** The mean of the pixels that a new one covers. */
  BOX(0.5),
  /** Windowed sinc over one lobe. */
  HAMMING(1);

  private static final double A = -0.5;

  /** Half the width of the kernel. */
  final double support;

  Resampling(double support) {
    this.support = support;
  }

  /** The number that stands for it in configuration files. */
  public int code() {
    return ordinal();
  }

  /** The kernel at {@code x}. */
  double weight(double x) {
    double d = Math.abs(x);
    return switch (this) {
      case NEAREST -> throw new IllegalStateException("NEAREST has no kernel");
      case BOX -> x > -0.5 && x <= 0.5 ? 1 : 0;
      case BILINEAR -> d < 1 ? 1 - d : 0;
      case HAMMING ->
          // Pillow's constants are floats.
          d >= 1 ? 0 : sinc(d) * (0.54f + 0.46f * StrictMath.cos(d * Math.PI));
      case BICUBIC -> cubic(d);
      case LANCZOS -> x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
    };
  }

  private static double cubic(double d) {
    if (d < 1) {
      return ((A + 2) * d - (A + 3)) * d * d + 1;
    }
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * A : 0;
  }

  private static double sinc(double x) {
    double at = x * Math.PI;
    return x == 0 ? 1 : StrictMath.sin(at) / at;
  }
}
