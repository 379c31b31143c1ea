package dev.theriac.moe.audit;

import dev.theriac.moe.audit.TrailHeader.Layer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SplittableRandom;

/** Trails made up for tests. */
final class Trails {
  static final String HASH = "0123456789abcdef".repeat(4);

  private Trails() {}

  static TrailHeader header() {
    LinkedHashMap<String, String> settings = new LinkedHashMap<>();
    settings.put("max_tokens", "8");
    settings.put("note", "quotes \" and \\ and é and \n");
    return new TrailHeader(
        "1.2.3",
        new TrailHeader.Model(HASH, "f".repeat(64)),
        "a".repeat(64),
        List.of(new Layer(0, 4, 2, "softmax"), new Layer(2, 3, 1, "sigmoid")),
        List.of("CT", "MRI", "X-ray", "pathology"),
        settings);
  }

  /** Records of {@code positions} tokens in both layers, floats of every size among the weights. */
  static List<RouteRecord> records(int positions, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    List<RouteRecord> out = new ArrayList<>();
    for (int p = 0; p < positions; p++) {
      int first = random.nextInt(4);
      int second = (first + 1 + random.nextInt(3)) % 4;
      out.add(
          new RouteRecord(
              5_000_000_000L,
              p,
              0,
              p == 0 ? null : (long) p - 1,
              p % 2 == 0 ? "image" : null,
              new int[] {first, second},
              new float[] {any(random), any(random)},
              random.nextDouble() - 0.5,
              random.nextDouble(),
              p == 1 ? new String[] {null, "capacity"} : null));
      out.add(
          new RouteRecord(
              5_000_000_000L,
              p,
              2,
              null,
              null,
              new int[] {random.nextInt(3)},
              new float[] {any(random)},
              p == 2 ? null : random.nextDouble() * 1e-12,
              random.nextDouble(),
              null));
    }
    return out;
  }

  private static float any(SplittableRandom random) {
    return Float.intBitsToFloat(random.nextInt());
  }

  static Trail trail(int positions) {
    return new Trail(header(), records(positions, 7), HASH);
  }
}
