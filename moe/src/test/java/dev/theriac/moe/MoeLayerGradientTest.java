package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backends;
import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.nn.Linear;
import dev.theriac.op.Gradients;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Layers of every form against a float64 loop over tokens, forward and backward. */
class MoeLayerGradientTest {
  private static final int TOKENS = 7;
  private static final int DIM = 5;
  private static final int HIDDEN = 3;
  private static final int EXPERTS = 4;
  private static final double FORWARD = 2e-6;
  private static final double BACKWARD = 2e-5;

  /** How the always-active expert is joined. */
  enum Kind {
    NONE,
    META,
    ADDED,
    GATED,
    RESIDUAL
  }

  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static Experts.Shape shape(boolean gated, boolean biases, UnaryKind activation) {
    return new Experts.Shape(EXPERTS, DIM, HIDDEN, gated, biases, activation);
  }

  private static MoeLayer layer(Experts.Shape shape, int topK, Kind kind) {
    Rng rng = new Rng(11);
    var weighting = topK == 1 ? Router.Weighting.PROBABILITY : Router.Weighting.RENORMALISED;
    Router router = new Router(DIM, EXPERTS, topK, weighting, rng);
    router.parameters().values().forEach(p -> p.set(p.value().mul(3)));
    Experts experts = Experts.fresh(shape, DType.F32, rng, 0.7);
    experts
        .parameters()
        .forEach((path, p) -> {
          if (path.endsWith("bias")) p.set(Tensor.randn(rng, 0.5, p.value().shape()));
        });
    return new MoeLayer(router, experts, shared(kind, rng));
  }

  private static SharedExpert shared(Kind kind, Rng rng) {
    Family family = kind == Kind.META ? Family.PHI : Family.STABLELM;
    FeedForward f = new DenseFeedForward(family, DIM, HIDDEN + 1, rng, 0.6);
    return switch (kind) {
      case NONE -> null;
      case META -> new SharedExpert.Meta(f);
      case ADDED -> new SharedExpert.Added(f);
      case GATED -> new SharedExpert.Gated(f, new Linear(DIM, 1, false, rng, 0.8));
      case RESIDUAL -> new SharedExpert.Residual(f, new Linear(DIM, 2, true, rng, 0.8));
    };
  }

  static Stream<Experts.Shape> shapes() {
    List<Experts.Shape> out = new ArrayList<>();
    for (UnaryKind activation :
        List.of(UnaryKind.GELU, UnaryKind.GELU_TANH, UnaryKind.SILU, UnaryKind.RELU)) {
      for (boolean gated : new boolean[] {false, true}) {
        for (boolean biases : new boolean[] {false, true}) {
          out.add(shape(gated, biases, activation));
        }
      }
    }
    return out.stream();
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void g01EveryFormOfExpertIsTheOracles(Experts.Shape shape) {
    check(layer(shape, 2, Kind.NONE));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, EXPERTS})
  void g01G02EveryNumberOfChoicesIsTheOraclesWithABiasOnTheSecondProduct(int topK) {
    check(layer(shape(false, true, UnaryKind.GELU), topK, Kind.NONE));
    check(layer(shape(true, true, UnaryKind.SILU), topK, Kind.NONE));
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void g04SharedExpertsAreTheOracles(Kind kind) {
    check(layer(shape(true, false, UnaryKind.SILU), 1, kind));
    check(layer(shape(false, true, UnaryKind.GELU_TANH), 2, kind));
  }

  private static void check(MoeLayer layer) {
    Tensor u = Tensor.randn(new Rng(5), 1, 1, TOKENS, DIM).requireGrad(true);
    Tensor g = Tensor.randn(new Rng(6), 1, 1, TOKENS, DIM);
    LayerOracle oracle = new LayerOracle(layer, DIM);
    double[] x = LayerOracle.doubles(u);
    double[] seed = LayerOracle.doubles(g);
    double[] y = oracle.forward(x);
    double[] du = oracle.differences(x, x, seed);
    for (var backend : Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct().toList()) {
      Backends.with(
          backend,
          () -> {
            Tensor out = layer.forward(u).value();
            assertClose(backend.name() + ": output", out, y, FORWARD);
            Gradients grads = out.backward(g);
            assertClose(backend.name() + ": input", grads.get(u), du, BACKWARD);
            layer
                .parameters()
                .forEach((path, p) -> {
                  double[] w = oracle.weights().get(path);
                  assertClose(
                      backend.name() + ": " + path,
                      grads.get(p.value()),
                      oracle.differences(w, x, seed),
                      BACKWARD);
                });
            return null;
          });
    }
  }

  /** Relative to the largest element. */
  private static void assertClose(String what, Tensor got, double[] wanted, double tolerance) {
    assertThat(got).as(what).isNotNull();
    float[] values = got.toFloats();
    assertThat(values.length).as(what).isEqualTo(wanted.length);
    double largest = Double.MIN_NORMAL;
    for (double w : wanted) largest = Math.max(largest, Math.abs(w));
    for (int i = 0; i < wanted.length; i++) {
      assertThat((double) values[i])
          .as("%s, element %d", what, i)
          .isCloseTo(wanted[i], within(tolerance * largest));
    }
  }

  @Test
  void g03AWeightOfZeroHasTheGradientOfItsExpertsOutput() {
    Experts experts = layer(shape(true, true, UnaryKind.SILU), 2, Kind.NONE).experts();
    Tensor x = Tensor.randn(new Rng(5), 1, 3, DIM);
    Tensor g = Tensor.randn(new Rng(6), 1, 3, DIM);
    RowGroups groups = RowGroups.of(Tensor.of(new long[] {0, 3, 1, 3, 2, 0}, 3, 2), EXPERTS);
    Tensor weights = Tensor.of(new float[] {0, 0.5f, 0, 0, 0.3f, 0}, 3, 2).requireGrad(true);
    for (var backend : Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct().toList()) {
      Backends.with(
          backend,
          () -> {
            double[] wanted = new double[6];
            for (int slot = 0; slot < 6; slot++) {
              float[] one = new float[6];
              one[slot] = 1;
              // The output of that slot's expert alone.
              Tensor y = experts.forward(x, Tensor.of(one, 3, 2), groups);
              wanted[slot] = y.mul(g).sum().item();
            }
            Gradients grads = experts.forward(x, weights, groups).backward(g);
            assertClose(backend.name(), grads.get(weights), wanted, 2e-6);
            // Expert 1 has one row, of weight zero.
            Tensor down = grads.get(experts.parameters().get("down_proj.weight").value());
            assertThat(down.select(0, 1).toFloats()).containsOnly(0);
            return null;
          });
    }
  }

  @Test
  void r12ExpertsWithoutTokensGetStoredZeros() {
    MoeLayer layer = layer(shape(true, true, UnaryKind.SILU), 1, Kind.GATED);
    Tensor u = Tensor.randn(new Rng(5), 1, 1, 1, DIM).requireGrad(true);
    FeedForward.Output out = layer.forward(u);
    long used = ((MoeLayer.Side) out.side()).routing().experts().toLongs()[0];
    Gradients grads = out.value().sum().backward();
    layer
        .experts()
        .parameters()
        .forEach((path, p) -> {
          Tensor all = grads.get(p.value());
          assertThat(all).as(path).isNotNull();
          for (int e = 0; e < EXPERTS; e++) {
            float[] one = all.select(0, e).toFloats();
            if (e == used) assertThat(one).as(path).isNotEqualTo(new float[one.length]);
            else assertThat(one).as("%s of expert %d", path, e).containsOnly(0);
          }
        });
  }

  @Test
  void g08MicroBatchesSumToTheWhole() {
    MoeLayer layer = layer(shape(true, true, UnaryKind.GELU), 2, Kind.ADDED);
    Tensor u = Tensor.randn(new Rng(5), 1, 1, TOKENS, DIM);
    Tensor g = Tensor.randn(new Rng(6), 1, 1, TOKENS, DIM);
    Gradients whole = layer.forward(u).value().backward(g);
    Gradients first = layer.forward(u.slice(1, 0, 3)).value().backward(g.slice(1, 0, 3));
    Gradients rest = layer.forward(u.slice(1, 3, TOKENS)).value().backward(g.slice(1, 3, TOKENS));
    layer
        .parameters()
        .forEach((path, p) ->
            assertClose(
                path,
                first.get(p.value()).add(rest.get(p.value())),
                LayerOracle.doubles(whole.get(p.value())),
                1e-6));
  }

  @Test
  void bf16ExpertsComputeWithTheRoundedWeights() {
    for (boolean gated : new boolean[] {false, true}) {
      Experts.Shape shape = shape(gated, true, UnaryKind.GELU);
      MoeLayer layer = layer(shape, 2, Kind.NONE);
      layer.experts().parameters().values().forEach(p -> p.set(p.value().to(DType.BF16)));
      check(layer);
      Experts half = Experts.fresh(shape, DType.BF16, new Rng(1), 0.5);
      half.parameters().values().forEach(p -> assertThat(p.value().dtype()).isEqualTo(DType.BF16));
    }
  }

  @Test
  void anExpertsWeightsAreViewsOnTheStack() {
    Experts experts = Experts.fresh(shape(true, false, UnaryKind.RELU), DType.F32, new Rng(1), 1);
    Map<String, Tensor> one = experts.expert(2);
    assertThat(one.keySet())
        .containsExactly("gate_proj.weight", "up_proj.weight", "down_proj.weight");
    assertThat(one.get("down_proj.weight").shape()).containsExactly(DIM, HIDDEN);
    assertThat(one.get("up_proj.weight").toFloats())
        .isEqualTo(experts.parameters().get("up_proj.weight").value().select(0, 2).toFloats());
  }
}
