package dev.theriac.llm.quantised;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.io.QuantisedTensors;
import dev.theriac.io.SafeTensors;
import dev.theriac.io.Weights;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.Quantisation;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.Predicate;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Makes a quantised model directory out of another one: {@code config.json} with the field {@value
 * Quantisation#FIELD}, the weights as safetensors, and the tokenizer's and other small files as
 * they are. Weights are taken from the mapped input, rounded and written one after the other, so
 * that memory holds one at a time. For one thread.
 */
public final class Quantiser {
  private static final String HEAD_BIAS = "lm_head.bias";

  /** What was measured, written beside the model. */
  public static final String REPORT = "quantization.json";

  /** What keys begin with, but in files of a bare decoder. */
  private static final String MODEL = "model.";

  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** The field of {@link #REPORT} with {@link Result#copied}. */
  public static final String COPIED = "copied";

  /** What loading reads of an image processor. */
  private static final Set<String> PROCESSOR =
      Set.of("preprocessor_config.json", "processor_config.json");

  /** Above this a file beside the weights is none of a model's small ones. */
  private static final long SMALL = 256L << 20;

  private final Path from;
  private final Path elsewhere;
  private final Path to;
  private final Quantisation wanted;
  private final Weights file;
  private final String type;
  private final SequencedMap<String, WeightLoss> losses = new LinkedHashMap<>();
  private final SequencedMap<String, Path> along = new LinkedHashMap<>();
  private IntConsumer progress = done -> {};

  /**
   * What came of it.
   *
   * @param losses of each quantised weight, in the order of the input
   * @param kept tensors that stayed as they were
   * @param bytesBefore of all tensors of the input
   * @param bytesAfter of all tensors of the output
   * @param copied names of the files that went along; to be kept in {@link #REPORT} as {@value
   *     #COPIED}, so that quantising into the directory again removes those and no others
   */
  public record Result(
      List<WeightLoss> losses, int kept, long bytesBefore, long bytesAfter, List<String> copied) {
    /** Quantised weights, in values. */
    public long quantised() {
      return losses.stream().mapToLong(WeightLoss::size).sum();
    }

    /** Matrices with sizes that 64 does not divide: they are filled up to that. */
    public long filled() {
      return losses.stream()
          .filter(l -> (l.columns() | l.rows()) % QuantisedFormat.GROUP != 0)
          .count();
    }
  }

  /**
   * Looks at the input and writes nothing yet.
   *
   * @param from directory of a model in F32, BF16 or F16
   * @param to directory to be written; a model that {@link Quantiser} made there is replaced
   * @throws FileException when there is no model in {@code from}, it is quantised already, nothing
   *     in it can be quantised, or {@code to} holds another model
   */
  public Quantiser(Path from, Path to, Quantisation wanted) {
    this(from, from, to, wanted);
  }

  /**
   * The same of a model whose weights lie elsewhere, as those of a Med-MoE after its first stage
   * are its language model's: of these a bias of the head is left out, as loading does, and the
   * tokenizer and generation settings come from there where {@code from} has none.
   *
   * @param weights directory of the weights
   * @throws FileException as there
   */
  public Quantiser(Path from, Path weights, Path to, Quantisation wanted) {
    this.from = from;
    elsewhere = weights.equals(from) ? null : weights;
    this.to = to;
    this.wanted = wanted;
    Path config = from.resolve(ModelFiles.CONFIG);
    if (!Files.isDirectory(from)) {
      throw new FileException(from, "is not a directory; a model directory is wanted");
    }
    ConfigFields fields = ConfigFields.read(config);
    type = fields.text("model_type", "");
    Quantisation before = Quantisation.read(fields);
    if (before != null) {
      throw new FileException(
          config,
          "this model is quantised already (%s); quantise the one that it was made from"
              .formatted(before.name()));
    }
    if (wanted.head() && fields.flag("tie_word_embeddings", false)) {
      throw new FileException(
          config,
          "tie_word_embeddings is true: the head is the table of embeddings, which is read by rows"
              + " and stays as it is; leave the head out");
    }
    if (elsewhere != null) {
      Path other = elsewhere.resolve(ModelFiles.CONFIG);
      Quantisation there = Quantisation.read(ConfigFields.read(other));
      if (there != null) {
        throw new FileException(other, "this model is quantised already (" + there.name() + ")");
      }
    }
    checkOutput();
    file = Weights.open(weights);
    if (wanted.head() && !file.keys().contains(Quantisation.HEAD)) {
      throw new FileException(file.path(), "there is no head \"" + Quantisation.HEAD + "\"");
    }
    if (file.keys().stream().noneMatch(wanted::covers)) {
      throw new FileException(
          file.path(),
          "none of the %d tensors is a projection of a decoder's block, such as"
                  .formatted(file.keys().size())
              + " \"model.layers.0.self_attn.q_proj.weight\"; nothing to quantise");
    }
    for (String key : file.keys()) {
      String bare = key.startsWith(MODEL) ? key.substring(MODEL.length()) : key;
      if (!bare.equals(key) && file.keys().contains(bare)) {
        throw new FileException(
            file.path(), "tensors \"%s\" and \"%s\" are the same parameter".formatted(bare, key));
      }
      if (wanted.covers(key)) {
        check(key);
        String matrix = QuantisedTensors.key(key, wanted.format());
        if (file.keys().contains(matrix)) {
          throw new FileException(
              file.entry(matrix).file(),
              "tensor \"%s\" has the name that \"%s\" would get; rename it".formatted(matrix, key));
        }
      }
    }
  }

  private void check(String key) {
    Weights.Entry entry = file.entry(key);
    if (!file.dtype(key).isFloating() || entry.shape().length != 2) {
      throw new FileException(
          entry.file(),
          "tensor \"%s\" is %s; F32, BF16 or F16 [outputs, inputs] can be quantised"
              .formatted(key, entry.describe()));
    }
  }

  private void checkOutput() {
    Path config = to.resolve(ModelFiles.CONFIG);
    if (!Files.exists(to)) return;
    try (Stream<Path> files = Files.list(to)) {
      if (Files.isSameFile(from, to)) {
        throw new FileException(to, "is the model that is read; name another directory");
      }
      if (files.findAny().isEmpty()) return;
    } catch (IOException e) {
      throw new FileException(to, "cannot be read: " + e.getMessage(), e);
    }
    boolean own;
    try {
      own = Quantisation.read(ConfigFields.read(config)) != null;
    } catch (FileException e) {
      own = false;
    }
    if (!own) {
      throw new FileException(
          to, "holds files that are no quantised model; name another directory, or remove it");
    }
  }

  /** Weights to be quantised. */
  public int count() {
    return (int) file.keys().stream().filter(wanted::covers).count();
  }

  /** Calls {@code done} with the number of weights quantised so far. */
  public Quantiser onProgress(IntConsumer done) {
    progress = done;
    return this;
  }

  /**
   * Writes a further small file beside the weights.
   *
   * @param name in the output
   * @throws FileException when it is too large to be one, or cannot be read
   */
  public Quantiser along(Path other, String name) {
    try {
      if (Files.size(other) > SMALL) {
        throw new FileException(
            other, "%d bytes; at most %d go along".formatted(Files.size(other), SMALL));
      }
    } catch (IOException e) {
      throw new FileException(other, "cannot be read: " + e.getMessage(), e);
    }
    along.put(name, other);
    return this;
  }

  /**
   * Quantises and writes.
   *
   * @throws FileException naming the tensor that is not finite, or a file that cannot be written;
   *     an earlier model is then intact
   */
  public Result run() {
    return run(ModelFiles.SHARD_BYTES);
  }

  /**
   * The same.
   *
   * @param shardBytes most that a file of weights holds, unless a single one is larger
   */
  public Result run(long shardBytes) {
    SequencedMap<String, SafeTensors.Source> sources = new LinkedHashMap<>();
    long before = 0;
    long after = 0;
    int kept = 0;
    for (String key : file.keys()) {
      if (elsewhere != null && key.equals(HEAD_BIAS)) continue;
      if (!wanted.covers(key)) kept++;
      long[] shape = file.entry(key).shape();
      DType dtype = file.dtype(key);
      before += bytes(dtype, shape);
      if (wanted.covers(key)) {
        losses.put(key, null);
        long[] tiles = QuantisedTensors.shape(wanted.format(), shape[0], shape[1]);
        after += bytes(DType.U8, tiles);
        sources.put(
            QuantisedTensors.key(key, wanted.format()),
            new SafeTensors.Source(DType.U8, tiles, () -> quantise(key)));
      } else {
        after += bytes(dtype, shape);
        sources.put(key, new SafeTensors.Source(dtype, shape, () -> file.get(key)));
      }
    }
    SequencedMap<String, byte[]> small = smallFiles();
    Predicate<String> earlier = earlier();
    ModelFiles.writeSources(to, small, sources, file.metadata(), shardBytes);
    removeFilesOfEarlier(small, earlier);
    List<WeightLoss> all = new ArrayList<>(losses.values());
    List<String> copied =
        small.keySet().stream().filter(n -> !n.equals(ModelFiles.CONFIG)).toList();
    return new Result(all, kept, before, after, copied);
  }

  private static long bytes(DType dtype, long[] shape) {
    long bytes = dtype.bytes();
    for (long size : shape) bytes *= size;
    return bytes;
  }

  private Tensor quantise(String key) {
    Tensor weight = file.get(key);
    QuantisedMatrix matrix;
    try {
      matrix = Quantised.quantise(weight, wanted.format());
    } catch (IllegalArgumentException e) {
      throw new FileException(
          file.entry(key).file(), "tensor \"%s\": %s".formatted(key, e.getMessage()), e);
    }
    losses.put(key, WeightLoss.of(key, file.entry(key).dtype(), weight, matrix));
    progress.accept((int) losses.values().stream().filter(Objects::nonNull).count());
    return QuantisedTensors.tensor(matrix);
  }

  /** The configuration with the field, and whatever else is no weight. */
  private SequencedMap<String, byte[]> smallFiles() {
    SequencedMap<String, byte[]> out = new LinkedHashMap<>();
    Path config = from.resolve(ModelFiles.CONFIG);
    try (Stream<Path> files = Files.list(from)) {
      ObjectNode root = (ObjectNode) JSON.readTree(Files.readAllBytes(config));
      root.set(Quantisation.FIELD, wanted.json());
      out.put(ModelFiles.CONFIG, ModelFiles.utf8(ModelFiles.pretty(root)));
      for (var e : along.entrySet()) out.put(e.getKey(), Files.readAllBytes(e.getValue()));
      for (Path f : files.sorted().toList()) {
        String name = f.getFileName().toString();
        if (!isSmall(name) && !isPart(name) || !Files.isRegularFile(f) || Files.size(f) > SMALL)
          continue;
        out.putIfAbsent(name, Files.readAllBytes(f));
      }
      if (elsewhere != null) {
        List<String> names = new ArrayList<>(ModelFiles.TOKENIZER);
        names.add(ModelFiles.GENERATION);
        ModelFiles.read(names, elsewhere).forEach(out::putIfAbsent);
      }
    } catch (IOException e) {
      throw new FileException(from, "cannot be read: " + e.getMessage(), e);
    }
    return out;
  }

  /** What an earlier model had and this one has not: it would be read with this one's weights. */
  private void removeFilesOfEarlier(
      SequencedMap<String, byte[]> written, Predicate<String> earlier) {
    try (Stream<Path> files = Files.list(to)) {
      for (Path f : files.toList()) {
        String name = f.getFileName().toString();
        boolean stale = earlier.test(name) && !written.containsKey(name) || name.equals(REPORT);
        if (stale && Files.isRegularFile(f)) Files.delete(f);
      }
    } catch (IOException e) {
      throw new FileException(to, "an earlier model's file stays: " + e.getMessage(), e);
    }
  }

  /**
   * Files that the earlier run put there, by its report. Without a list, those that would be read
   * with the new weights: others may be the user's.
   */
  private Predicate<String> earlier() {
    Path report = to.resolve(REPORT);
    try {
      if (Files.isRegularFile(report)) {
        ConfigFields fields = ConfigFields.read(report);
        if (fields.has(COPIED)) {
          Set<String> copied = Set.copyOf(fields.anyTexts(COPIED));
          return name -> copied.contains(name) && (isSmall(name) || isAnyPart(name));
        }
      }
    } catch (FileException e) {
      // A report that cannot be read has no list.
    }
    return name ->
        ModelFiles.TOKENIZER.contains(name)
            || name.equals(ModelFiles.GENERATION)
            || PROCESSOR.contains(name)
            || isAnyPart(name);
  }

  /** Parts of a Med-MoE that its authors publish beside the weights are taken along. */
  private boolean isPart(String name) {
    return name.equals(ModelFiles.PROJECTOR) || name.equals(ModelFiles.router(type));
  }

  private static boolean isAnyPart(String name) {
    return name.equals(ModelFiles.PROJECTOR)
        || name.equals(ModelFiles.router("phi"))
        || name.equals(ModelFiles.router("stablelm"));
  }

  private static boolean isSmall(String name) {
    if (name.endsWith(".index.json") || name.equals(REPORT)) return false;
    return name.matches("[^.].*\\.(json|jinja|txt|model|md)|(LICENSE|LICENCE|NOTICE).*");
  }
}
