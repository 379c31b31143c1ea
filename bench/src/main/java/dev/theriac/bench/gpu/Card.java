package dev.theriac.bench.gpu;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What a GPU can do at most, as its maker's data sheet says: dense products, no sparsity, boost
 * clock.
 *
 * @param name as people say it
 * @param f32 TFLOP/s of F32 outside of tensor cores
 * @param tf32 TFLOP/s of tensor cores on TF32
 * @param bf16 TFLOP/s of tensor cores on BF16 with F32 sums
 * @param gigabytes GB/s of memory
 */
public record Card(String name, double f32, double tf32, double bf16, double gigabytes) {
  private static final List<Card> KNOWN =
      List.of(
          new Card("A100-40", 19.5, 156, 312, 1555),
          new Card("A100-80", 19.5, 156, 312, 2039),
          new Card("A10", 31.2, 62.5, 125, 600),
          new Card("RTX3090", 35.6, 35.6, 71, 936),
          new Card("RTX4090", 82.6, 82.6, 165.2, 1008),
          new Card("L4", 30.3, 60, 121, 300),
          new Card("L40S", 91.6, 183, 362, 864),
          new Card("H100-PCIe", 51, 378, 756, 2000),
          new Card("H100", 67, 494.7, 989.4, 3350),
          new Card("H200", 67, 494.7, 989.4, 4800));

  /** Those that have a name here; the driver's names of them hold these. */
  public static List<Card> known() {
    return KNOWN;
  }

  /**
   * A card by its name, or by numbers: {@code f32,tf32,bf16,GB/s}.
   *
   * @throws IllegalArgumentException naming those that are known
   */
  public static Card of(String text) {
    for (Card card : KNOWN) if (card.name.equalsIgnoreCase(text)) return card;
    String[] numbers = text.split(",");
    if (numbers.length == 4) {
      try {
        double[] n = new double[4];
        for (int i = 0; i < 4; i++) {
          n[i] = Double.parseDouble(numbers[i].trim());
          if (!(n[i] > 0) || Double.isInfinite(n[i])) throw new NumberFormatException();
        }
        return new Card(text, n[0], n[1], n[2], n[3]);
      } catch (NumberFormatException e) {
        // The message below says what is wanted.
      }
    }
    throw new IllegalArgumentException(
        "no card \"%s\"; known are %s, or give four numbers: TFLOP/s in F32, TF32, BF16, and GB/s"
            .formatted(text, String.join(", ", KNOWN.stream().map(Card::name).toList())));
  }

  /** The card that the driver calls {@code name}, or null. */
  public static Card named(String name) {
    String upper = name.toUpperCase(Locale.ROOT);
    Set<String> words =
        Set.of(Arrays.stream(upper.split("[ -]+")).distinct().toArray(String[]::new));
    Card found = null;
    for (Card card : KNOWN) {
      boolean all = true;
      for (String part : card.name.toUpperCase(Locale.ROOT).split("-")) {
        // RTX 4090 is two words there and one here, 80 is 80GB there.
        all &= words.contains(part) || words.contains(part + "GB") || upper.contains(spaced(part));
      }
      // Of A100-40 and A100, L4 and L40S the longer name is meant.
      if (all && (found == null || card.name.length() > found.name.length())) found = card;
    }
    return found;
  }

  private static String spaced(String part) {
    return part.startsWith("RTX") ? part.replace("RTX", "RTX ") : " " + part + " ";
  }

  /** TFLOP/s of products in a precision: f32, tf32 or bf16. */
  public double teraflops(String precision) {
    return switch (precision) {
      case "f32" -> f32;
      case "tf32" -> tf32;
      case "bf16" -> bf16;
      default ->
          throw new IllegalArgumentException(
              "no precision \"" + precision + "\"; there are f32, tf32, bf16");
    };
  }
}
