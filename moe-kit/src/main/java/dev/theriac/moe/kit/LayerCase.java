package dev.theriac.moe.kit;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.moe.Dispatch;
import dev.theriac.moe.Experts;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.Routing;
import dev.theriac.moe.SharedExpert;
import dev.theriac.moe.kit.oracle.Activation;
import dev.theriac.moe.kit.oracle.Oracle;
import dev.theriac.moe.kit.oracle.OracleFeedForward;
import dev.theriac.moe.kit.oracle.OracleRouter;
import dev.theriac.moe.kit.oracle.OracleRouter.GroupScore;
import dev.theriac.moe.kit.oracle.OracleRouter.Scoring;
import dev.theriac.moe.kit.oracle.OracleRouter.Weighting;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Function;

/** A whole layer, router included, in the engine's form and in the oracle's. */
final class LayerCase {
  /** The expert that every token passes. */
  enum Shared {
    NONE,
    ADDED,
    GATED
  }

  /** What a pass of the engine gave: output, routing, gradients of u and of parameters by path. */
  record Run(
      Tensor y,
      Routing routing,
      Dispatch dispatch,
      Tensor du,
      SequencedMap<String, Tensor> gradients) {
    List<Tensor> all() {
      List<Tensor> all = new ArrayList<>(List.of(y, routing.weights(), du));
      all.addAll(gradients.values());
      return all;
    }
  }

  static final int TOKENS = 12;
  private static final int WIDTH = 5;

  final MoeLayer layer;
  final RouterConfig config;
  final float[] u;
  final float[] upstream;
  private final Shared shared;

  LayerCase(RouterConfig config, boolean gated, Shared shared) {
    this(config, gated, shared, TOKENS);
  }

  /**
   * @param config whose correction bias, if it has one, becomes small random numbers
   * @param gated SwiGLU without biases, or tanh GELU with biases
   */
  LayerCase(RouterConfig config, boolean gated, Shared shared, int tokens) {
    this.config = config;
    this.shared = shared;
    Rng rng = new Rng(77);
    int d = config.dim();
    Router router = new Router(config, rng);
    for (var p : router.parameters().entrySet()) {
      if (p.getKey().equals("wg.weight")) {
        p.getValue().set(Tensor.randn(rng, 1 / Math.sqrt(d), config.experts(), d));
      }
    }
    if (router.correctionBias() != null) {
      router.correctionBias().set(Tensor.randn(rng, 0.1, config.experts()));
    }
    UnaryKind activation = gated ? UnaryKind.SILU : UnaryKind.GELU_TANH;
    Experts experts =
        Experts.fresh(
            new Experts.Shape(config.experts(), d, WIDTH, gated, !gated, activation),
            DType.F32,
            rng,
            0.5);
    Family family = gated ? Family.LLAMA : Family.PHI;
    layer =
        new MoeLayer(
            router,
            experts,
            switch (shared) {
              case NONE -> null;
              case ADDED ->
                  new SharedExpert.Added(new DenseFeedForward(family, d, 2 * WIDTH, rng, 0.5));
              case GATED ->
                  new SharedExpert.Gated(
                      new DenseFeedForward(family, d, 2 * WIDTH, rng, 0.5),
                      new Linear(d, 1, false, rng, 0.5));
            });
    // Biases that start at zero would hide a gradient or a sum that forgets them.
    layer
        .parameters()
        .forEach((path, p) -> {
          if (path.endsWith(".bias")) p.set(Tensor.randn(rng, 0.3, p.value().shape()));
        });
    u = MixtureCase.normal(rng, 1, tokens * d);
    upstream = MixtureCase.normal(rng, 1, tokens * d);
  }

  int tokens() {
    return u.length / config.dim();
  }

  Tensor input() {
    return Tensor.of(u, tokens(), config.dim());
  }

  /** Forward, and backward of sum(upstream * y) + losses, on this thread's back end. */
  Run run(TokenMask mask, Function<Routing, Tensor> losses) {
    return run(input(), mask, null, losses);
  }

  /** As above for other tokens, or with a routing to replay. */
  Run run(Tensor tokens, TokenMask mask, Tensor replay, Function<Routing, Tensor> losses) {
    Tensor in = tokens.requireGrad(true);
    var out = layer.forward(in, mask, replay == null ? null : new MoeLayer.Replay(replay));
    Tensor y = out.value().retain();
    MoeLayer.Side side = (MoeLayer.Side) out.side();
    Routing routing = side.routing();
    routing.weights().retain();
    routing.logits().retain();
    float[] g = Arrays.copyOf(upstream, Math.toIntExact(in.size()));
    Tensor loss = y.mul(Tensor.of(g, in.shape())).sum();
    if (losses != null) loss = loss.add(losses.apply(routing));
    Gradients found = loss.backward();
    SequencedMap<String, Tensor> gradients = new LinkedHashMap<>();
    layer
        .parameters()
        .forEach((path, p) -> {
          if (p.trainable()) gradients.put(path, found.get(p.value()));
        });
    return new Run(y, routing, side.dispatch(), found.get(in), gradients);
  }

  double[][] uRows() {
    return Values.rows(Values.of(u), config.dim(), tokens());
  }

  double[][] upstreamRows() {
    return Values.rows(Values.of(upstream), config.dim(), tokens());
  }

  /** A router's configuration as the oracle has it. */
  static OracleRouter oracle(RouterConfig c, double[] correctionBias) {
    return new OracleRouter(
        c.experts(),
        c.topK(),
        c.scoring() == RouterConfig.Scoring.SOFTMAX ? Scoring.SOFTMAX : Scoring.SIGMOID,
        c.weighting() == Router.Weighting.PROBABILITY ? Weighting.RAW : Weighting.RENORMALISED,
        c.scale(),
        c.groups().groups(),
        c.groups().kept(),
        c.groups().best() == 1 ? GroupScore.MAX : GroupScore.SUM_OF_TWO,
        correctionBias);
  }

  /** The layer in float64, with parameters of its own. */
  Oracle oracle() {
    Parameter correction = layer.router().correctionBias();
    List<OracleFeedForward> experts = new ArrayList<>();
    for (int e = 0; e < config.experts(); e++) {
      experts.add(feedForward("experts.", WIDTH, e, config.experts()));
    }
    return new Oracle(
        config.dim(),
        oracle(config, correction == null ? null : Values.of(correction.value())),
        values("gate.wg.weight"),
        values("gate.wg.bias"),
        experts,
        gated() ? Activation.SILU : Activation.GELU_TANH,
        switch (shared) {
          case NONE -> null;
          case ADDED -> feedForward("shared_experts.", 2 * WIDTH, 0, 1);
          case GATED -> feedForward("shared_expert.", 2 * WIDTH, 0, 1);
        },
        values("shared_expert_gate.weight"));
  }

  private boolean gated() {
    return layer.experts().gated();
  }

  private OracleFeedForward feedForward(String prefix, int width, int index, int of) {
    return new OracleFeedForward(
        config.dim(),
        width,
        part(prefix + (gated() ? "gate_proj.weight" : "fc1.weight"), index, of),
        part(prefix + "fc1.bias", index, of),
        part(prefix + "up_proj.weight", index, of),
        null,
        part(prefix + (gated() ? "down_proj.weight" : "fc2.weight"), index, of),
        part(prefix + "fc2.bias", index, of));
  }

  private double[] values(String path) {
    Parameter p = layer.parameters().get(path);
    return p == null ? null : Values.of(p.value());
  }

  private double[] part(String path, int index, int of) {
    double[] all = values(path);
    if (all == null) return null;
    int size = all.length / of;
    return Arrays.copyOfRange(all, index * size, (index + 1) * size);
  }

  /** The oracle's arrays that make up the parameter of that path, one after the other. */
  double[] gather(String path, SequencedMap<String, double[]> oracle) {
    if (path.equals("gate.wg.weight")) return oracle.get("router.weight");
    if (path.equals("gate.wg.bias")) return oracle.get("router.bias");
    if (path.equals("shared_expert_gate.weight")) return oracle.get("sharedGate");
    String[] words = path.substring(path.indexOf('.') + 1).split("\\.");
    String name =
        switch (words[0]) {
          case "fc1", "gate_proj" -> "gate";
          case "up_proj" -> "up";
          case "fc2", "down_proj" -> "down";
          default -> throw new IllegalStateException("parameter " + path);
        };
    if (words[1].equals("bias")) name += "Bias";
    if (!path.startsWith("experts.")) return oracle.get("shared." + name);
    List<double[]> parts = new ArrayList<>();
    for (int e = 0; e < config.experts(); e++) parts.add(oracle.get("expert" + e + "." + name));
    return Values.flat(parts.toArray(double[][]::new));
  }

  /** Fails unless engine and oracle chose the same experts, in the same order. */
  static void sameChoice(Routing routing, Oracle.Forward wanted) {
    long[] got = routing.experts().toLongs();
    long[] want =
        Arrays.stream(wanted.chosen()).flatMapToInt(Arrays::stream).asLongStream().toArray();
    if (!Arrays.equals(got, want)) {
      throw new AssertionError(
          "experts %s, the oracle chose %s".formatted(Arrays.toString(got), Arrays.toString(want)));
    }
  }

  /** Compares output, weights and every gradient. */
  void check(Run run, Oracle.Forward wanted, Oracle.Gradients gradients) {
    sameChoice(run.routing, wanted);
    compare("output", Tolerance.F32, Values.flat(wanted.y()), run.y);
    compare("weights", Tolerance.F32, Values.flat(wanted.weights()), run.routing.weights());
    compare("gradient of u", Tolerance.F32_GRADIENT, Values.flat(gradients.x()), run.du);
    run.gradients.forEach((path, g) -> {
      double[] want = gather(path, gradients.parameters());
      if (g == null) {
        // A path that no gradient takes: right only where the gradient is nought.
        if (Arrays.stream(want).anyMatch(v -> v != 0)) {
          throw new AssertionError("no gradient of " + path + " of " + config);
        }
        return;
      }
      compare("gradient of " + path, Tolerance.F32_GRADIENT, want, g);
    });
  }

  private void compare(String what, Tolerance tolerance, double[] reference, Tensor got) {
    int row = Math.toIntExact(got.size(-1));
    String name = "%s, %s".formatted(what, config);
    tolerance.compare(name, reference, Values.of(got), row).check();
  }
}
