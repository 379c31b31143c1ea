package dev.theriac.cuda;

import java.util.Arrays;
import java.util.Locale;

/**
 * What matrix products compute in on a GPU. Results are F32, sums are F32 in every case; what
 * differs is how much of the operands goes into a product.
 */
public enum Precision {
  /** All 24 bits, on the ordinary cores: agrees with the CPU. */
  F32,
  /** Operands rounded to 11 bits, with the range of F32, on the tensor cores. */
  TF32,
  /** Operands rounded to the 8 bits of BF16, on the tensor cores; the fastest. */
  BF16;

  /** The system property that says which one the back end uses. */
  static final String PROPERTY = "theriac.cuda.precision";

  /**
   * The value of {@code theriac.cuda.precision}, in any case of letters; F32 where it is not set.
   *
   * @throws IllegalArgumentException if that names none
   */
  static Precision configured() {
    String value = System.getProperty(PROPERTY);
    if (value == null || value.isBlank()) return F32;
    return Arrays.stream(values())
        .filter(p -> p.name().equalsIgnoreCase(value.strip()))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "%s is \"%s\"; there are %s"
                    .formatted(
                        PROPERTY, value, Arrays.toString(values()).toLowerCase(Locale.ROOT))));
  }
}
