package dev.theriac.moe.medmoe;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.io.Weights;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.ModelWeights;
import dev.theriac.llm.Quantisation;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * The tensors of a model by the names of {@link CheckpointKeys}, wherever they lie: in the
 * directory's own checkpoint, and what that does not hold in the files of {@link ModelParts}.
 */
final class ModelTensors {
  private static final String HEAD_BIAS = "lm_head.bias";
  private static final Set<String> FLOATING = Set.of("F32", "BF16", "F16", "F64");

  private final Path directory;
  private final ModelParts parts;
  private final ModelWeights own;
  private final Map<String, Source> found = new LinkedHashMap<>();
  private final Set<String> lost = new LinkedHashSet<>();
  private final Set<String> zeros = new LinkedHashSet<>();

  private record Source(ModelWeights weights, String key) {}

  private ModelTensors(Path directory, ModelParts parts, ModelWeights own) {
    boolean elsewhere = !checkpoint(directory, parts).equals(directory);
    this.directory = directory;
    this.parts = parts;
    this.own = own;
    for (String key : own.keys()) {
      // The language model of a Med-MoE has no such bias; its authors drop Phi-2's.
      if (!isIgnored(key) && !(elsewhere && key.equals(HEAD_BIAS))) {
        found.put(key, new Source(own, key));
      }
    }
  }

  /**
   * Opens the directory's checkpoint, or that of {@link ModelParts#language} where it has none.
   *
   * @throws FileException when there is none, or it is malformed
   */
  static ModelTensors open(Path directory, ModelParts parts) {
    return new ModelTensors(directory, parts, ModelWeights.open(checkpoint(directory, parts)));
  }

  /** The directory with the checkpoint. */
  static Path checkpoint(Path directory, ModelParts parts) {
    return parts.language() != null && Files.isDirectory(directory) && !hasCheckpoint(directory)
        ? parts.language()
        : directory;
  }

  /** What there is of a checkpoint; what it should hold besides is not looked for elsewhere. */
  static ModelTensors of(Path directory, ModelParts parts, PartialWeights own) {
    Path config = checkpoint(directory, parts).resolve(ModelFiles.CONFIG);
    Quantisation quantisation = Quantisation.read(ConfigFields.read(config));
    ModelTensors out = new ModelTensors(directory, parts, ModelWeights.of(own, quantisation));
    out.lost.addAll(own.lost().keySet());
    return out;
  }

  /**
   * The first stage leaves a projector alone.
   *
   * @throws FileException when that is all the directory has
   */
  static void requireMoreThanAProjector(Path directory) {
    if (Files.exists(directory.resolve(ModelDirectory.PROJECTOR)) && !hasCheckpoint(directory)) {
      throw new FileException(
          directory,
          "holds a projector alone (%s), as the first stage leaves it; name the directory of its"
                  .formatted(ModelDirectory.PROJECTOR)
              + " language model (--language, ModelParts.language)");
    }
  }

  static boolean hasCheckpoint(Path directory) {
    return Files.exists(directory.resolve("model.safetensors"))
        || Files.exists(directory.resolve("model.safetensors.index.json"))
        || Files.exists(directory.resolve("pytorch_model.bin"))
        || Files.exists(directory.resolve("pytorch_model.bin.index.json"));
  }

  static boolean hasTokenizer(Path directory) {
    return Files.exists(directory.resolve("tokenizer.json"))
        || Files.exists(directory.resolve("vocab.json"));
  }

  /** Tables of older versions that follow from the sizes. */
  static boolean isIgnored(String key) {
    return key.endsWith(".rotary_emb.inv_freq") || key.endsWith(".embeddings.position_ids");
  }

  /** Keys of the checkpoint. */
  Set<String> keys() {
    return Collections.unmodifiableSet(found.keySet());
  }

  /**
   * Adds what {@code places} want and the checkpoint does not hold.
   *
   * @param config that wants them
   * @throws FileException when a part was given that the directory has itself, or is no such part
   */
  void complete(Collection<String> places, ModelConfigReader.Found config) {
    boolean another = checkpoint(directory, parts).equals(directory) && hasTokenizer(directory);
    if (another) {
      refuse(parts.language(), directory, "its own language model, in " + directory, "language");
    }
    boolean sees = holds(CheckpointKeys.VISION);
    refuseVision(config, sees);
    projector(places);
    if (config.tower() != null && !sees) vision(places, config.tower());
    router(places);
  }

  /** One is needed where the model has not the weights, or nothing else tells its sizes. */
  private void refuseVision(ModelConfigReader.Found config, boolean sees) {
    VisionTower.Unnamed found = config.unnamed();
    if (config.tower() == null) {
      refuse(
          parts.vision(),
          directory,
          "its own image encoder, in " + where(CheckpointKeys.VISION),
          "vision");
    } else if (found != null && sees) {
      refuse(
          parts.vision(),
          null,
          "its own image encoder, in %s, with its sizes by %s"
              .formatted(where(CheckpointKeys.VISION), found.place()),
          "vision");
    } else if (found != null && found.whole()) {
      refuse(parts.vision(), null, "its own image encoder, in " + found.place(), "vision");
    }
  }

  private boolean holds(String part) {
    return Stream.of(found.keySet(), lost).flatMap(Set::stream).anyMatch(key -> key.contains(part));
  }

  /** The file of the checkpoint in which a part lies, or begins. */
  private Path where(String part) {
    return found.keySet().stream()
        .filter(key -> key.contains(part))
        .findFirst()
        .map(key -> entry(key).file())
        .orElse(own.path());
  }

  /**
   * @param given by the user, or null
   * @param same what may be given, since the model has just that; or null
   * @param has what the model has instead, and where
   * @param name of the option and of the part
   */
  private void refuse(Path given, Path same, String has, String name) {
    if (given != null && (same == null || !isSame(given, same))) {
      throw new FileException(
          given,
          "the model in %s has %s; leave this one out (--%s, ModelParts.%s)"
              .formatted(directory, has, name, name));
    }
  }

  /**
   * The file of a part: the one that was given, or the one beside the checkpoint.
   *
   * @throws FileException when there are both
   */
  private Path oneOf(Path given, Path beside, String what, String name) {
    if (Files.exists(beside)) refuse(given, beside, "%s, in %s".formatted(what, beside), name);
    return given != null ? given : beside;
  }

  /** Whether two names are of one file; what is not there is none. */
  static boolean isSame(Path one, Path other) {
    try {
      return Files.isSameFile(one, other);
    } catch (IOException e) {
      return false;
    }
  }

  private void projector(Collection<String> wanted) {
    if (holds(CheckpointKeys.PROJECTOR)) {
      Path there = where(CheckpointKeys.PROJECTOR);
      // Looking into a first stage counts that of the projector as its checkpoint.
      refuse(parts.projector(), there, "its own projector, in " + there, "projector");
      return;
    }
    Path beside = directory.resolve(ModelDirectory.PROJECTOR);
    Path file = oneOf(parts.projector(), beside, "its own projector", "projector");
    if (parts.projector() == null && !Files.exists(beside)) return;
    ModelWeights weights = ModelWeights.of(Weights.open(file));
    for (String key : wanted) {
      if (!key.startsWith(CheckpointKeys.PROJECTOR)) continue;
      if (!weights.keys().contains(key)) {
        throw new FileException(
            file,
            "not a projector: among its %d tensors there is no \"%s\""
                .formatted(weights.keys().size(), key));
      }
      found.put(key, new Source(weights, key));
    }
  }

  private void vision(Collection<String> wanted, Path tower) {
    Weights weights = Weights.open(tower);
    SequencedMap<String, String> keys = VisionDirectory.keys(weights);
    for (String key : wanted) {
      if (!key.startsWith(CheckpointKeys.VISION)) continue;
      String there = keys.get(key.substring(CheckpointKeys.VISION.length()));
      if (there != null) found.put(key, new Source(ModelWeights.of(weights), there));
    }
  }

  private void router(Collection<String> wanted) {
    List<String> routers = wanted.stream().filter(k -> k.contains(CheckpointKeys.ROUTER)).toList();
    if (routers.isEmpty()) {
      if (parts.router() == null) return;
      throw new FileException(
          parts.router(),
          "the model in %s has no experts yet; give them to it with MedMoe.upcycle"
              .formatted(directory));
    }
    if (holds(CheckpointKeys.ROUTER)) {
      Path there = where(CheckpointKeys.ROUTER);
      refuse(parts.router(), there, "its own routers, in " + there, "router");
      // Those of the first checkpoints had no bias.
      if (!holds(CheckpointKeys.ROUTER + "bias")) {
        routers.stream().filter(k -> k.endsWith(".bias")).forEach(zeros::add);
      }
      return;
    }
    Path beside = besideRouter();
    Path file = oneOf(parts.router(), beside, "its own router", "router");
    if (parts.router() == null && !Files.exists(beside)) return;
    RouterFile.read(file);
    ModelWeights weights = ModelWeights.of(Weights.open(file));
    for (String key : routers) {
      found.put(key, new Source(weights, "fc1" + key.substring(key.lastIndexOf('.'))));
    }
  }

  /** Where the router lies: under the name of the model's own family. */
  private Path besideRouter() {
    ConfigFields config = ConfigFields.read(directory.resolve(ModelFiles.CONFIG));
    return directory.resolve(ModelDirectory.router(config.text("model_type")));
  }

  /**
   * Compares with what the configuration describes.
   *
   * @throws FileException naming what is missing, unknown or of another type or shape
   */
  void check(SequencedMap<String, CheckpointKeys.Place> places) {
    TreeSet<String> missing = new TreeSet<>(places.keySet());
    missing.removeAll(found.keySet());
    missing.removeAll(zeros);
    TreeSet<String> extra = new TreeSet<>(found.keySet());
    extra.removeAll(places.keySet());
    if (!missing.isEmpty() || !extra.isEmpty()) {
      throw new FileException(
          own.path(),
          "not the tensors that config.json describes: %s, %s%s"
              .formatted(some(missing, "missing"), some(extra, "unknown"), remedy(missing)));
    }
    places.forEach((key, place) -> {
      // The size of a matrix is checked when it is read.
      if (zeros.contains(key) || isQuantised(key)) return;
      Weights.Entry entry = entry(key);
      if (!FLOATING.contains(entry.dtype()) || !Arrays.equals(entry.shape(), place.shape())) {
        throw new FileException(
            entry.file(),
            "tensor \"%s\" is %s, config.json describes F32%s (or BF16, F16)"
                .formatted(entry.key(), entry.describe(), Arrays.toString(place.shape())));
      }
    });
  }

  private static String some(TreeSet<String> keys, String what) {
    if (keys.isEmpty()) return "none " + what;
    return "%d %s, such as \"%s\"".formatted(keys.size(), what, keys.first());
  }

  private static String remedy(TreeSet<String> missing) {
    if (missing.isEmpty()) return "";
    if (missing.stream().allMatch(k -> k.startsWith(CheckpointKeys.VISION))) {
      return ". The image encoder is not in the checkpoint; name its directory (--vision,"
          + " ModelParts.vision)";
    }
    if (missing.stream().allMatch(k -> k.startsWith(CheckpointKeys.PROJECTOR))) {
      return ". The projector is not in the checkpoint; name its file (--projector,"
          + " ModelParts.projector)";
    }
    if (missing.stream().allMatch(k -> k.contains(CheckpointKeys.ROUTER))) {
      return ". The routers are not in the checkpoint; name their file (--router,"
          + " ModelParts.router)";
    }
    return "";
  }

  /** What the files say of each tensor that was found, by the names of the model. */
  SequencedMap<String, Weights.Entry> entries() {
    SequencedMap<String, Weights.Entry> out = new LinkedHashMap<>();
    found.keySet().forEach(key -> out.put(key, entry(key)));
    return out;
  }

  /** Keys that no file needs to hold, since they follow from the others. */
  Set<String> derived() {
    return Collections.unmodifiableSet(zeros);
  }

  private Weights.Entry entry(String key) {
    Source source = found.get(key);
    return source.weights.entry(source.key);
  }

  /** Whether a matrix in the layout of the kernels stands for the weight. */
  boolean isQuantised(String key) {
    Source source = found.get(key);
    return source != null && source.weights.isQuantised(source.key);
  }

  /** A weight that is such a matrix, mapped. */
  QuantisedMatrix matrix(String key, CheckpointKeys.Place place) {
    Source source = found.get(key);
    return source.weights.matrix(source.key, place.shape());
  }

  /** A weight that is none, mapped where a type holds it. */
  Tensor tensor(String key, CheckpointKeys.Place place) {
    Source source = found.get(key);
    return source == null
        ? Tensor.zeros(Device.CPU, place.shape())
        : source.weights.get(source.key);
  }
}
