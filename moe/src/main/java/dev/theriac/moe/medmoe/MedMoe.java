package dev.theriac.moe.medmoe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderLayer;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.Generator;
import dev.theriac.llm.tokenizer.StreamingDecoder;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.Experts;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.SharedExpert;
import dev.theriac.moe.medmoe.prompt.Batch;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.nn.Module;
import dev.theriac.op.Autograd;
import dev.theriac.op.Index;
import dev.theriac.op.Loss;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.Projector;
import dev.theriac.vision.VisionTransformer;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Preprocess;
import dev.theriac.vision.image.Preprocessing;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Med-MoE (Jiang et al., arXiv 2404.10237): a vision encoder, a projector and a decoder whose every
 * other feed-forward may be a mixture of domain experts with an always-active meta expert. Until
 * {@link #upcycle} it is the dense model of the first two stages.
 *
 * <p>It runs on the device where its parameters are ({@link #to}), to which it brings words and
 * pictures; {@code Device.with(device, () -> MedMoe.load(directory))} reads a model to another one
 * than the CPU.
 *
 * <p>Fresh and up-cycled models are ready to answer: dropout is off until a stage trains them.
 * Answering questions is safe from several threads; training is not.
 */
public final class MedMoe extends Module {
  private final VisionTransformer vision;
  private final Projector projector;
  private final Decoder language;
  private final Tokenizer tokenizer;
  private final Preprocessing preprocessing;
  private final MoeOptions moe;
  private final KeptFiles kept;

  MedMoe(
      VisionTransformer vision,
      Projector projector,
      Decoder language,
      Tokenizer tokenizer,
      Preprocessing preprocessing,
      MoeOptions moe,
      KeptFiles kept) {
    this.kept = kept;
    this.vision = part("vision", vision);
    this.projector = part("projector", projector);
    this.language = part("language", language);
    this.tokenizer = tokenizer;
    this.preprocessing = preprocessing;
    this.moe = moe;
    train(false);
  }

  public static MedMoeBuilder builder() {
    return new MedMoeBuilder();
  }

  public VisionTransformer vision() {
    return vision;
  }

  public Projector projector() {
    return projector;
  }

  public Decoder language() {
    return language;
  }

  public Tokenizer tokenizer() {
    return tokenizer;
  }

  public Preprocessing preprocessing() {
    return preprocessing;
  }

  /** How experts were made, or null for a dense model. */
  public MoeOptions moe() {
    return moe;
  }

  /** What its directory had beside the weights; {@link #save} writes it back. */
  KeptFiles kept() {
    return kept;
  }

  /** The layers that are mixtures of experts, by decoder layer; empty for a dense model. */
  public List<MoeLayer> moeLayers() {
    List<MoeLayer> found = new ArrayList<>();
    for (DecoderLayer layer : language.layers()) {
      if (layer.feedForward() instanceof MoeLayer m) found.add(m);
    }
    return found;
  }

  /**
   * What a forward pass gives.
   *
   * @param loss mean cross-entropy of the answers' tokens (plus the auxiliary losses times their
   *     coefficient), rank 0
   * @param tokens positions computed, padding included
   * @param learned tokens that were predicted
   * @param output the decoder's hidden states and what its MoE layers returned
   */
  public record Forward(Tensor loss, long tokens, long learned, Decoder.Output output) {}

  /**
   * Loss of a batch of examples.
   *
   * @param pixels the pictures in the order of the examples, [3, S, S] each, preprocessed
   */
  public Forward forward(List<Example> examples, float[][] pixels) {
    ModelInput in = input(examples, pixels);
    Decoder.Output out = language.forward(embed(in), in.positions(), in.lengths(), null, false);
    Tensor predicted =
        Index.gatherRows(
            out.hidden().reshape((long) in.batch() * in.length(), -1), in.targetPositions());
    Tensor loss = Loss.crossEntropy(language.logits(predicted), in.targets());
    if (moe != null && moe.auxiliaryCoefficient() != 0) {
      for (FeedForward.SideOutput side : out.sides()) {
        if (side instanceof MoeLayer.Side s) {
          loss = loss.add(s.routing().auxiliaryLoss().mul(moe.auxiliaryCoefficient()));
        }
      }
    }
    return new Forward(loss, (long) in.batch() * in.length(), in.targets().size(), out);
  }

  /**
   * For each example the mean of all hidden states, over layers (the embedded input, every block,
   * the last after the final norm) and over the positions that are not padding: [B * dim], row by
   * row.
   */
  public float[] pooledStates(List<Example> examples, float[][] pixels) {
    try (Scope _ = Scope.open()) {
      ModelInput in = input(examples, pixels);
      Decoder.Output out = language.forward(embed(in), in.positions(), in.lengths(), null, true);
      long[] lengths = in.lengths().toLongs();
      float[] share = new float[in.batch() * in.length()];
      for (int b = 0; b < in.batch(); b++) {
        float each = 1f / (lengths[b] * out.hiddenStates().size());
        Arrays.fill(share, b * in.length(), b * in.length() + (int) lengths[b], each);
      }
      Tensor weights = Tensor.of(language.device(), share, in.batch(), 1, in.length());
      Tensor sum = Tensor.zeros(language.device(), in.batch(), 1, language.config().dim());
      for (Tensor state : out.hiddenStates()) sum = sum.add(weights.matmul(state));
      return sum.toFloats();
    }
  }

  ModelInput input(List<Example> examples, float[][] pixels) {
    Batch batch = Batch.of(examples, vision.config().features(), tokenizer.padId());
    return ModelInput.of(batch, pixels, preprocessing.size(), language.device());
  }

  /** Text and picture vectors in their places, padding zero: [B, L, dim]. */
  Tensor embed(ModelInput in) {
    List<Tensor> rows = new ArrayList<>();
    rows.add(language.embed(in.textIds()));
    if (in.images() != null) {
      Tensor seen =
          Autograd.enabled()
              ? projector.forward(vision.features(in.images()))
              : Scope.call(() -> projector.forward(vision.features(in.images())));
      rows.add(seen.reshape(-1, seen.size(-1)).to(language.device()));
    }
    rows.add(Tensor.zeros(language.device(), 1, language.config().dim()));
    return Index.gatherRows(ShapeFunctions.concat(0, rows), in.order())
        .reshape(in.batch(), in.length(), -1);
  }

  /** A picture as the encoder takes it, [3, S, S]. */
  public float[] preprocess(Image image) {
    return Preprocess.apply(image, preprocessing);
  }

  /**
   * The answer to a question about a picture, by the settings of {@link #generation}.
   *
   * @throws IllegalArgumentException for an empty question
   */
  public String ask(Image image, String question) {
    return ask(List.of(image), List.of(question), generation()).getFirst();
  }

  /**
   * The answer to a question about a picture, given out piece by piece while it is written.
   *
   * @param onText receives each piece of text as soon as it is final
   * @return the whole answer
   */
  public String ask(
      Image image, String question, GenerationConfig config, Consumer<String> onText) {
    return ask(image, question, config, onText, new Generator.PassListener() {});
  }

  /**
   * The same, seen and steered from outside.
   *
   * @param onText is called for each new token, with empty text where it completes no character,
   *     and once at the end
   * @param passes sees each pass over the decoder, the first when the picture has been encoded
   */
  public String ask(
      Image image,
      String question,
      GenerationConfig config,
      Consumer<String> onText,
      Generator.PassListener passes) {
    int[] prompt =
        new PromptEncoder(tokenizer, Template.PHI, Integer.MAX_VALUE)
            .inference(Conversation.ask(question));
    StreamingDecoder text = tokenizer.streaming();
    List<int[]> ids =
        generate(
            List.of(prompt),
            new float[][] {preprocess(image)},
            config,
            (row, id) -> onText.accept(text.add(id)),
            passes);
    onText.accept(text.finish());
    return tokenizer.decode(ids.getFirst(), true).strip();
  }

  /** Answers to one question for each picture, in one batch. */
  public List<String> ask(List<Image> images, List<String> questions, GenerationConfig config) {
    PromptEncoder encoder = new PromptEncoder(tokenizer, Template.PHI, Integer.MAX_VALUE);
    List<int[]> prompts =
        questions.stream().map(q -> encoder.inference(Conversation.ask(q))).toList();
    float[][] pixels = images.stream().map(this::preprocess).toArray(float[][]::new);
    return generate(prompts, pixels, config).stream()
        .map(ids -> tokenizer.decode(ids, true).strip())
        .toList();
  }

  /**
   * Continues tokenised prompts.
   *
   * @param prompts ids with the picture's mark among them
   * @param pixels a preprocessed picture for each mark, in order
   * @return the new ids of each prompt, without the end token
   */
  public List<int[]> generate(List<int[]> prompts, float[][] pixels, GenerationConfig config) {
    return generate(prompts, pixels, config, (row, id) -> {});
  }

  private List<int[]> generate(
      List<int[]> prompts,
      float[][] pixels,
      GenerationConfig config,
      Generator.TokenListener listener) {
    return generate(prompts, pixels, config, listener, new Generator.PassListener() {});
  }

  /**
   * The same, seen and steered from outside.
   *
   * @param listener receives each new token
   * @param passes sees each pass over the decoder, and may replay routing
   */
  public List<int[]> generate(
      List<int[]> prompts,
      float[][] pixels,
      GenerationConfig config,
      Generator.TokenListener listener,
      Generator.PassListener passes) {
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        List<Example> examples =
            prompts.stream().map(p -> new Example(p, ignored(p.length))).toList();
        ModelInput in = input(examples, pixels);
        return new Generator(language, config)
            .tokenizer(config.stopStrings().isEmpty() ? null : tokenizer)
            .onToken(listener)
            .onPass(passes)
            .generate(embed(in), in.lengths().toLongs());
      }
    });
  }

  private static int[] ignored(int count) {
    int[] labels = new int[count];
    Arrays.fill(labels, Example.IGNORE);
    return labels;
  }

  /**
   * How the model's {@code generation_config.json} says it should answer; where there is none,
   * greedily. At most 64 tokens where it gives no limit; to the tokenizer's end token where it
   * names none.
   */
  public GenerationConfig generation() {
    GenerationConfig read = kept.generation();
    if (read == null) return GenerationConfig.greedy(KeptFiles.NEW_TOKENS, endId());
    return read.endIds().isEmpty() ? read.withEndIds(Set.of(endId())) : read;
  }

  /** The token that ends an answer, by the tokenizer. */
  public int endId() {
    return tokenizer.eosId();
  }

  /**
   * Replaces feed-forwards by mixtures of experts, as stage 3 starts: experts are copies of the
   * dense feed-forward, which itself becomes the meta expert; each MoE layer gets a copy of the
   * router, frozen. Returns a model that shares the other parts with this one, which must no longer
   * be used.
   */
  public MedMoe upcycle(Router router, MoeOptions options) {
    if (moe != null) throw new IllegalStateException("upcycle: this model has experts already");
    if (router.experts() != options.experts()) {
      throw new IllegalArgumentException(
          "upcycle: the router knows %d modalities, the options want %d experts"
              .formatted(router.experts(), options.experts()));
    }
    for (int layer : options.layersOf(language.layers().size())) {
      DecoderLayer block = language.layers().get(layer);
      MoeLayer mixture =
          MoeLayer.upcycle(
              block.feedForward(),
              router.with(options.topK(), options.weighting()),
              options.metaExpert());
      mixture.to(block.device());
      mixture.router().train(path -> false);
      block.setFeedForward(mixture);
    }
    return new MedMoe(vision, projector, language, tokenizer, preprocessing, options, kept);
  }

  /** A copy on the same device that shares no parameter with this model. */
  public MedMoe copy() {
    ModelShape shape = ModelShape.of(this);
    MedMoe out = Device.with(device(), () -> blank(shape, tokenizer, preprocessing, kept));
    out.load(ParameterCopies.of(this));
    return out;
  }

  /** A model whose parameters have yet to be loaded. */
  static MedMoe blank(ModelShape shape, Tokenizer tokenizer, Preprocessing preprocessing) {
    return blank(shape, tokenizer, preprocessing, KeptFiles.NONE);
  }

  static MedMoe blank(
      ModelShape shape, Tokenizer tokenizer, Preprocessing preprocessing, KeptFiles kept) {
    MedMoe dense =
        builder()
            .vision(new VisionTransformer(shape.vision(), Rng.placeholders(0)))
            .projector(
                new Projector(shape.vision().dim(), shape.language().dim(), Rng.placeholders(0), 0))
            .language(new Decoder(shape.language(), Rng.placeholders(0)))
            .tokenizer(tokenizer)
            .preprocessing(preprocessing)
            .kept(kept)
            .build();
    MoeOptions moe = shape.moe();
    if (moe == null) return dense;
    Decoder decoder = dense.language;
    for (int layer : moe.layersOf(decoder.layers().size())) {
      DecoderLayer block = decoder.layers().get(layer);
      block.setFeedForward(blank(shape.language(), moe, block.feedForward()));
    }
    return new MedMoe(dense.vision, dense.projector, decoder, tokenizer, preprocessing, moe, kept);
  }

  /**
   * As {@link MoeLayer#upcycle} makes it, but the experts are no copies, which would take memory.
   */
  private static MoeLayer blank(DecoderConfig config, MoeOptions moe, FeedForward dense) {
    boolean plain = config.family() == DecoderConfig.Family.PHI;
    UnaryKind activation = ((DenseFeedForward) dense).activation();
    var experts =
        new Experts.Shape(
            moe.experts(), config.dim(), config.intermediate(), !plain, plain, activation);
    Rng none = Rng.placeholders(0);
    Router router = new Router(config.dim(), moe.experts(), moe.topK(), moe.weighting(), none);
    router.train(path -> false);
    return new MoeLayer(
        router,
        Experts.fresh(experts, DType.F32, none, config.initStd()),
        moe.metaExpert() ? new SharedExpert.Meta(dense) : null);
  }

  /**
   * Writes a model directory; see {@link ModelDirectory#save}.
   *
   * @param provenance what is known of its origin
   */
  public void save(Path directory, Provenance provenance) {
    ModelDirectory.save(this, directory, provenance);
  }

  /** Reads a model directory; see {@link ModelDirectory#load}. */
  public static MedMoe load(Path directory) {
    return ModelDirectory.load(directory);
  }

  /** Reads a published model of which parts lie elsewhere; see {@link ModelDirectory#load}. */
  public static MedMoe load(Path directory, ModelParts parts) {
    return ModelDirectory.load(directory, parts);
  }

  /** Values that a token's pass over the model reads: of the experts only those chosen. */
  public long activeParameters() {
    long active = parameterCount();
    for (MoeLayer m : moeLayers()) {
      long all = m.experts().parameterCount();
      active -= all - all / m.experts().count() * m.router().topK();
    }
    return active;
  }
}
