package dev.theriac.bench.fullsize;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Consumer;

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

  static FullSizeModel of(String id) {
    return published().stream().filter(m -> m.id.equals(id)).findFirst().orElseThrow();
  }

  /** In BF16. */
  long bytes() {
    return 2 * new ModelShape(vision, language, null).count(_ -> true);
  }

  /**
   * Bytes of weights that a decoding step reads: everything in the decoder but the embedding table,
   * of which it reads a row.
   */
  long bytesPerToken() {
    return 2 * (decoderParameters() - (long) (language.vocabulary() - 1) * language.dim());
  }

  /** Multiply-adds of {@code positions} in the decoder's matrices, the head for one, doubled. */
  double promptFlops(long positions) {
    long table = (long) language.vocabulary() * language.dim();
    // Two products of attention, causal: half of positions squared.
    double attention = 2.0 * language.layers() * language.dim() * positions * positions;
    return 2.0 * (decoderParameters() - 2 * table) * positions + 2.0 * table + attention;
  }

  private long decoderParameters() {
    return new ModelShape(vision, language, null).count(path -> path.startsWith("language."));
  }

  /** The folder under {@code models}, written unless it is there. */
  Path in(Path models, Consumer<String> note) {
    Path folder = models.resolve(id);
    if (Files.exists(folder.resolve("config.json"))) return folder;
    note.accept(
        "writing %s with random weights, %.1f GB, to %s".formatted(id, bytes() / 1e9, folder));
    write(folder);
    return folder;
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
