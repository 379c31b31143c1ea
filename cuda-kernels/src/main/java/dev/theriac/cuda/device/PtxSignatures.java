package dev.theriac.cuda.device;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The parameters of each kernel as its PTX declares them. The driver copies as many bytes as the
 * kernel wants from wherever it is told to: a launch with other parameters would read what is not
 * there, so launches are held against this first.
 */
final class PtxSignatures {
  private static final Pattern ENTRY =
      Pattern.compile("\\.entry\\s+([\\w$]+)\\s*\\(([^)]*)\\)", Pattern.DOTALL);
  private static final Pattern PARAMETER =
      Pattern.compile(
          "\\.param\\s+(?:\\.align\\s+\\d+\\s+)?\\.(\\w+)\\s+(?:\\.ptr\\s+(?:\\.\\w+\\s+(?:\\d+\\s+)?)*)?[\\w$]+(?:\\[(\\d+)])?");

  private final Map<String, int[]> sizes = new HashMap<>();

  PtxSignatures(String ptx) {
    Matcher entries = ENTRY.matcher(ptx);
    while (entries.find()) {
      List<Integer> found = new ArrayList<>();
      Matcher parameters = PARAMETER.matcher(entries.group(2));
      while (parameters.find()) {
        String count = parameters.group(2);
        int bytes = bytes(parameters.group(1));
        found.add(count == null ? bytes : bytes * Integer.parseInt(count));
      }
      sizes.put(entries.group(1), found.stream().mapToInt(Integer::intValue).toArray());
    }
  }

  /** Names of all kernels. */
  Set<String> names() {
    return Set.copyOf(sizes.keySet());
  }

  /**
   * Bytes of each parameter.
   *
   * @throws IllegalArgumentException if there is no such kernel
   */
  int[] of(String kernel) {
    int[] found = sizes.get(kernel);
    if (found == null) {
      throw new IllegalArgumentException(
          "no kernel %s among the %d of this module".formatted(kernel, sizes.size()));
    }
    return found;
  }

  private static int bytes(String type) {
    return switch (type) {
      case "b8", "u8", "s8" -> 1;
      case "b16", "u16", "s16", "f16" -> 2;
      case "b32", "u32", "s32", "f32" -> 4;
      case "b64", "u64", "s64", "f64" -> 8;
      default -> throw new IllegalArgumentException("a parameter of the type ." + type);
    };
  }
}
