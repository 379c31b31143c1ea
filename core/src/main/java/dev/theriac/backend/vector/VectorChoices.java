package dev.theriac.backend.vector;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.SequencedMap;
import jdk.incubator.vector.FloatVector;

/** Which kernels run in this JVM, and why, in words. */
final class VectorChoices {
  /** Seconds for the compiler to get the tiles of the matrix product to speed. */
  private static final long PATIENCE = 20;

  private VectorChoices() {}

  static SequencedMap<String, String> all() {
    SequencedMap<String, String> lines = new LinkedHashMap<>();
    lines.put("vectors", width());
    lines.put("large kernels", large());
    lines.put("matrix product", product());
    return lines;
  }

  private static String width() {
    int bits = Lanes.SPECIES.vectorBitSize();
    int preferred = FloatVector.SPECIES_PREFERRED.vectorBitSize();
    if (System.getProperty(Lanes.BITS_PROPERTY) != null) {
      return "%d bits, by %s; the processor prefers %d"
          .formatted(bits, Lanes.BITS_PROPERTY, preferred);
    }
    return "%d bits, the widest that the processor and the JVM have".formatted(bits);
  }

  private static String large() {
    return JitDirectives.LARGE_KERNELS
        ? "in use: the JVM took the directive that compiles them with C2 alone"
        : "not in use, smaller ones instead, up to a tenth slower: " + JitDirectives.refusal();
  }

  private static String product() {
    String tiles = "tiles of %d rows and %d columns";
    tiles = tiles.formatted(JitDirectives.LARGE_KERNELS ? 8 : 4, 3 * Lanes.LENGTH);
    try {
      return GemmWarmUp.await(PATIENCE)
          ? String.format(
              Locale.ROOT, "%s, compiled %.1f s after first use", tiles, GemmWarmUp.seconds())
          : tiles + " not compiled after " + PATIENCE + " s: scalar code of the same bits instead";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return tiles;
    }
  }
}
