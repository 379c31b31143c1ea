package dev.theriac.moe.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.io.SafeTensors;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** A fixture written by one of the scripts beside it. */
final class ReferenceFile {
  private final SafeTensors file;

  ReferenceFile(String name) {
    file = SafeTensors.open(path(name + ".safetensors"));
  }

  static Path path(String name) {
    try {
      return Path.of(ReferenceFile.class.getResource(name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  Tensor floats(String key) {
    return file.get(key).to(DType.F32);
  }

  long[] longs(String key) {
    return file.get(key).toLongs();
  }

  Tensor get(String key) {
    return file.get(key);
  }

  /** All tensors whose key begins with {@code prefix}, as F32, without it. */
  SequencedMap<String, Tensor> under(String prefix) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    for (String key : file.keys()) {
      if (key.startsWith(prefix)) out.put(key.substring(prefix.length()), floats(key));
    }
    return out;
  }

  /** Relative to the largest value wanted. */
  static void assertClose(String what, Tensor got, Tensor wanted, double tolerance) {
    assertThat(got).as(what).isNotNull();
    assertThat(got.shape()).as(what).isEqualTo(wanted.shape());
    float[] have = got.toFloats();
    float[] want = wanted.toFloats();
    double largest = Float.MIN_NORMAL;
    for (float w : want) largest = Math.max(largest, Math.abs(w));
    for (int i = 0; i < have.length; i++) {
      assertThat((double) have[i])
          .as("%s, value %d, relative to %s", what, i, largest)
          .isCloseTo(want[i], within(tolerance * largest));
    }
  }
}
