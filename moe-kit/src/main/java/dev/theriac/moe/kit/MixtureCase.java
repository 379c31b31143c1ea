package dev.theriac.moe.kit;

import dev.theriac.backend.UnaryKind;
import dev.theriac.moe.kit.oracle.Activation;
import dev.theriac.moe.kit.oracle.OracleFeedForward;
import dev.theriac.moe.kit.oracle.OracleMixture;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * One mixture of feed-forwards with its routing given: inputs, the engine's run on them and the
 * oracle's. Made once for each test; the oracle's part is computed once.
 */
final class MixtureCase {
  private static final long SEED = 20_260_101;

  /** Shape and form of the experts. */
  record Form(
      int dim, int width, int experts, UnaryKind activation, boolean gated, boolean biased) {
    /** SwiGLU without biases, as most models have it. */
    static Form swiglu(int dim, int width, int experts) {
      return new Form(dim, width, experts, UnaryKind.SILU, true, false);
    }

    /** Plain, tanh GELU, without biases. */
    static Form plainWithoutBias(int dim, int width, int experts) {
      return new Form(dim, width, experts, UnaryKind.GELU_TANH, false, false);
    }

    /** Plain, tanh GELU, with biases, as GPT-like models have it. */
    static Form plain(int dim, int width, int experts) {
      return new Form(dim, width, experts, UnaryKind.GELU_TANH, false, true);
    }
  }

  /**
   * The leaves of one run and what came out.
   *
   * @param gradients those of x, of the routing weights and of each parameter
   */
  record Run(
      Tensor x,
      Tensor weights,
      FeedForwardWeights w,
      Tensor y,
      List<Tensor> gradients,
      Gradients store) {
    /** Output, then the gradients. */
    List<Tensor> all() {
      List<Tensor> all = new ArrayList<>(List.of(y));
      all.addAll(gradients);
      return all;
    }

    List<float[]> floats() {
      return all().stream().map(Tensor::toFloats).toList();
    }

    Tensor grad(Tensor leaf) {
      List<Tensor> leaves = new ArrayList<>(List.of(x, weights));
      leaves.addAll(parameters());
      for (int i = 0; i < leaves.size(); i++) {
        if (leaves.get(i) == leaf) return gradients.get(i);
      }
      throw new AssertionError("no leaf of this run");
    }

    List<Tensor> parameters() {
      return MixtureCase.parameters(w);
    }

    /** The same with results brought elsewhere. */
    Run map(UnaryOperator<Tensor> fetch) {
      return new Run(x, weights, w, fetch.apply(y), gradients.stream().map(fetch).toList(), store);
    }
  }

  private static List<Tensor> parameters(FeedForwardWeights w) {
    List<Tensor> all = new ArrayList<>();
    for (Tensor t :
        new Tensor[] {w.gate(), w.gateBias(), w.up(), w.upBias(), w.down(), w.downBias()}) {
      if (t != null) all.add(t);
    }
    return all;
  }

  final Form form;
  final int tokens;
  final int topK;
  final long[] ids;
  final float[] x;
  final float[] weights;
  final float[] upstream;
  private final float[][] parameters = new float[6][];
  private DType weightType = DType.F32;
  private double[][] wantedY;
  private OracleMixture.Gradients wanted;

  /**
   * @param ids [T * k] row by row; -1 is a dropped choice
   * @param scale standard deviation of x
   */
  MixtureCase(Form form, int topK, long[] ids, double scale) {
    this.form = form;
    this.topK = topK;
    this.ids = ids;
    tokens = ids.length / topK;
    Rng rng = new Rng(SEED);
    x = normal(rng, scale, tokens * form.dim);
    weights = new float[ids.length];
    for (int i = 0; i < weights.length; i++) weights[i] = 0.1f + rng.nextFloat();
    upstream = normal(rng, 1, tokens * form.dim);
    int e = form.experts;
    parameters[0] = normal(rng, 1 / Math.sqrt(form.dim), e * form.width * form.dim);
    if (form.biased) parameters[1] = normal(rng, 0.5, e * form.width);
    if (form.gated) parameters[2] = normal(rng, 1 / Math.sqrt(form.dim), e * form.width * form.dim);
    if (form.gated && form.biased) parameters[3] = normal(rng, 0.5, e * form.width);
    parameters[4] = normal(rng, 1 / Math.sqrt(form.width), e * form.dim * form.width);
    if (form.biased) parameters[5] = normal(rng, 0.5, e * form.dim);
  }

  private MixtureCase(MixtureCase from, long[] ids, float[] x, float[] weights, float[] upstream) {
    this.form = from.form;
    this.topK = from.topK;
    this.ids = ids;
    this.tokens = ids.length / topK;
    this.x = x;
    this.weights = weights;
    this.upstream = upstream;
    System.arraycopy(from.parameters, 0, parameters, 0, parameters.length);
    this.weightType = from.weightType;
  }

  /** The same experts and routing for other inputs. */
  MixtureCase withX(float[] other) {
    return new MixtureCase(this, ids, other, weights, upstream);
  }

  /** The same with weights and biases rounded to a half type, for the oracle too. */
  MixtureCase withWeightsIn(DType half) {
    MixtureCase c = new MixtureCase(this, ids, x, weights, upstream);
    c.weightType = half;
    for (int i = 0; i < parameters.length; i++) {
      if (parameters[i] == null) continue;
      try (Scope _ = Scope.open()) {
        c.parameters[i] = Tensor.of(parameters[i]).to(half).toFloats();
      }
    }
    return c;
  }

  /** The same tokens and experts with other choices. */
  MixtureCase withIds(long[] other) {
    return new MixtureCase(this, other, x, weights, upstream);
  }

  /** The same experts for other routing weights. */
  MixtureCase withWeights(float[] other) {
    return new MixtureCase(this, ids, x, other, upstream);
  }

  /** Some of the tokens, in the given order. */
  MixtureCase tokens(int... which) {
    long[] id = new long[which.length * topK];
    float[] weight = new float[id.length];
    float[] in = new float[which.length * form.dim];
    float[] g = new float[in.length];
    for (int i = 0; i < which.length; i++) {
      System.arraycopy(ids, which[i] * topK, id, i * topK, topK);
      System.arraycopy(weights, which[i] * topK, weight, i * topK, topK);
      System.arraycopy(x, which[i] * form.dim, in, i * form.dim, form.dim);
      System.arraycopy(upstream, which[i] * form.dim, g, i * form.dim, form.dim);
    }
    return new MixtureCase(this, id, in, weight, g);
  }

  /** One choice a token; expert e gets {@code counts[e]} tokens, spread over the batch. */
  static MixtureCase ofCounts(Form form, int... counts) {
    int rows = Arrays.stream(counts).sum();
    long[] ids = new long[rows];
    int[] place = new Rng(SEED, 1, 0).permutation(rows);
    int at = 0;
    for (int e = 0; e < counts.length; e++) {
      for (int i = 0; i < counts[e]; i++) ids[place[at++]] = e;
    }
    return new MixtureCase(form, 1, ids, 1);
  }

  /** k different experts a token, at random. */
  static MixtureCase random(Form form, int tokens, int topK) {
    Rng rng = new Rng(SEED, 2, 0);
    long[] ids = new long[tokens * topK];
    for (int t = 0; t < tokens; t++) {
      int[] order = rng.permutation(form.experts);
      for (int j = 0; j < topK; j++) ids[t * topK + j] = order[j];
    }
    return new MixtureCase(form, topK, ids, 1);
  }

  static float[] normal(Rng rng, double std, int n) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) out[i] = (float) (std * rng.nextGaussian());
    return out;
  }

  // ---- the engine

  Tensor idTensor() {
    return Tensor.of(ids, tokens, topK);
  }

  Tensor xTensor() {
    return Tensor.of(x, tokens, form.dim);
  }

  Tensor weightTensor() {
    return Tensor.of(weights, tokens, topK);
  }

  FeedForwardWeights feedForward() {
    return feedForward(t -> t);
  }

  private FeedForwardWeights feedForward(UnaryOperator<Tensor> place) {
    int e = form.experts;
    int n = form.width;
    int d = form.dim;
    return new FeedForwardWeights(
        parameter(place, 0, e, n, d),
        parameter(place, 1, e, n),
        parameter(place, 2, e, n, d),
        parameter(place, 3, e, n),
        parameter(place, 4, e, d, n),
        parameter(place, 5, e, d));
  }

  private Tensor parameter(UnaryOperator<Tensor> place, int index, long... shape) {
    float[] values = parameters[index];
    return values == null
        ? null
        : place.apply(Tensor.of(values, shape).to(weightType)).requireGrad(true);
  }

  /** Forward and backward on this thread's back end. */
  Run run() {
    return run(t -> t);
  }

  /** Forward and backward with every input brought to its place first. */
  Run run(UnaryOperator<Tensor> place) {
    Tensor in = place.apply(xTensor()).requireGrad(true);
    Tensor s = place.apply(weightTensor()).requireGrad(true);
    FeedForwardWeights w = feedForward(place);
    RowGroups groups = RowGroups.of(place.apply(idTensor()), form.experts);
    Tensor y = Grouped.feedForward(in, s, groups, w, form.activation).retain();
    Tensor g = place.apply(Tensor.of(upstream, tokens, form.dim));
    Gradients found = y.backward(g);
    List<Tensor> all = new ArrayList<>(List.of(in, s));
    all.addAll(parameters(w));
    return new Run(in, s, w, y, all.stream().map(leaf -> of(found, leaf)).toList(), found);
  }

  private static Tensor of(Gradients found, Tensor leaf) {
    Tensor g = found.get(leaf);
    if (g == null) throw new AssertionError("no gradient for a leaf of shape " + leaf.layout());
    return g;
  }

  // ---- the oracle

  /** The same experts in float64. */
  List<OracleFeedForward> oracleExperts() {
    int n = form.width;
    int d = form.dim;
    List<OracleFeedForward> all = new ArrayList<>();
    for (int e = 0; e < form.experts; e++) {
      all.add(
          new OracleFeedForward(
              d,
              n,
              part(0, e, n * d),
              part(1, e, n),
              part(2, e, n * d),
              part(3, e, n),
              part(4, e, d * n),
              part(5, e, d)));
    }
    return all;
  }

  private double[] part(int index, int e, int size) {
    float[] values = parameters[index];
    return values == null ? null : Values.of(Arrays.copyOfRange(values, e * size, (e + 1) * size));
  }

  OracleMixture oracle() {
    return new OracleMixture(oracleExperts(), Activation.valueOf(form.activation.name()));
  }

  int[][] idRows() {
    int[][] out = new int[tokens][topK];
    for (int i = 0; i < ids.length; i++) out[i / topK][i % topK] = (int) ids[i];
    return out;
  }

  double[][] xRows() {
    return Values.rows(Values.of(x), form.dim, tokens);
  }

  double[][] weightRows() {
    return Values.rows(Values.of(weights), topK, tokens);
  }

  private void judge() {
    if (wanted != null) return;
    double[][] g = Values.rows(Values.of(upstream), form.dim, tokens);
    wantedY = oracle().forward(xRows(), idRows(), weightRows());
    wanted = oracle().backward(xRows(), idRows(), weightRows(), g);
  }

  /** The oracle's output [T * d]. */
  double[] wantedOutput() {
    judge();
    return Values.flat(wantedY);
  }

  /** The oracle's gradient of the routing weights [T * k]. */
  double[] wantedWeightGradient() {
    judge();
    return Values.flat(wanted.weights());
  }

  /** Compares output and every gradient with the oracle's. */
  void check(Run run) {
    judge();
    compare("output", Tolerance.F32, wantedOutput(), run.y);
    compare("gradient of x", Tolerance.F32_GRADIENT, Values.flat(wanted.x()), run.grad(run.x));
    double[] ds = wantedWeightGradient();
    compare("gradient of routing weights", Tolerance.F32_GRADIENT, ds, run.grad(run.weights));
    FeedForwardWeights w = run.w;
    parameter(run, "gate", w.gate());
    parameter(run, "gateBias", w.gateBias());
    parameter(run, "up", w.up());
    parameter(run, "upBias", w.upBias());
    parameter(run, "down", w.down());
    parameter(run, "downBias", w.downBias());
  }

  private void parameter(Run run, String name, Tensor leaf) {
    if (leaf == null) return;
    double[] all =
        wanted.experts().stream()
            .flatMapToDouble(e -> Arrays.stream(e.arrays().get(name)))
            .toArray();
    compare("gradient of " + name, Tolerance.F32_GRADIENT, all, run.grad(leaf));
  }

  private void compare(String what, Tolerance tolerance, double[] reference, Tensor got) {
    String name = "%s of %s, %d tokens, k = %d".formatted(what, form, tokens, topK);
    int row = Math.toIntExact(got.size(-1));
    tolerance.compare(name, reference, Values.of(got), row).check();
  }
}
