package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.nn.Linear;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The layer against the toy layer whose values were worked out from the published definition. */
class MoeLayerTest {
  private static final double TOLERANCE = 1e-6;

  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static Stream<Backend> backends() {
    return Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct();
  }

  private static Tensor fill(int base, long... shape) {
    long n = 1;
    for (long s : shape) n *= s;
    float[] values = new float[(int) n];
    for (int i = 0; i < n; i++) values[i] = (float) (0.5 * Math.sin(0.7 * (i + 1) + base));
    return Tensor.of(values, shape);
  }

  private static Map<String, Tensor> feedForward(Family family, int base) {
    Map<String, Tensor> w = new LinkedHashMap<>();
    if (family == Family.PHI) {
      w.put("fc1.weight", fill(base, 6, 4));
      w.put("fc1.bias", fill(base + 1, 6));
      w.put("fc2.weight", fill(base + 2, 4, 6));
      w.put("fc2.bias", fill(base + 3, 4));
    } else {
      w.put("gate_proj.weight", fill(base, 6, 4));
      w.put("up_proj.weight", fill(base + 1, 6, 4));
      w.put("down_proj.weight", fill(base + 2, 4, 6));
    }
    return w;
  }

  private static DecoderConfig config(Family family) {
    return new DecoderConfig(family, 8, 4, 6, 1, 1, 1, 0, 1e4, 16, 1e-5, 0, 0.02);
  }

  private static FeedForward dense(Family family, int base) {
    FeedForward f = new DenseFeedForward(config(family), new Rng(0));
    f.load(feedForward(family, base));
    return f;
  }

  private static Router router() {
    return Router.of(fill(1, 4, 4).mul(2), fill(2, 4), 1, Router.Weighting.PROBABILITY);
  }

  private static MoeLayer toy(Family family) {
    List<Map<String, Tensor>> each = new ArrayList<>();
    for (int e = 0; e < 4; e++) each.add(feedForward(family, 10 * (e + 1)));
    return new MoeLayer(router(), new Experts(each), new SharedExpert.Meta(dense(family, 90)));
  }

  private static void assertClose(Tensor got, double... wanted) {
    float[] values = got.toFloats();
    assertThat(values).hasSize(wanted.length);
    for (int i = 0; i < wanted.length; i++) {
      assertThat((double) values[i]).as("element %d", i).isCloseTo(wanted[i], within(TOLERANCE));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void routesAsTheToyLayer(Backend backend) {
    Backends.with(
        backend,
        () -> {
          Routing r = router().route(fill(0, 3, 4).mul(2));
          assertClose(
              r.logits(),
              1.349101,
              -1.846484,
              1.694271,
              -2.743128,
              -0.377492,
              1.155779,
              -2.236734,
              1.662371,
              0.192330,
              -0.827835,
              0.931454,
              -2.324291);
          assertThat(r.experts().toLongs()).containsExactly(2, 3, 2);
          assertClose(r.weights(), 0.571782, 0.570499, 0.592329);
          assertClose(r.auxiliaryLoss(), 1.3117491);
          return null;
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void computesThePhiToyLayer(Backend backend) {
    Backends.with(
        backend,
        () -> {
          assertClose(
              toy(Family.PHI).forward(fill(0, 1, 3, 4).mul(2)).value(),
              0.305976,
              0.189003,
              -0.188406,
              0.570011,
              0.159217,
              0.407907,
              -0.078396,
              1.257518,
              0.206969,
              0.140309,
              -0.037608,
              0.457531);
          return null;
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void computesTheStableLmToyLayer(Backend backend) {
    Backends.with(
        backend,
        () -> {
          assertClose(
              toy(Family.STABLELM).forward(fill(0, 1, 3, 4).mul(2)).value(),
              -0.322526,
              0.158915,
              0.166706,
              -0.322375,
              -0.765273,
              0.150062,
              0.618134,
              -0.756156,
              -0.189438,
              -0.177775,
              0.363751,
              -0.178890);
          return null;
        });
  }

  @ParameterizedTest
  @EnumSource(Family.class)
  void upcyclingStartsAtOnePlusPTimesTheDenseLayer(Family family) {
    FeedForward dense = dense(family, 90);
    Tensor u = fill(0, 1, 3, 4).mul(2);
    float[] before = dense.forward(u).value().toFloats();
    MoeLayer moe = MoeLayer.upcycle(dense, router(), true);
    FeedForward.Output out = moe.forward(u);
    float[] p = ((MoeLayer.Side) out.side()).routing().weights().toFloats();
    float[] y = out.value().toFloats();
    for (int i = 0; i < y.length; i++) {
      assertThat(y[i]).isCloseTo((1 + p[i / 4]) * before[i], within(1e-6f));
    }
  }

  @Test
  void gradientPassesThroughAFrozenRouterAndOnlyToExpertsThatWereUsed() {
    MoeLayer moe = toy(Family.PHI);
    moe.train(path -> !path.startsWith("gate."));
    Tensor u = fill(0, 1, 3, 4).mul(2).requireGrad(true);
    Gradients grads = moe.forward(u).value().sum().backward();
    assertThat(grads.get(u).toFloats()).hasSize(12);
    moe.parameters()
        .forEach((path, p) -> {
          Tensor g = grads.get(p.value());
          if (path.startsWith("gate.")) assertThat(g).as(path).isNull();
          else if (path.startsWith("experts.")) {
            long per = g.size() / 4;
            float[] values = g.toFloats();
            for (int e = 0; e < 4; e++) {
              boolean zero = true;
              for (int i = 0; i < per; i++) zero &= values[(int) (e * per + i)] == 0;
              assertThat(zero).as("%s of expert %d", path, e).isEqualTo(e < 2);
            }
          } else assertThat(g).as(path).isNotNull();
        });
  }

  @Test
  void finiteDifferencesAgreeThroughRouterExpertsAndMeta() {
    MoeLayer moe = toy(Family.PHI);
    float[] at = fill(0, 3, 4).mul(2).toFloats();
    float[] weight = fill(5, 3, 4).toFloats();
    Tensor x = Tensor.of(at, 1, 3, 4).requireGrad(true);
    float[] grad =
        moe.forward(x).value().mul(Tensor.of(weight, 1, 3, 4)).sum().backward().get(x).toFloats();
    for (int i = 0; i < at.length; i++) {
      double h = 1e-2;
      float[] up = at.clone();
      float[] down = at.clone();
      up[i] += (float) h;
      down[i] -= (float) h;
      double numeric = (dot(moe, up, weight) - dot(moe, down, weight)) / (up[i] - (double) down[i]);
      assertThat((double) grad[i]).as("element %d", i).isCloseTo(numeric, within(1e-3));
    }
  }

  private static double dot(MoeLayer moe, float[] x, float[] weight) {
    float[] y =
        Backends.with(
            Backends.scalar(), () -> moe.forward(Tensor.of(x, 1, 3, 4)).value().toFloats());
    double sum = 0;
    for (int i = 0; i < y.length; i++) sum += (double) y[i] * weight[i];
    return sum;
  }

  @Test
  void topTwoOfFourSums() {
    List<Map<String, Tensor>> each = new ArrayList<>();
    for (int e = 0; e < 4; e++) each.add(feedForward(Family.PHI, 10 * (e + 1)));
    Router two = Router.of(fill(1, 4, 4).mul(2), fill(2, 4), 2, Router.Weighting.RENORMALISED);
    MoeLayer moe = new MoeLayer(two, new Experts(each), null);
    Tensor u = fill(0, 3, 4).mul(2);
    FeedForward.Output out = moe.forward(u);
    Routing r = ((MoeLayer.Side) out.side()).routing();
    long[] ids = r.experts().toLongs();
    float[] w = r.weights().toFloats();
    float[] got = out.value().toFloats();
    for (int t = 0; t < 3; t++) {
      double[] wanted = new double[4];
      for (int j = 0; j < 2; j++) {
        Tensor row = u.slice(0, t, t + 1);
        float[] y =
            dense(Family.PHI, 10 * ((int) ids[2 * t + j] + 1)).forward(row).value().toFloats();
        for (int i = 0; i < 4; i++) wanted[i] += (double) w[2 * t + j] * y[i];
      }
      for (int i = 0; i < 4; i++) {
        assertThat((double) got[4 * t + i]).isCloseTo(wanted[i], within(1e-6));
      }
      assertThat(w[2 * t] + w[2 * t + 1]).isCloseTo(1f, within(1e-6f));
    }
  }

  @Test
  void noTokensGiveNoRows() {
    assertThat(toy(Family.PHI).forward(Tensor.zeros(0, 4)).value().shape()).containsExactly(0, 4);
  }

  @Test
  void refusesWhatCannotWork() {
    assertThatThrownBy(() -> Router.of(fill(1, 4, 4), fill(2, 4), 1, Router.Weighting.RENORMALISED))
        .hasMessageContaining("no gradient");
    Map<String, Tensor> narrow = feedForward(Family.PHI, 1);
    Map<String, Tensor> wide = new LinkedHashMap<>(narrow);
    wide.put("fc1.weight", fill(1, 7, 4));
    assertThatThrownBy(() -> new Experts(List.of(narrow, wide)))
        .hasMessageContaining("fc1.weight")
        .hasMessageContaining("[6, 4]")
        .hasMessageContaining("[7, 4]");
    Map<String, Tensor> nameless = new LinkedHashMap<>(narrow);
    nameless.remove("fc2.weight");
    assertThatThrownBy(() -> new Experts(List.of(nameless))).hasMessageContaining("fc2.weight");
    assertThatThrownBy(() -> new Experts(List.of(narrow, nameless))).hasMessageContaining("same");
    assertThatThrownBy(() -> new Experts(List.of(narrow), UnaryKind.TANH))
        .hasMessageContaining("TANH");
    assertThatThrownBy(() ->
            new SharedExpert.Gated(dense(Family.PHI, 1), new Linear(4, 2, false, new Rng(0), 1)))
        .hasMessageContaining("[2, 4]");
  }

  /** N01 for the layer: the weights stay F32, so that the output is rounded to BF16 once. */
  @ParameterizedTest
  @MethodSource("backends")
  void halfTokensAreCombinedByUnroundedWeights(Backend backend) {
    Backends.with(
        backend,
        () -> {
          Rng rng = new Rng(8);
          var shape = new Experts.Shape(5, 24, 17, true, false, UnaryKind.SILU);
          MoeLayer layer =
              new MoeLayer(
                  new Router(24, 5, 3, Router.Weighting.RENORMALISED, rng),
                  Experts.fresh(shape, DType.F32, rng, 0.3),
                  null);
          layer.train(false);
          Tensor x = Tensor.randn(rng, 1, 40, 24).to(DType.BF16);
          FeedForward.Output out = layer.forward(x);
          MoeLayer.Side side = (MoeLayer.Side) out.side();
          Tensor weights = side.routing().weights();
          assertThat(weights.dtype()).isEqualTo(DType.F32);
          assertThat(weights.to(DType.BF16).toFloats()).isNotEqualTo(weights.toFloats());
          Tensor exact =
              layer.experts().forward(x.to(DType.F32), weights, side.dispatch().groups());
          assertThat(out.value().dtype()).isEqualTo(DType.BF16);
          assertThat(out.value().toFloats()).isEqualTo(exact.to(DType.BF16).toFloats());
          return null;
        });
  }

  /** fc1, an activation of its own, fc2: the names tell nothing of what lies between. */
  private static final class Custom extends FeedForward {
    private final Linear first = part("fc1", new Linear(4, 6, true, new Rng(1), 0.5));
    private final Linear last = part("fc2", new Linear(6, 4, true, new Rng(2), 0.5));

    @Override
    public Output forward(Tensor u) {
      return new Output(last.forward(first.forward(u).apply(UnaryKind.RELU)), null);
    }
  }

  @Test
  void upcyclingAsksForTheActivationThatItCannotKnow() {
    FeedForward dense = new Custom();
    assertThatThrownBy(() -> MoeLayer.upcycle(dense, router(), true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("Custom", "activation", "argument");
    MoeLayer moe = MoeLayer.upcycle(dense, UnaryKind.RELU, router(), true);
    Tensor u = fill(0, 1, 3, 4).mul(2);
    FeedForward.Output out = moe.forward(u);
    float[] before = dense.forward(u).value().toFloats();
    float[] p = ((MoeLayer.Side) out.side()).routing().weights().toFloats();
    float[] y = out.value().toFloats();
    for (int i = 0; i < y.length; i++) {
      assertThat(y[i]).isCloseTo((1 + p[i / 4]) * before[i], within(1e-6f));
    }
    assertThat(MoeLayer.upcycle(dense(Family.PHI, 90), router(), true).experts().activation())
        .isEqualTo(UnaryKind.GELU_TANH);
    assertThat(MoeLayer.upcycle(dense(Family.LLAMA, 90), router(), true).experts().activation())
        .isEqualTo(UnaryKind.SILU);
  }
}
