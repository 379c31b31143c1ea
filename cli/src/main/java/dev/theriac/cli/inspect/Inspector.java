package dev.theriac.cli.inspect;

import dev.theriac.cli.inspect.Inspection.Mismatch;
import dev.theriac.cli.inspect.Inspection.Needed;
import dev.theriac.cli.inspect.Inspection.Stored;
import dev.theriac.cli.inspect.Inspection.Type;
import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.io.QuantisedTensors;
import dev.theriac.io.Weights;
import dev.theriac.llm.Quantisation;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.ModelParts;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Looks into model directories and files of weights; reads their headers, never the weights. */
public final class Inspector {
  private static final String CONFIG = "config.json";
  private static final Set<String> FLOATING = Set.of("F32", "BF16", "F16", "F64");

  private final Path path;
  private final PartialWeights weights;
  private final List<String> problems = new ArrayList<>();

  private Inspector(Path path, ModelParts parts) {
    this.path = path;
    weights = PartialWeights.open(ModelDirectory.checkpoint(path, parts));
    weights.faults().forEach(f -> problems.add(f.file().getFileName() + ": " + f.what()));
  }

  /**
   * Inspects a model directory or a file of weights.
   *
   * @param parts of a Med-MoE that lie elsewhere
   * @throws FileException when there is nothing to inspect: no such path, a file that is no
   *     weights, a directory with neither a configuration nor weights; or parts are named of
   *     something else than a Med-MoE
   */
  public static Inspection inspect(Path path, ModelParts parts) {
    if (path.endsWith(CONFIG) && Files.isRegularFile(path)) {
      throw new FileException(path, "a configuration; name the directory that it is in");
    }
    Inspector in = new Inspector(path, parts);
    if (!Files.isDirectory(path)) return in.file(parts);
    return in.directory(parts);
  }

  private Inspection file(ModelParts parts) {
    parts.requireNone(path, "");
    return result(null, "", List.of(), null, null, weights.files());
  }

  private Inspection directory(ModelParts parts) {
    Path file = path.resolve(CONFIG);
    if (!Files.exists(file)) {
      if (weights.keys().isEmpty() && problems.isEmpty()) {
        throw new FileException(
            path, "no model here: neither %s nor a file of weights".formatted(CONFIG));
      }
      parts.requireNone(path, "");
      problems.addFirst(CONFIG + ": missing, so that nobody can tell what the weights are of");
      return result(null, "", List.of(), false, null, weights.files());
    }
    String type = "";
    List<String> architectures = List.of();
    Expected expected = null;
    try {
      ConfigFields config = ConfigFields.read(file);
      type = config.text("model_type", "");
      architectures = config.anyTexts("architectures");
      if (Families.types().contains(type)) {
        expected = Families.of(type, path, config, weights, parts);
      }
    } catch (FileException e) {
      problems.addFirst(e.getMessage());
    }
    if (!ModelDirectory.MODEL_TYPES.contains(type)) parts.requireNone(path, type);
    if (weights.keys().isEmpty() && weights.faults().isEmpty()) {
      problems.add("no weights: none of the files that a model's weights are in");
    }
    return result(expected, type, architectures, expected != null, type, weights.files());
  }

  private Inspection result(
      Expected expected,
      String type,
      List<String> architectures,
      Boolean supported,
      String family,
      Collection<Path> files) {
    List<String> missing = new ArrayList<>();
    List<String> unexpected = new ArrayList<>();
    List<Mismatch> mismatched = new ArrayList<>();
    if (expected != null) {
      misnamed(type).forEach(problems::add);
      problems.addAll(expected.problems());
      compare(expected, missing, unexpected, mismatched);
    }
    boolean clean = missing.isEmpty() && unexpected.isEmpty() && mismatched.isEmpty();
    Map<String, Type> dtypes = dtypes();
    return new Inspection(
        path.toString(),
        expected != null ? expected.family() : family,
        type.isEmpty() ? null : type,
        architectures.isEmpty() ? null : architectures,
        supported,
        expected == null ? null : (Boolean) (clean && problems.isEmpty()),
        facts(expected),
        files.stream().map(f -> f.getFileName().toString()).sorted().toList(),
        new TreeMap<>(weights.metadata()),
        dtypes,
        expected != null
            ? Expected.size(expected.wanted())
            : dtypes.values().stream().mapToLong(Type::values).sum(),
        expected == null ? null : (Long) expected.activeParameters(),
        expected == null ? null : needed(expected, dtypes),
        missing,
        unexpected,
        mismatched,
        expected == null ? 0 : expected.unused(),
        List.copyOf(problems),
        weights.keys().stream()
            .map(weights::entry)
            .map(e -> new Stored(e.key(), e.dtype(), e.shape()))
            .toList());
  }

  /** Files whose tensors are counted, though no reader would find them. */
  private Stream<String> misnamed(String type) {
    return weights.misnamed().stream()
        .map(f -> f.getFileName().toString())
        .filter(name -> !ModelDirectory.isPart(type, name))
        .map(name ->
            name
                + ": unexpected, as nothing reads weights of this name; call it model.safetensors,"
                + " or pytorch_model.bin if torch.save wrote it");
  }

  private List<String> facts(Expected expected) {
    List<String> out = new ArrayList<>(expected == null ? List.of() : expected.facts());
    for (Path other : weights.unread()) {
      out.add(other.getFileName() + " is not read, as other weights are preferred");
    }
    return out;
  }

  private static void compare(
      Expected expected, List<String> missing, List<String> unexpected, List<Mismatch> other) {
    expected
        .wanted()
        .forEach((key, shape) -> {
          Weights.Entry entry = expected.found().get(key);
          if (entry == null) {
            if (expected.derived().contains(key)) return;
            missing.add(key);
          } else if (!fits(entry, shape)) {
            other.add(new Mismatch(key, entry.describe(), "F32" + Arrays.toString(shape)));
          }
        });
    expected.found().keySet().stream()
        .filter(key -> !expected.wanted().containsKey(key))
        .forEach(unexpected::add);
  }

  private static boolean fits(Weights.Entry entry, long[] shape) {
    return FLOATING.contains(entry.dtype()) && Arrays.equals(entry.shape(), shape)
        || QuantisedTensors.fits(entry, shape);
  }

  private Map<String, Type> dtypes() {
    Map<String, Type> out = new TreeMap<>();
    for (String key : weights.keys()) {
      Weights.Entry e = weights.entry(key);
      Type one = new Type(1, Expected.size(e.shape()), e.bytes());
      out.merge(
          e.dtype(),
          one,
          (a, b) -> new Type(a.tensors() + 1, a.values() + b.values(), a.bytes() + b.bytes()));
    }
    return out;
  }

  private static Needed needed(Expected expected, Map<String, Type> dtypes) {
    long each =
        dtypes.entrySet().stream()
            .filter(e -> FLOATING.contains(e.getKey()))
            .max(Comparator.comparingLong(e -> e.getValue().values()))
            .map(e -> e.getKey().endsWith("16") ? 2L : 4L)
            .orElse(4L);
    Quantisation quantisation = expected.quantisation();
    long bytes = 0;
    long copied = 0;
    for (var e : expected.wanted().entrySet()) {
      String key = e.getKey();
      long[] shape = e.getValue();
      Weights.Entry entry = expected.found().get(key);
      boolean fits = entry != null && fits(entry, shape);
      boolean doubles = fits && entry.dtype().equals("F64");
      if (fits ? QuantisedTensors.fits(entry, shape) : covers(quantisation, key, shape)) {
        bytes += fits ? entry.bytes() : quantisation.format().bytes(shape[0], shape[1]);
        continue;
      }
      long missing = expected.derived().contains(key) ? 4 : each;
      // Doubles are rounded to floats.
      long size = fits ? entry.bytes() / (doubles ? 2 : 1) : Expected.size(shape) * missing;
      bytes += size;
      if (doubles || expected.stacked().test(key)) copied += size;
    }
    return new Needed(bytes, copied, expected.cacheBytes(), expected.positions());
  }

  private static boolean covers(Quantisation quantisation, String key, long[] shape) {
    return quantisation != null && shape.length == 2 && quantisation.covers(key);
  }
}
