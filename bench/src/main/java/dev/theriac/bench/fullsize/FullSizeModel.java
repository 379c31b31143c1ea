package dev.theriac.bench.fullsize;

import dev.theriac.io.FileException;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.ModelShape;
import dev.theriac.moe.medmoe.Provenance;
import dev.theriac.nn.Parameter;
import dev.theriac.tensor.Rng;
import dev.theriac.vision.Projector;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * A dense Med-MoE with random weights.
 *
 * @param id as {@code --shape} takes it, and the name of its folder
 * @param tokens of its tokenizer
 */
record FullSizeModel(String id, VisionConfig vision, DecoderConfig language, int tokens) {
  private static final long SHARD_BYTES = 2_000_000_000L;
  private static final double STD = 0.02;
  private static final long SEED = 1;
  private static final String DECODER = "language.";

  /**
   * Those that Med-MoE starts from, in their published sizes: microsoft/phi-2 and
   * stabilityai/stablelm-2-1_6b, each with openai/clip-vit-large-patch14-336; 3.1 and 2.0 billion
   * parameters.
   */
  static List<FullSizeModel> published() {
    VisionConfig clip = VisionConfig.clipLarge336();
    return List.of(
        new FullSizeModel("phi-2", clip, DecoderConfig.phi2(), 50_296),
        new FullSizeModel("stablelm-2", clip, DecoderConfig.stableLm2(), 100_289));
  }

  /** A small one for tests, which no {@code --shape} names. */
  static final FullSizeModel TINY =
      new FullSizeModel("tiny", VisionConfig.small(32), DecoderConfig.small(700), 650);

  static FullSizeModel of(String id) {
    return Stream.concat(published().stream(), Stream.of(TINY))
        .filter(m -> m.id.equals(id))
        .findFirst()
        .orElseThrow();
  }

  /** The name of the copy in that precision: that of its folder, and its shape in tables. */
  String id(Precision precision) {
    return precision == Precision.BF16 ? id : id + "-" + precision.id();
  }

  /** Of all weights. */
  long bytes(Precision precision) {
    return bytes(precision, _ -> true);
  }

  /**
   * Bytes of weights that a decoding step reads: everything in the decoder but the embedding table,
   * of which it reads a row.
   */
  long bytesPerToken(Precision precision) {
    long others = 2L * (language.vocabulary() - 1) * language.dim();
    return bytes(precision, path -> path.startsWith(DECODER)) - others;
  }

  private long bytes(Precision precision, Predicate<String> wanted) {
    return new ModelShape(vision, language, null)
        .parameters().entrySet().stream()
            .filter(e -> wanted.test(e.getKey()))
            .mapToLong(e -> precision.bytes(e.getKey().replaceFirst(DECODER, ""), e.getValue()))
            .sum();
  }

  /** Multiply-adds of {@code positions} in the decoder's matrices, the head for one, doubled. */
  double promptFlops(long positions) {
    long table = (long) language.vocabulary() * language.dim();
    // Two products of attention, causal: half of positions squared.
    double attention = 2.0 * language.layers() * language.dim() * positions * positions;
    return 2.0 * (decoderParameters() - 2 * table) * positions + 2.0 * table + attention;
  }

  private long decoderParameters() {
    return new ModelShape(vision, language, null).count(path -> path.startsWith(DECODER));
  }

  /**
   * The folder under {@code models}, written by a process of its own unless it is there. It has its
   * name only when it is whole.
   *
   * @throws FileException when a folder of that name holds something else
   */
  Path in(Path models, Precision precision, Consumer<String> note) throws IOException {
    Path folder = models.resolve(id(precision));
    if (Files.exists(folder.resolve(ModelFiles.CONFIG))) return folder;
    if (Files.exists(folder) && !(Files.isDirectory(folder) && isEmpty(folder))) {
      throw new FileException(folder, "is no model; name another folder with --dir, or remove it");
    }
    Path source = precision == Precision.BF16 ? null : in(models, Precision.BF16, note);
    String what = source == null ? "with random weights" : precision.madeFrom(source);
    note.accept(
        String.format(
            Locale.ROOT,
            "writing %s %s, %.1f GB, to %s",
            id,
            what,
            bytes(precision) / 1e9,
            folder));
    Path unfinished = models.resolve(id(precision) + ".unfinished");
    remove(unfinished);
    try {
      Files.createDirectories(unfinished);
      if (source == null) ModelProcess.write(this, unfinished);
      else ModelProcess.quantise(source, precision, unfinished);
      Files.deleteIfExists(folder);
      Files.move(unfinished, folder);
    } finally {
      remove(unfinished);
    }
    return folder;
  }

  private static boolean isEmpty(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.findAny().isEmpty();
    }
  }

  private static void remove(Path folder) throws IOException {
    if (!Files.exists(folder)) return;
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
    }
  }

  /** Takes as much memory as the weights. */
  void write(Path folder) {
    try (HuggingFaceTokenizerFile tokenizer = WideTokenizer.of(tokens)) {
      MedMoe model = blank(tokenizer);
      SequencedMap<String, Parameter> parameters = model.parameters();
      RandomWeights random = new RandomWeights(SEED);
      parameters.forEach((path, p) -> {
        long[] shape = p.value().shape();
        boolean norm = shape.length == 1 && path.endsWith(".weight");
        p.setTrainable(false);
        p.set(random.next(norm ? 1 : 0, norm ? 5 * STD : STD, shape));
      });
      Provenance provenance = Provenance.of(SEED, "theriac bench full-size: random weights", "");
      ModelDirectory.save(model, folder, provenance, SHARD_BYTES);
    }
  }

  private MedMoe blank(HuggingFaceTokenizerFile tokenizer) {
    Rng none = Rng.placeholders(0);
    return MedMoe.builder()
        .vision(new VisionTransformer(vision, none))
        .projector(new Projector(vision.dim(), language.dim(), none, STD))
        .language(new Decoder(language, none))
        .tokenizer(tokenizer)
        .build();
  }
}
