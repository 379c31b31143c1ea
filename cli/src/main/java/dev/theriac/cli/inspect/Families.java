package dev.theriac.cli.inspect;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.io.PartialWeights;
import dev.theriac.io.Weights;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.ModelWeights;
import dev.theriac.llm.Quantisation;
import dev.theriac.moe.lm.MoeLanguageModel;
import dev.theriac.moe.lm.MoeModelConfig;
import dev.theriac.moe.medmoe.CheckpointKeys;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.ModelParts;
import dev.theriac.moe.medmoe.ModelShape;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.nn.KvCache;
import dev.theriac.tensor.Scope;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionDirectory;
import dev.theriac.vision.VisionParameters;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;

/** The families that Theriac reads, by the field {@code model_type} of their configurations. */
final class Families {
  /** Far above any model's; a configuration that claims more is refused before it is believed. */
  private static final int MOST_LAYERS = 4096;

  private static final List<String> VISION =
      List.of("clip", "clip_vision_model", "siglip", "siglip_vision_model");

  private Families() {}

  /** Every {@code model_type} that is read. */
  static List<String> types() {
    TreeSet<String> out = new TreeSet<>(VISION);
    out.addAll(ModelDirectory.MODEL_TYPES);
    for (CausalLmConfig.Kind kind : CausalLmConfig.Kind.values()) out.add(kind.modelType());
    for (MoeModelConfig.Kind kind : MoeModelConfig.Kind.values()) out.add(kind.modelType());
    return List.copyOf(out);
  }

  /**
   * What a directory should hold.
   *
   * @param type one of {@link #types}
   * @throws FileException when its configuration is at fault or asks for what is not supported
   */
  static Expected of(
      String type, Path directory, ConfigFields config, PartialWeights weights, ModelParts parts) {
    if (config.integer("num_hidden_layers", 0) > MOST_LAYERS) {
      throw config.wrong("num_hidden_layers", "at most " + MOST_LAYERS);
    }
    try (Scope _ = Scope.open()) {
      if (VISION.contains(type)) return vision(directory, weights);
      if (ModelDirectory.MODEL_TYPES.contains(type)) return medMoe(directory, weights, parts);
      boolean plain =
          Arrays.stream(CausalLmConfig.Kind.values()).anyMatch(k -> k.modelType().equals(type));
      return plain ? causal(directory, weights) : mixture(directory, weights);
    } catch (ArithmeticException e) {
      throw new FileException(config.file(), "sizes beyond 64 bits", e);
    }
  }

  private static Expected causal(Path directory, PartialWeights weights) {
    CausalLmConfig config = CausalLmConfig.read(directory.resolve("config.json"));
    DecoderConfig d = config.decoder();
    SequencedMap<String, long[]> wanted = CausalLm.shapes(config);
    List<String> problems = new ArrayList<>();
    SequencedMap<String, Weights.Entry> found = new LinkedHashMap<>();
    int unused = 0;
    ModelWeights view = view(directory, weights);
    for (String key : view.keys()) {
      boolean tied = d.tiedHead() && key.equals("lm_head.weight");
      if (tied || key.endsWith(".rotary_emb.inv_freq")) {
        unused++;
        continue;
      }
      String name = CausalLm.checkpointKey(key);
      Weights.Entry entry = view.entry(key);
      Weights.Entry other = found.put(wanted.containsKey(name) ? name : key, entry);
      if (other != null) {
        problems.add(
            "tensors \"%s\" and \"%s\" are the same parameter".formatted(other.key(), entry.key()));
      }
    }
    List<String> facts = new ArrayList<>(List.of(decoder(d)));
    quantisation(view.quantisation(), facts);
    if (d.tiedHead()) facts.add("the head is the embedding table");
    tokenizer(directory, facts);
    long all = Expected.size(wanted);
    return new Expected(
        name(config.kind()),
        facts,
        wanted,
        Set.of(),
        found,
        unused,
        all,
        view.quantisation(),
        key -> false,
        cache(d),
        d.reach(),
        problems);
  }

  private static String name(CausalLmConfig.Kind kind) {
    return switch (kind) {
      case PHI -> "Phi";
      case STABLELM -> "StableLM";
      case LLAMA -> "Llama";
      case MISTRAL -> "Mistral";
      case QWEN2 -> "Qwen2";
    };
  }

  private static Expected mixture(Path directory, PartialWeights weights) {
    MoeModelConfig config = MoeModelConfig.read(directory.resolve("config.json"));
    DecoderConfig d = config.decoder();
    SequencedMap<String, long[]> wanted = MoeLanguageModel.shapes(config);
    SequencedMap<String, long[]> experts = new LinkedHashMap<>(wanted);
    experts.keySet().removeIf(key -> config.kind().keys().place(key).expert() < 0);
    long routed = Expected.size(experts);
    SequencedMap<String, Weights.Entry> found = new LinkedHashMap<>();
    int unused = 0;
    ModelWeights view = view(directory, weights);
    for (String key : view.keys()) {
      boolean tied = d.tiedHead() && key.equals("lm_head.weight");
      if (tied || key.endsWith(".rotary_emb.inv_freq")) unused++;
      else found.put(key, view.entry(key));
    }
    List<String> facts = new ArrayList<>(List.of(decoder(d)));
    quantisation(view.quantisation(), facts);
    facts.add(
        "%d of %d experts for a token in %d of %d layers%s"
            .formatted(
                config.topK(),
                config.experts(),
                config.moeLayers().size(),
                d.layers(),
                config.sharedWidth() > 0 ? ", a shared expert" : ""));
    tokenizer(directory, facts);
    String family =
        switch (config.kind()) {
          case MIXTRAL -> "Mixtral";
          case QWEN2_MOE -> "Qwen2-MoE";
          case OLMOE -> "OLMoE";
        };
    long idle = routed / config.experts() * (config.experts() - config.topK());
    long active = Expected.size(wanted) - idle;
    return new Expected(
        family,
        facts,
        wanted,
        Set.of(),
        found,
        unused,
        active,
        view.quantisation(),
        key -> config.kind().keys().place(key).expert() >= 0,
        cache(d),
        d.reach(),
        List.of());
  }

  private static Expected vision(Path directory, PartialWeights weights) {
    SequencedMap<String, String> keys = VisionDirectory.keys(weights.path(), weights.keys());
    VisionConfig config = VisionDirectory.config(directory, keys);
    SequencedMap<String, long[]> wanted = new LinkedHashMap<>();
    SequencedMap<String, Weights.Entry> found = new LinkedHashMap<>();
    VisionParameters.of(config).forEach((path, shape) -> wanted.put(name(path), shape));
    keys.forEach((path, key) -> found.put(name(path), weights.entry(key)));
    List<String> facts = new ArrayList<>(List.of(encoder(config)));
    boolean described =
        Files.exists(directory.resolve("preprocessor_config.json"))
            || Files.exists(directory.resolve("processor_config.json"));
    if (!described) facts.add("no preprocessor_config.json: pictures are prepared as usual");
    String family =
        switch (config.family()) {
          case CLIP -> "CLIP image encoder";
          case SIGLIP -> "SigLIP image encoder";
        };
    int unused = weights.keys().size() - found.size();
    long all = Expected.size(wanted);
    return new Expected(
        family, facts, wanted, Set.of(), found, unused, all, null, key -> false, 0, 0, List.of());
  }

  private static String name(String path) {
    return path.startsWith("visual_projection.") ? path : "vision_model." + path;
  }

  private static Expected medMoe(Path directory, PartialWeights weights, ModelParts parts) {
    ModelDirectory.Contents contents = ModelDirectory.contents(directory, parts, weights);
    ModelShape shape = contents.shape();
    DecoderConfig d = shape.language();
    List<String> facts = new ArrayList<>(List.of(decoder(d)));
    facts.add(encoder(shape.vision()));
    if (contents.vision() != null) facts.add("image encoder in " + contents.vision());
    MoeOptions moe = shape.moe();
    if (moe != null) {
      facts.add(
          "%d of %d experts for a token in %d of %d layers, %s meta expert"
              .formatted(
                  moe.topK(),
                  moe.experts(),
                  moe.layersOf(d.layers()).size(),
                  d.layers(),
                  moe.metaExpert() ? "a" : "no"));
    }
    if (!contents.derived().isEmpty()) facts.add("routers without bias: 0 is taken");
    List<String> problems = new ArrayList<>(contents.problems());
    if (!tokenizer(directory, new ArrayList<>()) && parts.language() == null) {
      problems.add("tokenizer.json is missing, or vocab.json and merges.txt");
    }
    boolean alone =
        !weights.keys().isEmpty() && weights.keys().stream().allMatch(CheckpointKeys::isProjector);
    if (alone) facts.add("a projector alone, as the first stage leaves it");
    String family =
        "Med-MoE (%s, %s)"
            .formatted(
                d.family() == DecoderConfig.Family.PHI ? "Phi" : "StableLM",
                moe == null ? "dense, before its experts" : "experts");
    ModelWeights view = view(ModelDirectory.checkpoint(directory, parts), weights);
    quantisation(view.quantisation(), facts);
    long taken = view.keys().stream().filter(contents.found()::containsKey).count();
    return new Expected(
        family,
        facts,
        contents.wanted(),
        contents.derived(),
        contents.found(),
        weights.keys().size() - (int) taken,
        shape.activeCount(path -> true),
        view.quantisation(),
        key -> key.contains(CheckpointKeys.EXPERT),
        cache(d),
        d.reach(),
        problems);
  }

  /** By the names of checkpoints, quantised or not. */
  private static ModelWeights view(Path directory, PartialWeights weights) {
    ConfigFields config = ConfigFields.read(directory.resolve("config.json"));
    return ModelWeights.of(weights, Quantisation.read(config));
  }

  private static void quantisation(Quantisation quantisation, List<String> facts) {
    if (quantisation == null) return;
    facts.add(
        (quantisation.format().hasScales()
                ? "projections of blocks%s quantised to %s, for inference"
                : "projections of blocks%s in %s in the order of the kernels, for inference")
            .formatted(quantisation.head() ? " and head" : "", quantisation.name()));
  }

  private static String decoder(DecoderConfig d) {
    return "%d layers of width %d, %d heads (%d of keys and values), %d tokens, %d positions"
        .formatted(d.layers(), d.dim(), d.heads(), d.kvHeads(), d.vocabulary(), d.reach());
  }

  private static String encoder(VisionConfig v) {
    return "%s of %d x %d pixels in patches of %d, %d layers of width %d"
        .formatted(
            v.family() == VisionConfig.Family.CLIP ? "CLIP" : "SigLIP",
            v.imageSize(),
            v.imageSize(),
            v.patchSize(),
            v.layers(),
            v.dim());
  }

  private static long cache(DecoderConfig d) {
    return KvCache.bytes(d.layers(), 1, d.reach(), d.kvHeads(), d.headDim());
  }

  /** Whether there is one; says so where there is none, as texts then cannot be read. */
  private static boolean tokenizer(Path directory, List<String> facts) {
    boolean there =
        Files.exists(directory.resolve("tokenizer.json"))
            || Files.exists(directory.resolve("vocab.json"))
                && Files.exists(directory.resolve("merges.txt"));
    if (!there) facts.add("no tokenizer: only ids go in and come out");
    return there;
  }
}
