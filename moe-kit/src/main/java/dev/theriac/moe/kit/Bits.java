package dev.theriac.moe.kit;

import dev.theriac.tensor.Tensor;
import java.util.List;

/** Equality bit for bit; every NaN equals every other. */
final class Bits {
  private Bits() {}

  static void check(String what, List<float[]> wanted, List<float[]> got) {
    if (wanted.size() != got.size()) {
      throw new AssertionError("%s: %d results and %d".formatted(what, wanted.size(), got.size()));
    }
    for (int i = 0; i < wanted.size(); i++) {
      check("%s: result %d".formatted(what, i), wanted.get(i), got.get(i));
    }
  }

  static void check(String what, Tensor wanted, Tensor got) {
    if (!wanted.layout().sameShape(got.layout())) {
      throw new AssertionError(
          "%s: shapes %s and %s".formatted(what, wanted.layout(), got.layout()));
    }
    check(what, wanted.toFloats(), got.toFloats());
  }

  static void check(String what, float[] wanted, float[] got) {
    if (wanted.length != got.length) {
      throw new AssertionError("%s: %d elements and %d".formatted(what, wanted.length, got.length));
    }
    for (int i = 0; i < wanted.length; i++) {
      if (Float.floatToIntBits(wanted[i]) != Float.floatToIntBits(got[i])) {
        throw new AssertionError(
            "%s: element %d differs: %s (%08x) and %s (%08x)"
                .formatted(
                    what,
                    i,
                    wanted[i],
                    Float.floatToRawIntBits(wanted[i]),
                    got[i],
                    Float.floatToRawIntBits(got[i])));
      }
    }
  }
}
