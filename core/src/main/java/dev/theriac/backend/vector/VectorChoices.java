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

  private static final String LATE =
      ", not compiled yet after %d s; until they are, ".formatted(PATIENCE);

  private static final String SCALAR = "scalar code of the same bits";

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
    await(PackedWarmUp::await, 0);
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE);
    SequencedMap<String, String> lines = new LinkedHashMap<>();
    lines.put("vectors", width());
    lines.put("large kernels", large());
    lines.put("matrix product", product(await(GemmWarmUp::await, left(end))));
    int fewRows = fewRowsKernels();
    lines.put("few rows", fewRows(await(t -> FewRowsWarmUp.await(fewRows, t), left(end))));
    lines.put("packed weights", packed(await(PackedWarmUp::await, left(end))));
    boolean attention = await(AttentionWarmUp::await, left(end));
    lines.put("few columns", fewColumns(attention));
    lines.put("attention", attention(attention));
    lines.put("quantised", quantised(await(QuantisedWarmUp::await, left(end))));
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
        : "not in use, smaller ones or none instead, which is slower: " + JitDirectives.refusal();
  }

  static String product(boolean compiled) {
    String tiles =
        "tiles of %d rows and %d columns"
            .formatted(JitDirectives.LARGE_KERNELS ? 8 : 4, GemmPanels.WIDEST * Lanes.LENGTH);
    if (!GemmPack.SQUARES) {
      tiles += ", transposed number by number, since large kernels are not in use";
    }
    if (!compiled) return tiles + LATE + SCALAR;
    return String.format(
        Locale.ROOT, "%s, compiled %.1f s after first use", tiles, GemmWarmUp.seconds());
  }

  static String fewRows(boolean compiled) {
    if (!JitDirectives.LARGE_KERNELS) {
      return "no kernels of their own, since large kernels are not in use: the tiles above";
    }
    String kernels =
        "kernels of their own up to %d rows, for weights in F32 and BF16".formatted(FewRows.MOST);
    return compiled ? kernels : kernels + LATE + "the tiles above, of the same bits";
  }

  static String packed(boolean compiled) {
    String tiles =
        JitDirectives.LARGE_KERNELS
            ? "tiles of 1, 2 and 4 rows, up to %d rows".formatted(VectorPacked.MOST)
            : "tiles of 1 row (those of more are large kernels, which are not in use)";
    return compiled ? tiles : tiles + LATE + "the tiles of the matrix product, of the same bits";
  }

  static String fewColumns(boolean compiled) {
    String tiles =
        ("from %d rows and up to %d columns in F32, a multiple of %d, the tiles of attention, which"
                + " need no packed rows")
            .formatted(2 * GemmDirect.FEWEST_ROWS, GemmDirect.MOST_COLUMNS, Lanes.LENGTH);
    return compiled ? tiles : tiles + LATE + "those of the matrix product, of the same bits";
  }

  static String attention(boolean compiled) {
    String tiles =
        "tiles of %d rows and up to %d columns"
            .formatted(AttentionWarmUp.TALL, AttentionWarmUp.WIDEST * Lanes.LENGTH);
    if (!AttentionWarmUp.REGISTERS) {
      tiles += " (wider ones need 32 vector registers)";
    } else if (!JitDirectives.LARGE_KERNELS) {
      tiles += " (wider ones are large kernels, which are not in use)";
    }
    return compiled ? tiles : tiles + LATE + SCALAR;
  }

  static String quantised(boolean compiled) {
    String tiles =
        JitDirectives.LARGE_KERNELS
            ? "tiles of 1, 2 and 4 rows"
            : "tiles of 1 row (those of more are large kernels, which are not in use)";
    return compiled ? tiles : tiles + LATE + SCALAR;
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
