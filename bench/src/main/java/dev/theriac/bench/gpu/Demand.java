package dev.theriac.bench.gpu;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What an operation of a given shape asks of a device at least: each input read once, each output
 * written once, no operation done twice.
 *
 * @param text operation and shape
 * @param flops floating-point operations, a multiplication and an addition counted as two
 * @param bytes read and written
 * @param products whether tensor cores can do most of it
 */
public record Demand(String text, double flops, double bytes, boolean products) {
  private static final int F32 = 4;
  private static final int I64 = 8;

  private static final Map<String, String> OPERATIONS = new LinkedHashMap<>();

  static {
    OPERATIONS.put("gemm", "m n k");
    OPERATIONS.put("grouped", "experts rows n k");
    OPERATIONS.put("grouped-dx", "experts rows n k");
    OPERATIONS.put("grouped-dw", "experts rows n k");
    OPERATIONS.put("attention", "batch heads kv t s d causal");
    OPERATIONS.put("attention-backward", "batch heads kv t s d causal");
    OPERATIONS.put("topk", "tokens experts k");
    OPERATIONS.put("norm", "rows d");
    OPERATIONS.put("softmax", "rows d");
    OPERATIONS.put("cross-entropy", "rows vocabulary");
    OPERATIONS.put("adamw", "n");
    OPERATIONS.put("elementwise", "n inputs");
  }

  /** Each operation with the names of its numbers. */
  public static Map<String, String> operations() {
    return Map.copyOf(OPERATIONS);
  }

  /**
   * @param operation a key of {@link #operations}
   * @param numbers by name; those of {@code causal} (0), {@code batch}, {@code inputs} (1) and
   *     {@code kv} (as heads) may be left out
   * @param weightBytes bytes of an element of a weight matrix: 4, or 2 for BF16
   * @throws IllegalArgumentException for an unknown operation, or a number that is missing, unknown
   *     or below 1
   */
  public static Demand of(String operation, Map<String, Long> numbers, int weightBytes) {
    String names = OPERATIONS.get(operation);
    if (names == null) {
      throw new IllegalArgumentException(
          "no operation \"%s\"; there are %s"
              .formatted(operation, String.join(", ", OPERATIONS.keySet())));
    }
    Numbers n = new Numbers(operation, List.of(names.split(" ")), numbers);
    return switch (operation) {
      case "gemm" -> {
        double m = n.of("m");
        yield n.demand(
            2 * m * n.of("n") * n.of("k"),
            F32 * m * (n.of("k") + n.of("n")) + weightBytes * n.of("n") * n.of("k"),
            true);
      }
      case "grouped", "grouped-dx", "grouped-dw" -> {
        double weights = n.of("experts") * n.of("n") * n.of("k");
        double rows = F32 * n.of("rows") * (n.of("n") + n.of("k"));
        // The gradient of weights is F32 whatever they are.
        int each = operation.equals("grouped-dw") ? F32 : weightBytes;
        yield n.demand(
            2 * n.of("rows") * n.of("n") * n.of("k"),
            rows + each * weights + I64 * (n.of("experts") + 1),
            true);
      }
      case "attention", "attention-backward" -> attention(n, operation.equals("attention"));
      case "topk" ->
          n.demand(
              n.of("tokens") * n.of("experts") * (n.of("k") + 4),
              n.of("tokens") * (F32 * n.of("experts") + (F32 + 3 * I64) * n.of("k")),
              false);
      case "norm" ->
          n.demand(8 * n.of("rows") * n.of("d"), 2 * F32 * n.of("rows") * n.of("d"), false);
      case "softmax" ->
          n.demand(5 * n.of("rows") * n.of("d"), 2 * F32 * n.of("rows") * n.of("d"), false);
      case "cross-entropy" ->
          n.demand(
              4 * n.of("rows") * n.of("vocabulary"),
              F32 * n.of("rows") * n.of("vocabulary"),
              false);
      // Reads weight, gradient and two moments, writes all but the gradient.
      case "adamw" -> n.demand(12 * n.of("n"), 7 * F32 * n.of("n"), false);
      case "elementwise" -> n.demand(n.of("n"), F32 * (n.of("inputs") + 1) * n.of("n"), false);
      default -> throw new AssertionError(operation);
    };
  }

  private static Demand attention(Numbers n, boolean forward) {
    double t = n.of("t");
    double s = n.of("s");
    // Query t stands at position S - T + t: the triangle that it does not see is left out.
    double seen = n.of("causal") == 0 ? t * s : t * s - t * (t - 1) / 2;
    double products = 2 * n.of("batch") * n.of("heads") * n.of("d") * seen;
    double queries = F32 * n.of("batch") * n.of("heads") * t * n.of("d");
    double keys = F32 * n.of("batch") * n.of("kv") * s * n.of("d");
    double sums = F32 * n.of("batch") * n.of("heads") * t;
    // Backward: scores again, then one product each for dv, dp, dq and dk.
    return forward
        ? n.demand(2 * products, 2 * queries + 2 * keys + sums, true)
        : n.demand(5 * products, 4 * queries + 4 * keys + sums, true);
  }

  private record Numbers(String operation, List<String> names, Map<String, Long> given) {
    Numbers {
      for (String name : given.keySet()) {
        if (!names.contains(name)) {
          throw new IllegalArgumentException(
              "%s has no \"%s\"; its numbers are %s"
                  .formatted(operation, name, String.join(", ", names)));
        }
      }
    }

    double of(String name) {
      Long value = given.get(name);
      if (value == null) {
        return switch (name) {
          case "causal" -> 0;
          case "batch", "inputs" -> 1;
          case "kv" -> of("heads");
          default ->
              throw new IllegalArgumentException(
                  "%s wants %s=...; its numbers are %s"
                      .formatted(operation, name, String.join(", ", names)));
        };
      }
      if (value < (name.equals("causal") ? 0 : 1)) {
        throw new IllegalArgumentException("%s: %s=%d".formatted(operation, name, value));
      }
      return value;
    }

    Demand demand(double flops, double bytes, boolean products) {
      List<String> parts = new ArrayList<>();
      names.forEach(name -> parts.add("%s=%.0f".formatted(name, of(name))));
      return new Demand(operation + " " + String.join(" ", parts), flops, bytes, products);
    }
  }
}
