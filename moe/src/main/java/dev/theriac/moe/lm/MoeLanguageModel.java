package dev.theriac.moe.lm;

import dev.theriac.backend.Backends;
import dev.theriac.io.FileException;
import dev.theriac.llm.BesideWeights;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderParameters;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.Generator;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.ModelWeights;
import dev.theriac.llm.NextTokenLoss;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.moe.Experts;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.Routing;
import dev.theriac.moe.SharedExpert;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Index;
import dev.theriac.op.Loss;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * A causal language model with mixtures of experts: Mixtral, Qwen2-MoE or OLMoE. Parameter paths
 * are those of {@link Decoder}; {@link ExpertKeys} leads to the names of checkpoints. It runs on
 * the device where its parameters are ({@link #to}); ids, lengths and labels may be anywhere.
 *
 * <pre>{@code
 * MoeLanguageModel model = MoeLanguageModel.load(directory);
 * Tensor loss = model.forward(ids, lengths, labels).loss();
 * List<int[]> answers = model.generate(prompts, GenerationConfig.greedy(20));
 * }</pre>
 */
public final class MoeLanguageModel extends Module {
  private final MoeModelConfig config;
  private final Decoder decoder;
  private BesideWeights beside;

  /**
   * A model with fresh weights, to be trained. With one expert for each token and renormalised
   * weights the routers get no gradient but that of the {@link #auxiliary} loss; a warning is
   * logged.
   */
  public MoeLanguageModel(MoeModelConfig config, Rng rng) {
    this.config = config;
    beside = BesideWeights.none(config.endIds());
    if (single(config)) SingleRenormalised.warn(config.kind());
    decoder =
        part(
            "decoder",
            new Decoder(config.decoder(), rng, (d, layer, r) -> feedForward(config, d, layer, r)));
  }

  private static boolean single(MoeModelConfig config) {
    return config.topK() == 1 && config.weighting() == Weighting.RENORMALISED;
  }

  private static FeedForward feedForward(
      MoeModelConfig config, DecoderConfig decoder, int layer, Rng rng) {
    if (!config.moeLayers().contains(layer)) return new DenseFeedForward(decoder, rng);
    double std = decoder.initStd();
    RouterConfig.Builder router =
        RouterConfig.builder(decoder.dim(), config.experts(), config.topK())
            .weighting(config.weighting())
            .jitter(config.jitter());
    if (single(config)) router.allowSingleRenormalised();
    var experts =
        new Experts.Shape(
            config.experts(),
            decoder.dim(),
            config.expertWidth(),
            true,
            false,
            decoder.options().activation());
    SharedExpert shared =
        config.sharedWidth() == 0
            ? null
            : new SharedExpert.Gated(
                new DenseFeedForward(decoder, config.sharedWidth(), rng),
                new Linear(decoder.dim(), 1, false, rng, std));
    return new MoeLayer(
        new Router(router.build(), rng), Experts.fresh(experts, DType.F32, rng, std), shared);
  }

  public MoeModelConfig config() {
    return config;
  }

  public Decoder decoder() {
    return decoder;
  }

  /**
   * What a pass gives.
   *
   * @param logits [B, T, vocabulary]
   * @param loss cross-entropy + coefficient * auxiliary, rank 0; null without labels
   * @param crossEntropy mean over the labels that count, rank 0; null without labels
   * @param auxiliary {@link #auxiliary load-balance loss}, rank 0
   * @param routing the decisions of each layer with experts, in order
   */
  public record Forward(
      Tensor logits, Tensor loss, Tensor crossEntropy, Tensor auxiliary, List<Routing> routing) {}

  /**
   * Runs the model.
   *
   * @param ids I64 [B, T], filled up at the end of rows with any token
   * @param lengths I64 [B], tokens of each row; null for all
   * @param labels I64 [B, T], the ids, or {@link Loss#IGNORE_INDEX} where nothing is to be learned;
   *     position t is predicted from those before it, so that of rows of one token nothing is
   *     learned: the cross-entropy is then 0 with zero gradient. Null for none
   * @throws IllegalArgumentException naming the shapes when there is no token, or not a label for
   *     each
   */
  public Forward forward(Tensor ids, Tensor lengths, Tensor labels) {
    if (ids.rank() != 2 || ids.size() == 0) {
      throw new IllegalArgumentException(
          "moe model: ids of shape %s; [B, T] with one token or more is wanted"
              .formatted(ids.layout()));
    }
    if (labels != null && !labels.layout().sameShape(ids.layout())) {
      throw new IllegalArgumentException(
          "moe model: labels of shape %s for ids of shape %s; give one for each id"
              .formatted(labels.layout(), ids.layout()));
    }
    long batch = ids.size(0);
    long length = ids.size(1);
    long[] positions = new long[Math.toIntExact(batch * length)];
    for (int i = 0; i < positions.length; i++) positions[i] = i % length;
    Decoder.Output out =
        decoder.forward(
            decoder.embed(ids, config.padId()),
            Tensor.of(positions, batch, length),
            lengths,
            null,
            false);
    Tensor logits = decoder.logits(out.hidden());
    List<Routing> routing = new ArrayList<>();
    for (FeedForward.SideOutput side : out.sides()) {
      if (side instanceof MoeLayer.Side s) routing.add(s.routing());
    }
    Tensor auxiliary = auxiliary(routing, logits.device());
    if (labels == null) return new Forward(logits, null, null, auxiliary, routing);
    Tensor crossEntropy = NextTokenLoss.of(logits, labels);
    Tensor loss = crossEntropy.add(auxiliary.mul(config.auxiliaryCoefficient()));
    return new Forward(logits, loss, crossEntropy, auxiliary, routing);
  }

  /**
   * The load-balance loss as these models were trained with (Fedus et al., "Switch transformers",
   * equations 4 to 6, over k choices): the tokens of all layers are taken together, E * sum over
   * experts of (choices of the expert / tokens) * (its mean probability). k when perfectly even.
   * Filling does not count; 0 when there are no tokens.
   */
  static Tensor auxiliary(List<Routing> routing, Device device) {
    Tensor choices = null;
    Tensor probabilities = null;
    long rows = 0;
    for (Routing r : routing) {
      Tensor p = r.probabilities();
      Tensor ids = r.experts();
      if (r.mask() != null && !r.mask().isAll()) {
        Tensor counted = Tensor.of(p.device(), r.mask().positions(), r.mask().count());
        p = Index.gatherRows(p, counted);
        ids = Index.gatherRows(ids, counted);
      }
      long tokens = p.size(0);
      rows += tokens;
      Tensor c =
          Index.scatterColumns(
                  Tensor.full(p.device(), 1, DType.F32, tokens, r.topK()), ids, r.expertCount())
              .sum(0, false);
      choices = choices == null ? c : choices.add(c);
      Tensor sum = p.sum(0, false);
      probabilities = probabilities == null ? sum : probabilities.add(sum);
    }
    if (rows == 0) return Tensor.zeros(device);
    double factor = choices.size() / ((double) rows * rows);
    return choices.mul(probabilities).sum().mul(factor);
  }

  /**
   * Continues prompts.
   *
   * @param prompts ids of each, one or more
   * @return the new ids of each prompt, without the end token
   */
  public List<int[]> generate(List<int[]> prompts, GenerationConfig generation) {
    return new Generator(decoder, generation).generate(prompts);
  }

  /**
   * How the model's files say it should generate; for one that was not read, greedily 20 tokens.
   */
  public GenerationConfig generation() {
    return beside.generation();
  }

  /** Sets what {@link #save} writes to {@code generation_config.json}. */
  public void setGeneration(GenerationConfig settings) {
    beside.setGeneration(settings);
  }

  /**
   * The tokenizer of the model's directory, opened when it is first asked for.
   *
   * @throws dev.theriac.llm.tokenizer.TokenizerException when its files are missing or at fault
   * @throws IllegalStateException for a model that was not read and was given none
   */
  public HuggingFaceTokenizerFile tokenizer() {
    return beside.tokenizer();
  }

  /** Sets the tokenizer, whose files {@link #save} writes. */
  public void setTokenizer(HuggingFaceTokenizerFile tokenizer) {
    beside.setTokenizer(tokenizer);
  }

  /** The parameters by the names of checkpoints, experts one by one; views, nothing is copied. */
  public SequencedMap<String, Tensor> checkpoint() {
    return config.kind().keys().split(values());
  }

  private SequencedMap<String, Tensor> values() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    decoder.parameters().forEach((path, p) -> out.put(path, p.value()));
    return out;
  }

  /**
   * Takes the parameters' values from a checkpoint's tensors.
   *
   * @throws IllegalArgumentException naming what is missing, unknown or of another shape
   */
  public void loadCheckpoint(Map<String, Tensor> checkpoint) {
    try (Scope _ = Scope.open()) {
      decoder.load(config.kind().keys().join(checkpoint));
    }
  }

  /**
   * Writes {@code config.json}, {@code generation_config.json}, {@code model.safetensors} (several
   * with an index above 5 GB) and the tokenizer's files, as Hugging Face's tools read them.
   */
  public void save(Path directory) {
    SequencedMap<String, Tensor> weights = checkpoint();
    String dtype = ModelFiles.torchName(weights.firstEntry().getValue().dtype());
    SequencedMap<String, byte[]> small = new LinkedHashMap<>();
    small.put(ModelFiles.CONFIG, ModelFiles.utf8(config.json(dtype)));
    small.putAll(beside.files());
    ModelFiles.write(directory, small, weights, Map.of("format", "pt"), ModelFiles.SHARD_BYTES);
  }

  /**
   * Reads a model directory, ready to answer, with {@code generation_config.json} if there is one;
   * the tokenizer is opened when it is asked for. Weights keep the type they are stored in; they
   * stay in their files, mapped, but for those of experts, which are copied to be stacked unless
   * they are {@link dev.theriac.llm.Quantisation quantised}. Nothing else of their size is made. A
   * model with quantised weights is for inference, its parameters are frozen.
   *
   * @throws FileException naming the file and the field or key that is missing, unknown, of the
   *     wrong type or shape, or the file and both sizes when the experts' weights would not fit
   *     into {@code theriac.memory.limit}
   */
  public static MoeLanguageModel load(Path directory) {
    MoeModelConfig config = MoeModelConfig.read(directory.resolve(ModelFiles.CONFIG));
    Backends.prepareFor(directory);
    ModelWeights file = ModelWeights.open(directory);
    SequencedMap<String, ExpertKeys.Place> places = places(config, file);
    MoeLanguageModel model = new MoeLanguageModel(config, Rng.placeholders(0));
    checkMemory(file, places);
    try {
      model.load(file, places);
    } catch (IllegalArgumentException e) {
      throw new FileException(file.path(), e.getMessage(), e);
    }
    model.train(false);
    model.beside = BesideWeights.read(directory, config.endIds());
    return model;
  }

  /**
   * Where the tensors of a file belong.
   *
   * @throws FileException when it holds other tensors than the configuration describes
   */
  private static SequencedMap<String, ExpertKeys.Place> places(
      MoeModelConfig config, ModelWeights file) {
    DecoderParameters.checkCount(config.decoder(), file);
    if ((long) config.moeLayers().size() * config.experts() > file.keys().size()) {
      throw new FileException(
          file.path(),
          "config.json describes %d layers of %d experts, but there are only %d tensors"
              .formatted(config.moeLayers().size(), config.experts(), file.keys().size()));
    }
    file.expect(shapes(config), key -> isIgnored(config, key));
    return config.kind().keys().placesOf(MoeParameters.of(config));
  }

  /** What a checkpoint holds, without a model of its size: shapes by the names of tensors. */
  public static SequencedMap<String, long[]> shapes(MoeModelConfig config) {
    SequencedMap<String, long[]> shapes = MoeParameters.of(config);
    SequencedMap<String, long[]> out = new LinkedHashMap<>();
    config
        .kind()
        .keys()
        .placesOf(shapes)
        .forEach((key, place) -> {
          long[] shape = shapes.get(place.path());
          boolean one = place.expert() >= 0;
          out.put(key, one ? Arrays.copyOfRange(shape, 1, shape.length) : shape);
        });
    return out;
  }

  /** A head that is tied, and tables of older files. */
  private static boolean isIgnored(MoeModelConfig config, String key) {
    boolean head = config.decoder().tiedHead() && key.equals("lm_head.weight");
    return head || key.endsWith(".rotary_emb.inv_freq");
  }

  private void load(ModelWeights file, SequencedMap<String, ExpertKeys.Place> places) {
    SequencedMap<String, Parameter> parameters = decoder.parameters();
    SequencedMap<String, List<QuantisedMatrix>> quantised = new LinkedHashMap<>();
    places.forEach((key, place) -> {
      if (!file.isQuantised(key)) return;
      quantised
          .computeIfAbsent(place.path(), _ -> new ArrayList<>())
          .add(file.matrix(key, parameters.get(place.path()).shape()));
    });
    try (Scope _ = Scope.open()) {
      SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
      for (String key : places.keySet()) {
        if (!file.isQuantised(key)) tensors.put(key, file.get(key));
      }
      decoder.load(config.kind().keys().join(tensors), quantised);
    }
  }

  /** Before anything is copied: the experts' weights, stacked, are what loading needs. */
  private static void checkMemory(
      ModelWeights file, SequencedMap<String, ExpertKeys.Place> places) {
    Memory.Stats memory = Memory.stats();
    if (memory.limit() <= 0) return;
    long needed = 0;
    for (var e : places.entrySet()) {
      boolean copied = e.getValue().expert() >= 0 && !file.isQuantised(e.getKey());
      if (copied) needed += file.entry(e.getKey()).bytes();
    }
    long free = memory.limit() - memory.live();
    if (needed > free) {
      throw new FileException(
          file.path(),
          "the experts' weights take %d bytes, and of theriac.memory.limit=%d there are %d left; raise it"
              .formatted(needed, memory.limit(), free));
    }
  }
}
