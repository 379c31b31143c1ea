package dev.theriac.backend.vector;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;

/** Which kernels run in this JVM, and why, in words. */
final class VectorChoices {
  /** Seconds for the compiler to get all kernels to speed; they are compiled side by side. */
  private static final long PATIENCE = 30;

  private static final String LATE = ", not compiled after %d s: until then ".formatted(PATIENCE);

  private VectorChoices() {}

  /**
   * A line for each choice. Waits until the kernels that are used only once compiled are compiled,
   * so that what runs afterwards is what the lines say.
   */
  static SequencedMap<String, String> all() {
    // A question starts the compilation, an answer ends the wait: ask for all of them first.
    await(QuantisedWarmUp::await, 0);
    await(AttentionWarmUp::await, 0);
    FewRowsWarmUp.ready(fewRowsKernels());
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE);
    SequencedMap<String, String> lines = new LinkedHashMap<>();
    lines.put("vectors", width());
    lines.put("large kernels", large());
    lines.put("matrix product", product(end));
    lines.put("few rows", fewRows(end));
    lines.put("attention", attention(end));
    lines.put("quantised", quantised(end));
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
        : "not in use, smaller ones instead, which are slower: " + JitDirectives.refusal();
  }

  private static String product(long end) {
    String tiles = "tiles of %d rows and %d columns";
    tiles = tiles.formatted(JitDirectives.LARGE_KERNELS ? 8 : 4, 3 * Lanes.LENGTH);
    return await(GemmWarmUp::await, left(end))
        ? String.format(
            Locale.ROOT, "%s, compiled %.1f s after first use", tiles, GemmWarmUp.seconds())
        : tiles + LATE + "scalar code of the same bits";
  }

  private static String fewRows(long end) {
    if (!JitDirectives.LARGE_KERNELS) {
      return "no kernels of their own, since large kernels are not in use: the tiles above";
    }
    String kernels = "kernels of their own up to %d rows, F32 and BF16".formatted(FewRows.MOST);
    return await(seconds -> FewRowsWarmUp.await(fewRowsKernels(), seconds), left(end))
        ? kernels
        : kernels + LATE + "the tiles above, of the same bits";
  }

  private static String attention(long end) {
    String tiles = "tiles of %d rows and up to %d columns";
    tiles = tiles.formatted(AttentionWarmUp.TALL, AttentionWarmUp.WIDEST * Lanes.LENGTH);
    if (!JitDirectives.LARGE_KERNELS) {
      tiles += " (smaller ones, since large kernels are not in use)";
    } else if (AttentionWarmUp.WIDEST < 5) {
      tiles += " (wider ones need 32 vector registers)";
    }
    return await(AttentionWarmUp::await, left(end))
        ? tiles
        : tiles + LATE + "scalar code of the same bits";
  }

  private static String quantised(long end) {
    String tiles =
        JitDirectives.LARGE_KERNELS
            ? "tiles of 1, 2 and 4 rows"
            : "tiles of 1 row (smaller ones, since large kernels are not in use)";
    return await(QuantisedWarmUp::await, left(end))
        ? tiles
        : tiles + LATE + "scalar code of the same bits";
  }

  private static int fewRowsKernels() {
    int kernels = 0;
    for (int rows = 1; rows <= FewRows.MOST && JitDirectives.LARGE_KERNELS; rows++) {
      kernels |= FewRowsWarmUp.bit(false, rows) | FewRowsWarmUp.bit(true, rows);
    }
    return kernels;
  }

  private static long left(long end) {
    return Math.max(0, TimeUnit.NANOSECONDS.toSeconds(end - System.nanoTime()));
  }

  /** Waits at most so many seconds, and says whether it was long enough. */
  @FunctionalInterface
  private interface Wait {
    boolean atMost(long seconds) throws InterruptedException;
  }

  private static boolean await(Wait wait, long seconds) {
    try {
      return wait.atMost(seconds);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
