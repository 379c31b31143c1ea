package dev.theriac.vision;

import dev.theriac.backend.Backends;
import dev.theriac.io.AtomicFile;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.io.Weights;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig.Feature;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * A {@link VisionTransformer} as a Hugging Face directory: {@code config.json} and {@code
 * model.safetensors} or {@code pytorch_model.bin} (or shards with their index). Reads what
 * transformers writes for CLIP and SigLIP, whole or the vision half alone, with or without {@code
 * vision_model.} before the keys, and writes what transformers reads, as safetensors.
 */
public final class VisionDirectory {
  private static final long SHARD_BYTES = 5_000_000_000L;
  private static final String CONFIG = "config.json";
  private static final String PREFIX = "vision_model.";
  private static final List<String> WEIGHTS =
      List.of(
          "model.safetensors",
          "model.safetensors.index.json",
          "pytorch_model.bin",
          "pytorch_model.bin.index.json");
  private static final String PROJECTION = "visual_projection.";

  private VisionDirectory() {}

  /**
   * Reads the encoder of a directory. Weights stay in their files, mapped, until training is about
   * to change them. Its feature is the last block's output.
   *
   * @throws FileException naming the file and the field or key when one is missing, not supported,
   *     or of the wrong type or shape
   */
  public static VisionTransformer load(Path directory) {
    return load(directory, -1, Feature.PATCH);
  }

  /**
   * The same with another feature, of which {@link VisionConfig} says more.
   *
   * @throws IllegalArgumentException when the encoder has no such hidden state or positions
   */
  public static VisionTransformer load(Path directory, int selectLayer, Feature feature) {
    Weights file = Weights.open(directory);
    Backends.prepareFor(directory);
    SequencedMap<String, String> keys = keys(file);
    boolean projected = keys.containsKey(PROJECTION + "weight");
    VisionConfig read = VisionConfigFile.read(directory.resolve(CONFIG), projected);
    VisionConfig config = read.withFeature(selectLayer, feature);
    check(file, keys, VisionParameters.of(config));
    VisionTransformer model = new VisionTransformer(config, Rng.placeholders(0));
    try (Scope _ = Scope.open()) {
      Map<String, Tensor> weights = new LinkedHashMap<>();
      keys.forEach((path, key) -> weights.put(path, file.get(key)));
      model.load(weights);
    }
    model.train(false);
    return model;
  }

  /**
   * The configuration of the encoder of a directory; its feature is the last block's output. It has
   * a projection when the weights have one; where there are no weights, as beside a model that
   * holds them, it has none.
   */
  public static VisionConfig config(Path directory) {
    boolean weights = WEIGHTS.stream().anyMatch(name -> Files.exists(directory.resolve(name)));
    return config(directory, weights ? keys(Weights.open(directory)) : new LinkedHashMap<>());
  }

  /** The same with what {@link #keys} gave of the weights. */
  public static VisionConfig config(Path directory, SequencedMap<String, String> keys) {
    return VisionConfigFile.read(
        directory.resolve(CONFIG), keys.containsKey(PROJECTION + "weight"));
  }

  /** From the paths of parameters to the keys of a file; the text half of a model is left out. */
  public static SequencedMap<String, String> keys(Weights file) {
    return keys(file.path(), file.keys());
  }

  /**
   * The same of keys alone.
   *
   * @param file that has them, for errors
   */
  public static SequencedMap<String, String> keys(Path file, Collection<String> names) {
    SequencedMap<String, String> out = new LinkedHashMap<>();
    for (String key : names) {
      boolean text =
          key.startsWith("text_model.")
              || key.startsWith("text_projection.")
              || key.equals("logit_scale")
              || key.equals("logit_bias");
      // Older versions stored this table, which follows from the sizes.
      if (text || key.endsWith(".position_ids")) continue;
      String path = key.startsWith(PREFIX) ? key.substring(PREFIX.length()) : key;
      String other = out.put(path, key);
      if (other != null) {
        throw new FileException(
            file, "tensors \"%s\" and \"%s\" are the same parameter".formatted(other, key));
      }
    }
    return out;
  }

  private static void check(
      Weights file, SequencedMap<String, String> keys, SequencedMap<String, long[]> wanted) {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    wanted.forEach((path, shape) -> shapes.put(keys.getOrDefault(path, PREFIX + path), shape));
    file.expect(shapes, key -> !keys.containsValue(key));
  }

  /**
   * Writes the encoder, replacing one that is there: {@code config.json} is replaced once the
   * weights are written. Read by {@link #load} and by transformers' {@code CLIPVisionModel}, {@code
   * CLIPVisionModelWithProjection} or {@code SiglipVisionModel}.
   *
   * @throws FileException when a file cannot be written
   */
  public static void save(VisionTransformer model, Path directory) {
    save(model, directory, SHARD_BYTES);
  }

  static void save(VisionTransformer model, Path directory, long shardBytes) {
    SequencedMap<String, Tensor> weights = new LinkedHashMap<>();
    model
        .parameters()
        .forEach((path, p) ->
            weights.put(path.startsWith(PROJECTION) ? path : PREFIX + path, p.value()));
    DType dtype = weights.firstEntry().getValue().dtype();
    byte[] config = VisionConfigFile.write(model.config(), dtype).getBytes(StandardCharsets.UTF_8);
    AtomicFile.write(
        directory.resolve(CONFIG),
        out -> {
          out.write(config);
          SafeTensors.writeModel(directory, weights, Map.of("format", "pt"), shardBytes);
        });
  }
}
