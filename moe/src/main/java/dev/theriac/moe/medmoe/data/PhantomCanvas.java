package dev.theriac.moe.medmoe.data;

import dev.theriac.vision.image.Image;

/**
 * A square RGB picture under the painter's hand, in coordinates from -1 to 1 (x to the right, y
 * down), shifted, scaled and turned a little as a whole. Shapes are signed distances; the edge of a
 * shape is blended over about one pixel. Only plain arithmetic, square roots and {@link StrictMath}
 * are used, so the bytes are the same on every machine.
 */
final class PhantomCanvas {

  /** Signed distance to an outline: negative inside. */
  @FunctionalInterface
  interface Distance {
    double at(double x, double y);
  }

  /**
   * A shape that lies in a circle, so that filling it looks at the pixels there only.
   *
   * @param reach radius of the circle
   * @param stretch how many times farther than its distance says a point can be from the circle
   */
  record Shape(Distance distance, double centreX, double centreY, double reach, double stretch) {
    Shape and(Distance other) {
      Distance own = distance;
      return new Shape(
          (x, y) -> Math.max(own.at(x, y), other.at(x, y)), centreX, centreY, reach, stretch);
    }

    /** The band of this width around the outline. */
    Shape outline(double width) {
      Distance own = distance;
      return new Shape(
          (x, y) -> Math.abs(own.at(x, y)) - width / 2,
          centreX,
          centreY,
          reach + width / 2 * stretch,
          stretch);
    }

    /** The shape with a border moved by up to this amount. */
    Shape warped(double amount, Distance by) {
      Distance own = distance;
      return new Shape(
          (x, y) -> own.at(x, y) + by.at(x, y),
          centreX,
          centreY,
          reach + amount * stretch,
          stretch);
    }
  }

  /** A colour, each part from 0 to 1. */
  record Colour(double red, double green, double blue) {
    static Colour grey(double value) {
      return new Colour(value, value, value);
    }
  }

  private final int size;
  private final double[] pixels;
  private final double shiftX;
  private final double shiftY;
  private final double scaledCosine;
  private final double scaledSine;

  PhantomCanvas(int size, Colour background, PhantomRandom random) {
    this.size = size;
    this.pixels = new double[size * size * 3];
    for (int i = 0; i < pixels.length; i += 3) {
      pixels[i] = background.red();
      pixels[i + 1] = background.green();
      pixels[i + 2] = background.blue();
    }
    shiftX = random.uniform(-0.07, 0.07);
    shiftY = random.uniform(-0.07, 0.07);
    double scale = random.uniform(0.97, 1.1);
    double angle = random.uniform(-0.09, 0.09);
    scaledCosine = scale * StrictMath.cos(angle);
    scaledSine = scale * StrictMath.sin(angle);
  }

  static Shape ellipse(double centreX, double centreY, double radiusX, double radiusY) {
    double smaller = Math.min(radiusX, radiusY);
    double larger = Math.max(radiusX, radiusY);
    Distance distance =
        (x, y) -> {
          double dx = (x - centreX) / radiusX;
          double dy = (y - centreY) / radiusY;
          return (Math.sqrt(dx * dx + dy * dy) - 1) * smaller;
        };
    return new Shape(distance, centreX, centreY, larger, larger / smaller);
  }

  static Shape disc(double centreX, double centreY, double radius) {
    return ellipse(centreX, centreY, radius, radius);
  }

  /** A straight stroke with round ends. */
  static Shape stroke(double x0, double y0, double x1, double y1, double width) {
    double lengthX = x1 - x0;
    double lengthY = y1 - y0;
    double square = lengthX * lengthX + lengthY * lengthY;
    Distance distance =
        (x, y) -> {
          double t = ((x - x0) * lengthX + (y - y0) * lengthY) / square;
          t = Math.clamp(t, 0.0, 1.0);
          double dx = x - x0 - t * lengthX;
          double dy = y - y0 - t * lengthY;
          return Math.sqrt(dx * dx + dy * dy) - width / 2;
        };
    double reach = (Math.sqrt(square) + width) / 2;
    return new Shape(distance, (x0 + x1) / 2, (y0 + y1) / 2, reach, 1);
  }

  /** Lays the colour over the shape with this opacity; the edge is at least a pixel wide. */
  void fill(Shape shape, Colour colour, double opacity, double edge) {
    double width = Math.max(edge, 2.0 / size);
    // The circle that holds the shape, in the coordinates of pixels.
    double square = scaledCosine * scaledCosine + scaledSine * scaledSine;
    double centreX = (shape.centreX() * scaledCosine + shape.centreY() * scaledSine) / square;
    double centreY = (shape.centreY() * scaledCosine - shape.centreX() * scaledSine) / square;
    double reach = (shape.reach() + width / 2 * shape.stretch()) / Math.sqrt(square);
    int firstRow = pixel(centreY - reach + shiftY);
    int endRow = pixel(centreY + reach + shiftY) + 1;
    int firstColumn = pixel(centreX - reach + shiftX);
    int endColumn = pixel(centreX + reach + shiftX) + 1;
    for (int row = firstRow; row < endRow; row++) {
      for (int column = firstColumn; column < endColumn; column++) {
        double px = (2 * column + 1.0) / size - 1 - shiftX;
        double py = (2 * row + 1.0) / size - 1 - shiftY;
        double distance =
            shape
                .distance()
                .at(px * scaledCosine - py * scaledSine, px * scaledSine + py * scaledCosine);
        double cover = Math.clamp(0.5 - distance / width, 0.0, 1.0) * opacity;
        if (cover > 0) {
          int at = (row * size + column) * 3;
          pixels[at] += cover * (colour.red() - pixels[at]);
          pixels[at + 1] += cover * (colour.green() - pixels[at + 1]);
          pixels[at + 2] += cover * (colour.blue() - pixels[at + 2]);
        }
      }
    }
  }

  /** The row or column of a coordinate, moved into the picture. */
  private int pixel(double coordinate) {
    return (int) Math.clamp((coordinate + 1) / 2 * size, 0.0, size - 1.0);
  }

  void fill(Shape shape, Colour colour) {
    fill(shape, colour, 1, 0);
  }

  /** Adds smooth random blotches: a grid of random values, bilinear between them. */
  void blotches(PhantomRandom random, int cells, double amount) {
    double[] grid = new double[(cells + 1) * (cells + 1)];
    for (int i = 0; i < grid.length; i++) {
      grid[i] = random.uniform(-amount, amount);
    }
    for (int row = 0; row < size; row++) {
      double v = (double) row / size * cells;
      int y = (int) v;
      for (int column = 0; column < size; column++) {
        double u = (double) column / size * cells;
        int x = (int) u;
        int corner = y * (cells + 1) + x;
        double top = grid[corner] + (u - x) * (grid[corner + 1] - grid[corner]);
        int lower = corner + cells + 1;
        double bottom = grid[lower] + (u - x) * (grid[lower + 1] - grid[lower]);
        double value = top + (v - y) * (bottom - top);
        int at = (row * size + column) * 3;
        for (int c = 0; c < 3; c++) {
          pixels[at + c] += value;
        }
      }
    }
  }

  /**
   * Scales the brightness, adds noise and rounds to bytes.
   *
   * @param colourNoise whether every channel has noise of its own (grey pictures keep grey)
   * @param mark the lowest bit of the very last sample; see {@link Phantoms}
   */
  Image develop(PhantomRandom random, double gain, double noise, boolean colourNoise, int mark) {
    byte[] bytes = new byte[pixels.length];
    double shared = 0;
    for (int i = 0; i < pixels.length; i++) {
      if (colourNoise || i % 3 == 0) {
        shared = random.noise() * noise;
      }
      double value = (pixels[i] * gain + shared) * 255 + 0.5;
      bytes[i] = (byte) (int) Math.clamp(value, 0.0, 255.0);
    }
    int last = bytes.length - 1;
    bytes[last] = (byte) (bytes[last] & ~1 | mark);
    return Image.of8(size, size, 3, bytes);
  }
}
