package dev.theriac.moe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.Stochastic;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Index;
import dev.theriac.op.Selection;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Token-choice router: logits = W u + b in F32, scores (softmax over all experts, or sigmoids), the
 * k best experts, their weights. {@link RouterConfig} says which.
 *
 * <p>Experts are chosen in a total order: higher first, NaN last, equal ones by the lower id; ids
 * are distinct and in range whatever the input holds, and {@link Routing#unusable} tells the tokens
 * whose logits decide nothing. Compared are the logits, which softmax and sigmoid would only round;
 * the scores where a correction bias is added to them or groups are ranked by a sum. A row whose
 * softmax is NaN because one of its logits is NaN or infinite goes by its logits in these cases
 * too.
 *
 * <p>Weights are the chosen scores as they are ({@link Weighting#PROBABILITY}: Switch, Med-MoE) or
 * divided by their sum ({@link Weighting#RENORMALISED}: Mixtral; the same as a softmax over the
 * chosen logits). The latter is computed as a softmax over what was chosen, so that no sum can
 * vanish and no gradient reaches experts that were not chosen.
 *
 * <p>Jitter and noise are drawn while {@link #isTraining()} and never else. Forward passes of
 * several threads are safe, but for those that draw.
 */
public final class Router extends Module implements Stochastic {
  /** What the chosen experts' outputs are multiplied by. */
  public enum Weighting {
    PROBABILITY,
    RENORMALISED
  }

  /** Of the correction bias, in the checkpoints of DeepSeek-V3 and its kin. */
  static final String CORRECTION_BIAS = "e_score_correction_bias";

  private static final long NOISE = 0x4a49_5454_4552_0000L;

  private final RouterConfig config;
  private final Linear gate;
  private final RouterCosine cosine;
  private final Linear noiseScale;
  private final Parameter correctionBias;
  private final Rng rng;
  private FixedRouter fixed;
  private final AtomicLong copies = new AtomicLong();

  /** Softmax router with a bias; fresh weights uniform in +-1/sqrt(dim), as PyTorch's Linear. */
  public Router(int dim, int experts, int topK, Weighting weighting, Rng rng) {
    this(classic(dim, experts, topK, weighting), rng);
  }

  /**
   * Fresh weights, uniform in +-1/sqrt(dim).
   *
   * @param rng draws the weights; jitter and noise come from a stream of their own of its seed
   */
  public Router(RouterConfig config, Rng rng) {
    this.config = config;
    // Where the generator stands goes in too, so that each layer's router draws noise of its own.
    this.rng = rng.split((rng.stream() ^ NOISE) + 0x9e37_79b9_7f4a_7c15L * rng.position());
    int experts = config.experts();
    if (config.cosine() == null) {
      gate = part("wg", new Linear(config.dim(), experts, config.bias(), new Rng(0), 0));
      cosine = null;
      double bound = 1 / Math.sqrt(config.dim());
      gate.weight().set(Tensor.uniform(rng, -bound, bound, experts, config.dim()));
      if (config.bias()) gate.bias().set(Tensor.uniform(rng, -bound, bound, experts));
    } else {
      gate = null;
      cosine = part("wg", new RouterCosine(config, rng));
    }
    noiseScale =
        config.noise() instanceof Noise.Learned
            ? part("w_noise", new Linear(config.dim(), experts, false, new Rng(0), 0))
            : null;
    correctionBias =
        config.correctionBias()
            ? parameter(CORRECTION_BIAS, Parameter.buffer(Tensor.zeros(experts)))
            : null;
  }

  private static RouterConfig classic(int dim, int experts, int topK, Weighting weighting) {
    return RouterConfig.builder(dim, experts, topK).weighting(weighting).bias(true).build();
  }

  /** A softmax router with the given weight [E, dim] and bias [E]. */
  public static Router of(Tensor weight, Tensor bias, int topK, Weighting weighting) {
    int dim = Math.toIntExact(weight.size(1));
    int experts = Math.toIntExact(weight.size(0));
    Router router = new Router(classic(dim, experts, topK, weighting), new Rng(0));
    router.gate.weight().set(weight);
    router.gate.bias().set(bias);
    return router;
  }

  /**
   * A copy whose parameters are its own, and so is the stream of its noise: the n-th copy made of a
   * router, by this method or {@code with}, draws as {@code copy(n)} does. Safe in several threads,
   * but which of them makes the n-th copy is then chance; name the number where that matters.
   */
  public Router copy() {
    return copy(config, copies.incrementAndGet());
  }

  /**
   * A copy whose noise is a function of this router's stream and {@code number} alone.
   *
   * @param number 1 or more, a different one for each copy that is to draw for itself
   */
  public Router copy(long number) {
    if (number < 1) {
      throw new IllegalArgumentException("router: copy %d; count from 1".formatted(number));
    }
    return copy(config, number);
  }

  /** A copy that chooses another number of experts or weights them otherwise. */
  public Router with(int newTopK, Weighting newWeighting) {
    return copy(config.with(newTopK, newWeighting), copies.incrementAndGet());
  }

  /** A copy that passes tokens to the experts that {@code assignment} names. */
  public Router with(FixedRouter assignment) {
    Router copy = copy();
    copy.fixed = assignment;
    return copy;
  }

  private Router copy(RouterConfig newConfig, long number) {
    Router copy = new Router(newConfig, rng.split(31 * rng.stream() + number));
    var mine = parameters();
    copy.parameters()
        .forEach((path, p) -> {
          p.set(ShapeFunctions.copy(mine.get(path).value().detach()));
          p.setTrainable(mine.get(path).trainable());
        });
    copy.fixed = fixed;
    copy.train(isTraining());
    return copy;
  }

  public RouterConfig config() {
    return config;
  }

  public int experts() {
    return config.experts();
  }

  public int topK() {
    return config.topK();
  }

  public Weighting weighting() {
    return config.weighting();
  }

  /** The bias [E] that is added to scores for the choice, or null; {@link CorrectionBias}. */
  public Parameter correctionBias() {
    return correctionBias;
  }

  /** Logits [..., E] in F32 of u [..., dim], without noise. */
  public Tensor logits(Tensor u) {
    Tensor x = u.to(DType.F32);
    return cosine == null ? gate.forward(x) : cosine.logits(x);
  }

  /** Routes tokens u [T, dim]. */
  public Routing route(Tensor u) {
    return route(u, null);
  }

  /**
   * Routes tokens u [T, dim] of which some are filling: those get experts too, but count in no
   * loss.
   *
   * @param mask null for all
   */
  public Routing route(Tensor u, TokenMask mask) {
    if (fixed != null) return replay(u, fixed.choose(u.size(0), experts(), topK()), mask);
    return routing(u, null, mask);
  }

  /**
   * Routes tokens u [T, dim] to experts chosen before; all else is computed as by {@link #route},
   * so that the experts which it would choose give the same bits, and gradients flow through the
   * weights.
   *
   * @param experts I64 [T, k], on any device, ids in [0, E), distinct in a token
   * @param mask null for all
   */
  public Routing replay(Tensor u, Tensor experts, TokenMask mask) {
    if (experts.rank() != 2 || experts.size(0) != u.size(0) || experts.size(1) != topK()) {
      throw new IllegalArgumentException(
          "router: experts of shape %s to replay, [%d, %d] is wanted"
              .formatted(experts.layout(), u.size(0), topK()));
    }
    return routing(u, experts, mask);
  }

  private Routing routing(Tensor u, Tensor given, TokenMask mask) {
    if (u.rank() != 2 || u.size(1) != config.dim()) {
      throw new IllegalArgumentException(
          "router: input %s, [T, %d] is wanted".formatted(u.layout(), config.dim()));
    }
    boolean training = isTraining();
    Tensor x = u.to(DType.F32);
    if (training && config.jitter() > 0) {
      Tensor drawn = RouterNoise.uniform(rng, 1 - config.jitter(), 1 + config.jitter(), x.shape());
      x = x.mul(drawn.to(x.device()));
    }
    Tensor clean = logits(x);
    Routing.Noise noise = training ? noise(x, clean) : null;
    return routing(noise == null ? clean : noise.noisy(), noise, given, mask, training);
  }

  /** Everything behind the logits; {@code given} are experts chosen before, or null. */
  Routing routing(
      Tensor logits, Routing.Noise noise, Tensor given, TokenMask mask, boolean training) {
    boolean softmax = config.scoring() == Scoring.SOFTMAX;
    Tensor scores = softmax ? logits.softmax() : logits.apply(UnaryKind.SIGMOID);
    Tensor selection = selection(logits.detach(), scores.detach());
    Tensor chosen =
        given == null
            ? Selection.topK(selection, topK(), config.groups())
            : given.to(logits.device());
    return new Routing(
        config,
        logits,
        scores,
        selection,
        chosen,
        weights(logits, scores, chosen),
        mask,
        noise,
        training);
  }

  /** What experts are chosen by. */
  private Tensor selection(Tensor logits, Tensor scores) {
    boolean sums = config.groups().groups() > 1 && config.groups().best() > 1;
    if (correctionBias == null && !sums) return logits;
    Tensor selection =
        correctionBias == null ? scores : scores.add(correctionBias.value().detach());
    if (config.scoring() != Scoring.SOFTMAX) return selection;
    long[] rows = Selection.unusableRows(logits);
    if (rows.length == 0) return selection;
    // One NaN makes the whole row's softmax NaN, in which nothing comes before anything.
    float[] values = selection.toFloats();
    float[] of = logits.toFloats();
    int experts = config.experts();
    for (long row : rows) {
      int at = Math.toIntExact(row * experts);
      System.arraycopy(of, at, values, at, experts);
    }
    return Tensor.of(selection.device(), values, selection.shape());
  }

  private Tensor weights(Tensor logits, Tensor scores, Tensor chosen) {
    Tensor weights =
        switch (config.weighting()) {
          case PROBABILITY -> Index.gatherColumns(scores, chosen);
          case RENORMALISED ->
              Selection.softmax(logits, chosen, config.scoring() == Scoring.SIGMOID);
        };
    return config.scale() == 1 ? weights : weights.mul(config.scale());
  }

  private Routing.Noise noise(Tensor x, Tensor clean) {
    return switch (config.noise()) {
      case Noise.Constant c when c.std() == 0 -> null;
      case Noise.Constant c -> {
        Tensor drawn = RouterNoise.normal(rng, clean.shape()).to(x.device()).mul(c.std());
        yield new Routing.Noise(
            clean, Tensor.full(x.device(), c.std(), DType.F32), clean.add(drawn));
      }
      case Noise.Learned _ -> {
        Tensor std = RouterNoise.softplus(noiseScale.forward(x)).add(Noise.Learned.EPSILON);
        Tensor drawn = RouterNoise.normal(rng, clean.shape()).to(x.device());
        yield new Routing.Noise(clean, std, clean.add(drawn.mul(std)));
      }
    };
  }

  @Override
  public long position() {
    return rng.position();
  }

  @Override
  public void seek(long position) {
    rng.seek(position);
  }
}
