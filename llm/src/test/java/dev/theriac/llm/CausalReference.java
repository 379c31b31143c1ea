package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.io.SafeTensors;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** A model that {@code causal/make_models.py} wrote, with what transformers makes of it. */
final class CausalReference {
  static final List<String> NAMES =
      List.of(
          "phi",
          "phi-options",
          "stablelm",
          "stablelm-options",
          "llama",
          "llama-options",
          "llama-linear",
          "llama-dynamic",
          "llama-llama3",
          "mistral",
          "mistral-window",
          "qwen2",
          "qwen2-options",
          "qwen2-yarn",
          "llama-longrope",
          "llama-proportional",
          "stablelm-yarn",
          "phi-linear");

  private final String name;
  private final SafeTensors file;

  CausalReference(String name) {
    this.name = name;
    file = SafeTensors.open(path(name + ".safetensors"));
  }

  /**
   * A model's directory as transformers writes it.
   *
   * @param name of {@link #NAMES}, whose configuration it gets
   * @return {@code directory}, made if need be
   */
  static Path publish(
      Path directory, String name, SequencedMap<String, Tensor> weights, long shardBytes)
      throws IOException {
    Files.createDirectories(directory);
    Files.copy(path(name + ".json"), directory.resolve("config.json"));
    SafeTensors.writeModel(directory, weights, Map.of("format", "pt"), shardBytes);
    return directory;
  }

  static Path path(String name) {
    try {
      return Path.of(CausalReference.class.getResource("causal/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  CausalLmConfig config() {
    return CausalLmConfig.read(path(name + ".json"));
  }

  /** The weights as stored, BF16, or widened. */
  SequencedMap<String, Tensor> weights(boolean widened) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    String prefix = "weights.";
    for (String key : file.keys()) {
      if (!key.startsWith(prefix)) continue;
      Tensor t = file.get(key);
      out.put(key.substring(prefix.length()), widened ? t.to(DType.F32) : t);
    }
    return out;
  }

  CausalLm model() {
    CausalLm model = new CausalLm(config(), Rng.placeholders(0));
    model.loadCheckpoint(weights(true));
    model.train(false);
    return model;
  }

  Tensor get(String key) {
    return file.get(key);
  }

  boolean has(String key) {
    return file.keys().contains(key);
  }

  TokenMask mask() {
    long[] values = get("mask").toLongs();
    boolean[] valid = new boolean[values.length];
    for (int i = 0; i < valid.length; i++) valid[i] = values[i] == 1;
    return TokenMask.of(valid, 2, values.length / 2);
  }

  /** The prompts, without filling. */
  List<int[]> prompts() {
    TokenMask mask = mask();
    long[] ids = get("ids").toLongs();
    List<int[]> out = new ArrayList<>();
    for (int b = 0; b < 2; b++) {
      int[] row = new int[mask.length()];
      int n = 0;
      for (int t = 0; t < row.length; t++) {
        if (mask.isValid(b * row.length + t)) row[n++] = (int) ids[b * row.length + t];
      }
      out.add(java.util.Arrays.copyOf(row, n));
    }
    return out;
  }

  int[] tokens(String key, int row) {
    long[] all = get(key).toLongs();
    int width = all.length / 2;
    int[] out = new int[width];
    for (int t = 0; t < width; t++) out[t] = (int) all[row * width + t];
    return out;
  }

  /** The largest difference where the mask has a token, relative to the largest value wanted. */
  static double distance(String what, Tensor got, Tensor wanted, TokenMask mask) {
    assertThat(got).as(what).isNotNull();
    assertThat(got.shape()).as(what).isEqualTo(wanted.shape());
    float[] have = got.toFloats();
    float[] want = wanted.toFloats();
    int each = mask == null ? have.length : have.length / mask.size();
    double largest = Float.MIN_NORMAL;
    double distance = 0;
    for (int i = 0; i < have.length; i++) {
      if (mask != null && !mask.isValid(i / each)) continue;
      largest = Math.max(largest, Math.abs(want[i]));
      double d = Math.abs((double) have[i] - want[i]);
      distance = d <= distance ? distance : d;
      if (Double.isNaN(d)) return Double.NaN;
    }
    return distance / largest;
  }
}
