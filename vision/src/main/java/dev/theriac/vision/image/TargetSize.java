package dev.theriac.vision.image;

/** What a picture is resized to: the forms of "size" in Hugging Face's image processors. */
public sealed interface TargetSize {

  /** Width and height of the result for a picture of {@code width x height} pixels. */
  long[] of(int width, int height);

  /**
   * The shorter edge becomes so long, the other follows, rounded down: {@code shortest_edge}, as
   * CLIP.
   */
  record ShortestEdge(int edge) implements TargetSize {
    public ShortestEdge {
      require("shortest_edge", edge);
    }

    @Override
    public long[] of(int width, int height) {
      long longer = (long) edge * Math.max(width, height) / Math.min(width, height);
      return width <= height ? new long[] {edge, longer} : new long[] {longer, edge};
    }
  }

  /** Both edges, whatever the picture's form: {@code height} and {@code width}, as SigLIP. */
  record Exact(int height, int width) implements TargetSize {
    public Exact {
      require("height", height);
      require("width", width);
    }

    @Override
    public long[] of(int fromWidth, int fromHeight) {
      return new long[] {width, height};
    }
  }

  /** The shorter edge, but less where the longer would exceed {@code longest}. */
  record ShortestWithin(int shortest, int longest) implements TargetSize {
    public ShortestWithin {
      require("shortest_edge", shortest);
      require("longest_edge", longest);
    }

    @Override
    public long[] of(int width, int height) {
      double small = Math.min(width, height);
      double large = Math.max(width, height);
      double raw = shortest;
      long edge = shortest;
      if (large / small * shortest > longest) {
        raw = longest * small / large;
        edge = (long) Math.rint(raw);
      }
      if (height <= width && height == edge || width <= height && width == edge) {
        return new long[] {width, height};
      }
      return width < height
          ? new long[] {edge, (long) (raw * height / width)}
          : new long[] {(long) (raw * width / height), edge};
    }
  }

  /** As large as fits both: {@code max_height} and {@code max_width}. */
  record Within(int height, int width) implements TargetSize {
    public Within {
      require("max_height", height);
      require("max_width", width);
    }

    @Override
    public long[] of(int fromWidth, int fromHeight) {
      double scale = Math.min((double) height / fromHeight, (double) width / fromWidth);
      return new long[] {(long) (fromWidth * scale), (long) (fromHeight * scale)};
    }
  }

  private static void require(String what, int edge) {
    if (edge < 1 || edge > ImageProcessor.MAX_EDGE) {
      throw new IllegalArgumentException(
          "image size: %s %d, must be 1 to %d pixels"
              .formatted(what, edge, ImageProcessor.MAX_EDGE));
    }
  }
}
