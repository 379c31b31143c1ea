package dev.theriac.llm;

import dev.theriac.backend.CompareKind;
import dev.theriac.nn.Dropout;
import dev.theriac.nn.Embedding;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.Normalisation;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Autograd;
import dev.theriac.op.Elementwise;
import dev.theriac.op.Matmul;
import dev.theriac.op.Norm;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * A causal decoder of the Phi-2, StableLM-2 or Llama family. Parameter paths are those of Hugging
 * Face checkpoints without the prefix {@code model.}: {@code embed_tokens.weight}, {@code
 * layers.N...}, {@code final_layernorm} or {@code norm}, {@code lm_head.weight} (unless it is tied
 * to the embedding table).
 */
public final class Decoder extends Module {
  /** Columns that are enough for a kernel of few rows. */
  private static final long ANNOUNCED = 64;

  private final DecoderConfig config;
  private final Embedding embedding;
  private final List<DecoderLayer> layers = new ArrayList<>();
  private final Normalisation finalNorm;
  private final Linear head;
  private final Dropout embeddingDropout;

  /** With dense feed-forwards and fresh weights. */
  public Decoder(DecoderConfig config, Rng rng) {
    this(config, rng, FeedForwards.DENSE);
  }

  /** With the given feed-forwards, which may be mixtures of experts, and fresh weights. */
  public Decoder(DecoderConfig config, Rng rng, FeedForwards feedForwards) {
    this.config = config;
    embedding =
        part(
            "embed_tokens",
            new Embedding(config.vocabulary(), config.dim(), rng, config.initStd()));
    double p = config.options().embeddingDropout();
    embeddingDropout = p > 0 ? part("embed_dropout", new Dropout(p, rng.split(999))) : null;
    for (int i = 0; i < config.layers(); i++) {
      layers.add(part("layers." + i, new DecoderLayer(config, i, rng, feedForwards)));
    }
    finalNorm = part(finalNorm(config), DecoderLayer.norm(config));
    boolean bias = config.options().headBias();
    head =
        part(
            "lm_head",
            config.tiedHead()
                ? new Linear(embedding.weight(), bias)
                : new Linear(config.dim(), config.vocabulary(), bias, rng, config.initStd()));
  }

  /** Name of the norm after the last block. */
  static String finalNorm(DecoderConfig config) {
    return config.family() == DecoderConfig.Family.PHI ? "final_layernorm" : "norm";
  }

  public DecoderConfig config() {
    return config;
  }

  public List<DecoderLayer> layers() {
    return List.copyOf(layers);
  }

  /**
   * I64 ids [...] to vectors [..., dim] in F32, whatever the type of the table; ids that are
   * elsewhere are brought to where the model is.
   */
  public Tensor embed(Tensor ids) {
    return embedding.forward(ids.to(device())).to(DType.F32);
  }

  /**
   * The same with a token that fills rows up, whose vector learns nothing from where it stands, as
   * in PyTorch's Embedding; a tied head still teaches it.
   *
   * @param padId negative ones count from the vocabulary's end; null for none
   */
  public Tensor embed(Tensor ids, Integer padId) {
    Tensor there = ids.to(device());
    Tensor x = embed(there);
    if (padId == null || !x.requiresGrad()) return x;
    long pad = padId < 0 ? padId + config.vocabulary() : padId;
    Tensor filling =
        Elementwise.compare(CompareKind.EQ, there, Tensor.of(x.device(), new long[] {pad}, 1));
    return Elementwise.where(filling.unsqueeze(-1), x.detach(), x);
  }

  /**
   * What a pass over the blocks gives.
   *
   * @param hidden after the final norm, [B, T, dim]
   * @param hiddenStates when asked for: the input, then the output of each block, the last one
   *     after the final norm (as transformers returns them); else empty
   * @param sides what each block's feed-forward returned beside its output; null where dense
   */
  public record Output(
      Tensor hidden, List<Tensor> hiddenStates, List<FeedForward.SideOutput> sides) {}

  /**
   * Runs the blocks, where they are: inputs that are elsewhere are brought there.
   *
   * @param x embedded input [B, T, dim]
   * @param positions I64 [B, T]
   * @param lengths I64 [B], keys (cached and new) that each row really has; null for all
   * @param cache earlier keys and values, extended by this call (advance it afterwards); or null
   * @param allStates whether to return every block's output
   */
  public Output forward(
      Tensor x, Tensor positions, Tensor lengths, KvCache cache, boolean allStates) {
    return forward(x, positions, lengths, cache, allStates, List.of());
  }

  /**
   * Runs the blocks, their feed-forwards being given something beside their input. A {@link
   * TokenMask} tells them which new positions {@code lengths} leaves to filling.
   *
   * @param given for each layer what its feed-forward is given, null for nothing; empty: nothing at
   *     all
   */
  public Output forward(
      Tensor x,
      Tensor positions,
      Tensor lengths,
      KvCache cache,
      boolean allStates,
      List<FeedForward.SideInput> given) {
    return forward(x, positions, lengths, cache, allStates, given, () -> false);
  }

  /** Thrown between two blocks of a pass that is no longer wanted. */
  static final class Cancelled extends RuntimeException {
    private static final long serialVersionUID = 1;

    private Cancelled() {
      super("decoder: cancelled", null, false, false);
    }
  }

  /**
   * The same, until {@code cancelled} says, before a block, that nobody waits any more.
   *
   * @throws Cancelled when it says so; the cache then holds parts of the new positions and is not
   *     to be advanced
   */
  Output forward(
      Tensor x,
      Tensor positions,
      Tensor lengths,
      KvCache cache,
      boolean allStates,
      List<FeedForward.SideInput> given,
      BooleanSupplier cancelled) {
    if (!given.isEmpty() && given.size() != layers.size()) {
      throw new IllegalArgumentException(
          "decoder: side inputs for %d layers, there are %d"
              .formatted(given.size(), layers.size()));
    }
    if (x.rank() != 3 || x.size(2) != config.dim()) {
      throw new IllegalArgumentException(
          "decoder: input %s, [B, T, %d] is wanted".formatted(x.layout(), config.dim()));
    }
    Device device = device();
    Tensor at = positions.to(device);
    Tensor ends = lengths == null ? null : lengths.to(device);
    x = x.to(device);
    if (embeddingDropout != null) x = embeddingDropout.forward(x);
    List<Tensor> states = new ArrayList<>();
    List<FeedForward.SideOutput> sides = new ArrayList<>();
    TokenMask mask =
        ends == null ? TokenMask.all(x.size(0), x.size(1)) : mask(ends, cache, x.size(1));
    Norm.Added h = new Norm.Added(x, norm(0).forward(x));
    for (int i = 0; i < layers.size(); i++) {
      if (cancelled.getAsBoolean()) throw new Cancelled();
      if (allStates) states.add(h.sum());
      FeedForward.SideInput side = given.isEmpty() ? null : given.get(i);
      DecoderLayer layer = layers.get(i);
      int index = i;
      Norm.Added in = h;
      Normalisation next = norm(i + 1);
      DecoderLayer.Step step =
          alone(() -> layer.step(in, at, ends, cache, index, mask, side, next));
      h = step.out();
      if (!Autograd.enabled() && !allStates) {
        in.norm().close();
        if (i > 0) in.sum().close();
      }
      sides.add(step.side());
    }
    Tensor last = h.norm();
    if (allStates) states.add(last);
    return new Output(last, states, sides);
  }

  /**
   * A block's pass, after which, where no gradient will ask for it, only what it returns is held:
   * prompts of full-size models would leave a gigabyte behind.
   */
  private static DecoderLayer.Step alone(Supplier<DecoderLayer.Step> body) {
    if (Autograd.enabled()) return body.get();
    try (Scope scope = Scope.open()) {
      DecoderLayer.Step step = body.get();
      // What belongs to the side output nobody but its maker knows.
      if (step.side() != null) scope.keepIf(_ -> true);
      scope.keep(step.out().sum());
      scope.keep(step.out().norm());
      return step;
    }
  }

  /** The norm before block {@code index}, or the one after the last. */
  private Normalisation norm(int index) {
    return index < layers.size() ? layers.get(index).inputNorm() : finalNorm;
  }

  /** Lengths count cached keys too; new positions that hold a token come first in their row. */
  private static TokenMask mask(Tensor lengths, KvCache cache, long count) {
    if (cache == null) return TokenMask.ofLengths(lengths, count);
    long[] all = lengths.toLongs();
    long[] cached = cache.lengths();
    boolean[] valid = new boolean[Math.toIntExact(all.length * count)];
    for (int i = 0; i < valid.length; i++) {
      int row = (int) (i / count);
      valid[i] = i % count < all[row] - cached[row];
    }
    return TokenMask.of(valid, all.length, count);
  }

  /**
   * Multiplies a little as a decoding step does, so that kernels for so few rows are compiled while
   * a prompt is computed: they would be asked for at its end, and the first steps wait for them.
   */
  void announceSteps(int rows) {
    if (!device().equals(Device.CPU)) return;
    try (Scope _ = Scope.open()) {
      announce(head.weight(), rows);
      layers.getFirst().parameters().values().stream()
          .filter(Parameter::isQuantised)
          .findFirst()
          .ifPresent(p -> announce(p, rows));
    }
  }

  private static void announce(Parameter weight, int rows) {
    if (!weight.isQuantised()) {
      Tensor all = weight.value();
      Tensor some = all.slice(0, 0, Math.min(ANNOUNCED, all.size(0)));
      Matmul.linear(Tensor.zeros(weight.device(), rows, all.size(1)), some, null);
      return;
    }
    QuantisedMatrix all = weight.quantised().getFirst();
    QuantisedFormat format = all.format();
    long some = Math.min(ANNOUNCED, all.rows());
    Tensor bytes = all.bytes().slice(0, 0, format.bytes(some, all.columns()));
    Quantised.linear(
        Tensor.zeros(weight.device(), rows, all.columns()),
        new QuantisedMatrix(format, some, all.columns(), bytes),
        null);
  }

  /** [..., dim] to logits [..., vocabulary]. */
  public Tensor logits(Tensor hidden) {
    return head.forward(hidden);
  }

  /**
   * An empty cache, where the model is, for {@code batch} rows of up to {@code capacity} positions.
   */
  public KvCache cache(int batch, long capacity) {
    return new KvCache(
        device(), config.layers(), batch, capacity, config.kvHeads(), config.headDim());
  }
}
