package dev.theriac.moe.medmoe;

import dev.theriac.io.AtomicFile;
import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.io.Weights;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeSet;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A {@link MedMoe} as files, laid out as the published models are: {@code config.json}, {@code
 * model.safetensors} (several with an index above 5 GB) under the names of {@link CheckpointKeys},
 * {@code tokenizer.json}, {@code tokenizer_config.json} and {@code generation_config.json}.
 */
public final class ModelDirectory {
  private static final long SHARD_BYTES = 5_000_000_000L;
  private static final String CONFIG = "config.json";
  private static final String TOKENIZER = "tokenizer.json";
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private ModelDirectory() {}

  /**
   * Writes a model, replacing one that is there. No file is replaced before all but the last steps
   * of writing are done: a full disk or an unwritable directory leaves the earlier model as it was.
   *
   * @throws FileException when a file cannot be written
   * @throws IllegalArgumentException when the tokenizer is not one that has a file
   */
  public static void save(MedMoe model, Path directory, Provenance provenance) {
    save(model, directory, provenance, SHARD_BYTES);
  }

  static void save(MedMoe model, Path directory, Provenance provenance, long shardBytes) {
    Tokenizer tokenizer = model.tokenizer();
    if (!(tokenizer instanceof HuggingFaceTokenizerFile file)) {
      throw new IllegalArgumentException(
          "save: the model's tokenizer is a %s, which has no tokenizer.json; build the model with a"
                  .formatted(tokenizer.getClass().getName())
              + " HuggingFaceTokenizerFile");
    }
    SequencedMap<String, Tensor> weights = CheckpointKeys.split(model);
    DType dtype = weights.get("lm_head.weight").dtype();
    Map<Path, byte[]> small = new LinkedHashMap<>();
    small.put(
        directory.resolve(CONFIG),
        utf8(
            ModelConfig.of(model)
                .json(provenance.version(), dtype, tokenizer.eosId(), tokenizer.padId())));
    small.put(directory.resolve(TOKENIZER), file.json());
    small.put(
        directory.resolve("tokenizer_config.json"),
        utf8(tokenizerConfig(tokenizer, model.language().config().maxPositions())));
    small.put(directory.resolve("generation_config.json"), utf8(generationConfig(tokenizer)));
    writeAround(
        small.entrySet().stream().toList(),
        () -> SafeTensors.writeModel(directory, weights, provenance.metadata(), shardBytes));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Writes the small files' bytes beside the old ones, then the weights, and only then lets the
   * small ones take their names.
   */
  private static void writeAround(List<Map.Entry<Path, byte[]>> files, Runnable last) {
    if (files.isEmpty()) {
      last.run();
      return;
    }
    AtomicFile.write(
        files.getFirst().getKey(),
        out -> {
          out.write(files.getFirst().getValue());
          writeAround(files.subList(1, files.size()), last);
        });
  }

  private static String tokenizerConfig(Tokenizer tokenizer, int maxPositions) {
    ObjectNode root = JSON.createObjectNode();
    root.put("tokenizer_class", "PreTrainedTokenizerFast");
    root.put("eos_token", tokenizer.token(tokenizer.eosId()));
    root.put("pad_token", tokenizer.token(tokenizer.padId()));
    root.put("padding_side", "right").put("model_max_length", maxPositions);
    root.put("clean_up_tokenization_spaces", false);
    return pretty(root);
  }

  private static String generationConfig(Tokenizer tokenizer) {
    ObjectNode root = JSON.createObjectNode();
    root.put("do_sample", false);
    root.put("eos_token_id", tokenizer.eosId()).put("pad_token_id", tokenizer.padId());
    return pretty(root);
  }

  private static String pretty(ObjectNode root) {
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
  }

  /**
   * Reads a model, ready to answer. Weights stay in their files, mapped, until training is about to
   * change them; those of experts are copied, to be stacked.
   *
   * @throws FileException naming the file and the field or key when one is missing, unknown, of the
   *     wrong type or shape
   * @throws dev.theriac.llm.tokenizer.TokenizerException when the tokenizer's files are at fault
   */
  public static MedMoe load(Path directory) {
    ModelConfig config = ModelConfig.read(directory.resolve(CONFIG));
    ModelShape shape = config.shape();
    HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(directory);
    if (tokenizer.vocabSize() > shape.language().vocabulary()) {
      throw new FileException(
          directory.resolve(TOKENIZER),
          "%d tokens, but vocab_size is %d in %s; does it belong to this model?"
              .formatted(tokenizer.vocabSize(), shape.language().vocabulary(), CONFIG));
    }
    SequencedMap<String, CheckpointKeys.Place> places = CheckpointKeys.of(shape);
    Weights file = Weights.open(directory);
    check(file, places);
    MedMoe model = MedMoe.blank(shape, tokenizer, config.preprocessing());
    try (Scope _ = Scope.open()) {
      model.load(CheckpointKeys.join(places, file.tensors()));
    }
    model.train(false);
    return model;
  }

  /** What the weights' metadata says of their origin. */
  public static Provenance provenance(Path directory) {
    return Provenance.of(Weights.open(directory).metadata());
  }

  private static void check(Weights file, SequencedMap<String, CheckpointKeys.Place> places) {
    TreeSet<String> missing = new TreeSet<>(places.keySet());
    missing.removeAll(file.keys());
    TreeSet<String> extra = new TreeSet<>(file.keys());
    extra.removeAll(places.keySet());
    if (!missing.isEmpty() || !extra.isEmpty()) {
      throw new FileException(
          file.path(),
          "not the tensors that %s describes: %s, %s"
              .formatted(CONFIG, some(missing, "missing"), some(extra, "unknown")));
    }
    places.forEach((key, place) -> {
      Weights.Entry entry = file.entry(key);
      boolean floating =
          Arrays.stream(DType.values())
              .anyMatch(t -> t.isFloating() && t.name().equals(entry.dtype()));
      if (!floating || !Arrays.equals(entry.shape(), place.shape())) {
        throw new FileException(
            entry.file(),
            "tensor \"%s\" is %s, %s describes F32%s (or BF16, F16)"
                .formatted(key, entry.describe(), CONFIG, Arrays.toString(place.shape())));
      }
    });
  }

  private static String some(TreeSet<String> keys, String what) {
    if (keys.isEmpty()) return "none " + what;
    return "%d %s, such as \"%s\"".formatted(keys.size(), what, keys.first());
  }
}
