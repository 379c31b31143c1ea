package dev.theriac.vision.dicom;

/**
 * Which values become which greys: a centre, a width and a curve (PS3.3, section C.11.2.1). Values
 * are those after the rescale slope and intercept, in CT Hounsfield units.
 *
 * @param centre the value that becomes middle grey
 * @param width how many values lie between black and white; at least 1 for LINEAR, else above 0
 * @param function the curve
 */
public record Window(double centre, double width, Function function) {

  /** The curves of (0028,1056) VOI LUT Function. */
  public enum Function {
    /** The usual one, which is half a value off the exact one. */
    LINEAR,
    LINEAR_EXACT,
    SIGMOID
  }

  public Window {
    boolean fits = function == Function.LINEAR ? width >= 1 : width > 0;
    if (!Double.isFinite(centre) || !Double.isFinite(width) || !fits) {
      throw new IllegalArgumentException(
          "window: centre %s, width %s; a finite centre, and a width of at least 1 (LINEAR) or above"
                  .formatted(centre, width)
              + " 0");
    }
  }

  /** With the usual curve. */
  public Window(double centre, double width) {
    this(centre, width, Function.LINEAR);
  }

  /** From 0 (black) to 1 (white). */
  double apply(double x) {
    return switch (function) {
      case LINEAR -> {
        double half = (width - 1) / 2;
        if (x <= centre - 0.5 - half) yield 0;
        if (x > centre - 0.5 + half) yield 1;
        yield (x - (centre - 0.5)) / (width - 1) + 0.5;
      }
      case LINEAR_EXACT -> {
        if (x <= centre - width / 2) yield 0;
        if (x > centre + width / 2) yield 1;
        yield (x - centre) / width + 0.5;
      }
      case SIGMOID -> 1 / (1 + StrictMath.exp(-4 * (x - centre) / width));
    };
  }
}
