package dev.theriac.moe.medmoe;

import dev.theriac.backend.Backends;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.io.Weights;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.image.Preprocessing;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A {@link MedMoe} as files, laid out as the published models are: {@code config.json}, {@code
 * model.safetensors} (several with an index above 5 GB) under the names of {@link CheckpointKeys},
 * the tokenizer's files and {@code generation_config.json}. Reads what Theriac writes and what the
 * authors of Med-MoE publish.
 */
public final class ModelDirectory {
  /** What {@code model_type} is in their configurations. */
  public static final List<String> MODEL_TYPES =
      List.of("llava_phi", "llava_stablelm", "moe_llava_phi", "moe_llava_stablelm");

  /** The projector beside a checkpoint that has none. */
  public static final String PROJECTOR = ModelFiles.PROJECTOR;

  private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private ModelDirectory() {}

  /**
   * Writes a model, replacing one that is there. No file is replaced before all but the last steps
   * of writing are done: a full disk or an unwritable directory leaves the earlier model as it was.
   * What the model's own directory said beside the model (further fields of {@code config.json},
   * {@code generation_config.json}, chat templates, the tokenizer's files) is written as it was
   * read. Afterwards no {@code pytorch_model.bin} of an earlier model is left.
   *
   * @throws FileException when a file cannot be written
   * @throws IllegalArgumentException when the tokenizer is not one that has a file
   */
  public static void save(MedMoe model, Path directory, Provenance provenance) {
    save(model, directory, provenance, ModelFiles.SHARD_BYTES);
  }

  /**
   * The same with files of another size.
   *
   * @param shardBytes of weights in one file, more only where a single tensor is larger
   */
  public static void save(MedMoe model, Path directory, Provenance provenance, long shardBytes) {
    Tokenizer tokenizer = model.tokenizer();
    if (!(tokenizer instanceof HuggingFaceTokenizerFile file)) {
      throw new IllegalArgumentException(
          "save: the model's tokenizer is a %s, which has no tokenizer.json; build the model with a"
                  .formatted(tokenizer.getClass().getName())
              + " HuggingFaceTokenizerFile");
    }
    SequencedMap<String, Tensor> weights = CheckpointKeys.split(model);
    DType dtype = weights.get("lm_head.weight").dtype();
    SequencedMap<String, byte[]> small = new LinkedHashMap<>();
    small.put(
        ModelFiles.CONFIG,
        ModelFiles.utf8(
            ModelConfig.of(model)
                .json(
                    model.kept().config(),
                    provenance.version(),
                    dtype,
                    tokenizer.eosId(),
                    tokenizer.padId())));
    small.putAll(model.kept().files());
    small.putAll(file.files());
    if (!small.containsKey(TOKENIZER_CONFIG)) {
      int positions = model.language().config().maxPositions();
      small.put(TOKENIZER_CONFIG, ModelFiles.utf8(tokenizerConfig(tokenizer, positions)));
    }
    if (!small.containsKey(ModelFiles.GENERATION)) {
      small.put(ModelFiles.GENERATION, ModelFiles.utf8(generationConfig(tokenizer)));
    }
    ModelFiles.write(directory, small, weights, provenance.metadata(), shardBytes);
  }

  /** For a tokenizer that came without one. */
  private static String tokenizerConfig(Tokenizer tokenizer, int maxPositions) {
    ObjectNode root = JSON.createObjectNode();
    root.put("tokenizer_class", "PreTrainedTokenizerFast");
    root.put("eos_token", tokenizer.token(tokenizer.eosId()));
    root.put("pad_token", tokenizer.token(tokenizer.padId()));
    root.put("padding_side", "right").put("model_max_length", maxPositions);
    root.put("clean_up_tokenization_spaces", false);
    return ModelFiles.pretty(root);
  }

  private static String generationConfig(Tokenizer tokenizer) {
    ObjectNode root = JSON.createObjectNode();
    root.put("do_sample", false);
    root.put("eos_token_id", tokenizer.eosId()).put("pad_token_id", tokenizer.padId());
    return ModelFiles.pretty(root);
  }

  /**
   * Reads a model, ready to answer, of which all parts lie in the directory or where {@link
   * #load(Path, ModelParts)} looks for them.
   */
  public static MedMoe load(Path directory) {
    return load(directory, ModelParts.none());
  }

  /**
   * Reads a model, ready to answer. Weights stay in their files, mapped, until training is about to
   * change them; those of experts are copied, to be stacked. {@link dev.theriac.llm.Quantisation
   * Quantised} weights stay there too, those of experts as well; a model that has some is for
   * inference, its parameters are frozen.
   *
   * <p>What Theriac writes is whole. Of published models the image encoder is described, and may
   * lie, elsewhere: in {@link ModelParts#vision}; else where {@code mm_image_tower} leads, or in a
   * directory of its last name inside the model's directory or beside it; else it is the CLIP of
   * that name, whose weights are then in the checkpoint. A checkpoint without projector gets {@link
   * ModelParts#projector} or the {@code mm_projector.bin} beside it; one of experts without routers
   * gets {@link ModelParts#router} or the {@code phi_router.pth} beside it ({@code
   * stablelm_router.pth} where the decoder is a StableLM), in every layer. Routers of the first
   * checkpoints have no bias; they get one of 0. With two experts for a token their weights are
   * renormalised; the noise that the published code then adds to the second choice is left out. Of
   * a language model that is named the tokenizer is taken where the directory has none. A part that
   * the directory has is not to be named another time: not the language model or the image encoder
   * whose weights its checkpoint holds and whose sizes and preprocessing are found, nor a projector
   * or router beside its own. An encoder of other sizes or other preprocessing than what is found
   * may be named, and counts; of a directory inside the model's that has weights too, none may.
   *
   * @throws FileException naming the file and the field or key when one is missing, unknown, not
   *     supported, or of the wrong type or shape
   * @throws dev.theriac.llm.tokenizer.TokenizerException when the tokenizer's files are at fault
   */
  public static MedMoe load(Path directory, ModelParts parts) {
    ConfigFields.read(directory.resolve(ModelFiles.CONFIG));
    if (parts.language() == null) ModelTensors.requireMoreThanAProjector(directory);
    Backends.prepareFor(ModelTensors.checkpoint(directory, parts));
    Path tokenizers = tokenizers(directory, parts);
    HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(tokenizers);
    ModelTensors tensors = ModelTensors.open(directory, parts);
    ModelConfigReader.Found found = read(directory, parts, tensors.keys());
    ModelShape shape = found.config().shape();
    if (tokenizer.vocabSize() > shape.language().vocabulary()) {
      throw new FileException(
          tokenizers,
          "%d tokens, but vocab_size is %d in %s; does the tokenizer belong to this model?"
              .formatted(tokenizer.vocabSize(), shape.language().vocabulary(), ModelFiles.CONFIG));
    }
    SequencedMap<String, CheckpointKeys.Place> places = CheckpointKeys.of(shape);
    tensors.complete(places.keySet(), found);
    tensors.check(places);
    KeptFiles kept = KeptFiles.read(directory, tokenizers);
    MedMoe model = MedMoe.blank(shape, tokenizer, found.config().preprocessing(), kept);
    try (Scope _ = Scope.open()) {
      CheckpointKeys.Joined weights = CheckpointKeys.join(places, tensors);
      model.load(weights.tensors(), weights.quantised());
    }
    model.train(false);
    return model;
  }

  /** The model's own directory, or the language model's where the model's has no tokenizer. */
  private static Path tokenizers(Path directory, ModelParts parts) {
    return parts.language() == null || ModelTensors.hasTokenizer(directory)
        ? directory
        : parts.language();
  }

  private static ModelConfigReader.Found read(
      Path directory, ModelParts parts, Collection<String> keys) {
    return ModelConfigReader.read(directory.resolve(ModelFiles.CONFIG), parts, keys);
  }

  /**
   * What a directory should hold and what it does, for those who want to know why it does not load.
   *
   * @param preprocessing of pictures
   * @param wanted shapes by the names of {@link CheckpointKeys}
   * @param found what is there, in the checkpoint, beside it or where {@link ModelParts} says
   * @param derived keys that may be missing, since their values are known
   * @param vision directory of the image encoder, or null when the checkpoint must hold it
   * @param problems of files of parts, for people
   */
  public record Contents(
      ModelShape shape,
      Preprocessing preprocessing,
      SequencedMap<String, long[]> wanted,
      SequencedMap<String, Weights.Entry> found,
      Set<String> derived,
      Path vision,
      List<String> problems) {}

  /** The directory that has the checkpoint of a model: its own, or that of its language model. */
  public static Path checkpoint(Path directory, ModelParts parts) {
    return ModelTensors.checkpoint(directory, parts);
  }

  /**
   * Compares a directory with its configuration; no weights are read.
   *
   * @param own what there is of its {@link #checkpoint}
   * @throws FileException as {@link #load(Path, ModelParts)}, when the configuration is at fault
   */
  public static Contents contents(Path directory, ModelParts parts, PartialWeights own) {
    Set<String> keys = new LinkedHashSet<>(own.keys());
    keys.addAll(own.lost().keySet());
    ModelConfigReader.Found read = read(directory, parts, keys);
    SequencedMap<String, long[]> wanted = new LinkedHashMap<>();
    CheckpointKeys.of(read.config().shape())
        .forEach((key, place) -> wanted.put(key, place.shape()));
    ModelTensors tensors = ModelTensors.of(directory, parts, own);
    List<String> problems = new ArrayList<>();
    try {
      tensors.complete(wanted.keySet(), read);
    } catch (FileException e) {
      problems.add(e.getMessage());
    }
    return new Contents(
        read.config().shape(),
        read.config().preprocessing(),
        wanted,
        tensors.entries(),
        tensors.derived(),
        read.tower(),
        problems);
  }

  /**
   * The name of the router beside a checkpoint that has none.
   *
   * @param type of {@link #MODEL_TYPES}
   */
  public static String router(String type) {
    return ModelFiles.router(type);
  }

  /**
   * Whether a file of that name beside the checkpoint is read as a part of the model.
   *
   * @param type of the model; that of no Med-MoE has none
   */
  public static boolean isPart(String type, String name) {
    return MODEL_TYPES.contains(type) && (name.equals(PROJECTOR) || name.equals(router(type)));
  }

  /** What the weights' metadata says of their origin. */
  public static Provenance provenance(Path directory) {
    return Provenance.of(Weights.open(directory).metadata());
  }
}
