package dev.theriac.moe;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.SameBits;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers of experts on another device than the CPU: every router, every loss. */
class DeviceMoeTest extends ScopedTest {
  private static final int DIM = 10;
  private static final int EXPERTS = 6;
  private static final int BATCH = 2;
  private static final int LENGTH = 9;

  private static RouterConfig.Builder router(int topK) {
    return RouterConfig.builder(DIM, EXPERTS, topK);
  }

  static Map<String, RouterConfig> configs() {
    Map<String, RouterConfig> out = new LinkedHashMap<>();
    out.put("top one", router(1).bias(true).build());
    out.put("renormalised", router(2).weighting(Router.Weighting.RENORMALISED).scale(2.5).build());
    out.put("sigmoid", router(3).scoring(Scoring.SIGMOID).correctionBias(true).build());
    out.put("biased softmax", router(2).correctionBias(true).build());
    out.put("groups by best", router(2).groups(3, 2, GroupScore.MAX).build());
    out.put(
        "groups by two",
        router(2)
            .scoring(Scoring.SIGMOID)
            .weighting(Router.Weighting.RENORMALISED)
            .groups(3, 2, GroupScore.TOP_TWO)
            .build());
    out.put("cosine", router(2).cosine(4, 0.5).build());
    out.put("noise", router(2).noise(new Noise.Constant(0.7)).build());
    out.put("jitter", router(1).jitter(0.3).build());
    out.put("learned noise", router(2).noise(new Noise.Learned()).jitter(0.1).build());
    return out;
  }

  static Iterable<String> names() {
    return configs().keySet();
  }

  private static TokenMask mask() {
    boolean[] valid = new boolean[BATCH * LENGTH];
    for (int i = 0; i < valid.length; i++) valid[i] = i % LENGTH < 4 + i / LENGTH;
    return TokenMask.of(valid, BATCH, LENGTH);
  }

  private static TokenMask nothing() {
    return TokenMask.of(new boolean[BATCH * LENGTH], BATCH, LENGTH);
  }

  private static Tensor input(Device device) {
    return Tensor.randn(new Rng(1), 1, BATCH, LENGTH, DIM).to(device).requireGrad(true);
  }

  private static Experts experts(boolean gated) {
    var activation = gated ? UnaryKind.SILU : UnaryKind.GELU;
    var shape = new Experts.Shape(EXPERTS, DIM, 7, gated, !gated, activation);
    return Experts.fresh(shape, DType.F32, new Rng(4), 0.3);
  }

  private static MoeLayer layer(RouterConfig config, SharedExpert shared, Device device) {
    Router router = new Router(config, new Rng(2));
    if (config.correctionBias()) {
      router.correctionBias().set(Tensor.randn(new Rng(3), 0.5, EXPERTS));
    }
    MoeLayer layer = new MoeLayer(router, experts(config.topK() > 1), shared);
    layer.to(device);
    return layer;
  }

  private static void gradients(Tensor loss, Tensor x, Module layer, List<float[]> results) {
    Gradients gradients = loss.backward();
    results.add(gradients.get(x).toFloats());
    layer
        .parameters()
        .forEach((path, p) -> {
          Tensor g = gradients.get(p.value());
          if (g == null) return;
          assertThat(g.device()).as(path).isEqualTo(x.device());
          results.add(g.toFloats());
        });
  }

  private static float[] floats(long[] values) {
    float[] out = new float[values.length];
    for (int i = 0; i < out.length; i++) out[i] = values[i];
    return out;
  }

  @ParameterizedTest
  @MethodSource("names")
  void everyRouterWithEveryLoss(String name) {
    RouterConfig config = configs().get(name);
    for (boolean training : new boolean[] {false, true}) {
      for (TokenMask mask : new TokenMask[] {TokenMask.all(BATCH, LENGTH), mask(), nothing()}) {
        SameBits.of(device -> {
          MoeLayer layer = layer(config, null, device);
          layer.train(training);
          Tensor x = input(device);
          var out = layer.forward(x, mask, null);
          assertThat(out.value().device()).isEqualTo(device);
          Routing routing = ((MoeLayer.Side) out.side()).routing();
          Tensor loss = out.value().mul(out.value()).sum();
          List<Tensor> losses =
              new ArrayList<>(
                  List.of(
                      Losses.loadBalance(routing),
                      Losses.sequenceLoadBalance(routing),
                      Losses.firstChoiceLoadBalance(
                          routing.probabilities(), routing.experts(), mask),
                      Losses.zLoss(routing),
                      Losses.importance(routing)));
          boolean noisy = training && !(config.noise().equals(new Noise.Constant(0)));
          if (noisy) losses.add(Losses.load(routing));
          List<float[]> results = new ArrayList<>();
          for (Tensor l : losses) {
            loss = loss.add(l);
            results.add(l.toFloats());
          }
          results.add(out.value().toFloats());
          results.add(floats(routing.experts().toLongs()));
          results.add(floats(Losses.counts(routing)));
          gradients(loss, x, layer, results);
          return results;
        });
      }
    }
  }

  /** How the expert that every token passes is joined. */
  enum Kind {
    META,
    ADDED,
    GATED,
    RESIDUAL
  }

  private static SharedExpert shared(Kind kind) {
    var f = new DenseFeedForward(Family.STABLELM, DIM, 5, new Rng(9), 0.6);
    return switch (kind) {
      case META -> new SharedExpert.Meta(f);
      case ADDED -> new SharedExpert.Added(f);
      case GATED -> new SharedExpert.Gated(f, new Linear(DIM, 1, false, new Rng(8), 0.8));
      case RESIDUAL -> new SharedExpert.Residual(f, new Linear(DIM, 2, true, new Rng(8), 0.8));
    };
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void sharedExpertsAndCapacities(Kind kind) {
    for (Capacity.Policy policy : Capacity.Policy.values()) {
      SameBits.of(device -> {
        MoeLayer layer = layer(router(kind == Kind.META ? 1 : 2).build(), shared(kind), device);
        layer.capacity(new Capacity(0.8, policy));
        Tensor x = input(device);
        var out = layer.forward(x, mask(), null);
        MoeLayer.Side side = (MoeLayer.Side) out.side();
        assertThat(side.dispatch().drops()).isNotEmpty();
        List<float[]> results = new ArrayList<>(List.of(out.value().toFloats()));
        float[] dropped = new float[side.dispatch().drops().size()];
        for (int i = 0; i < dropped.length; i++)
          dropped[i] = side.dispatch().drops().get(i).token();
        results.add(dropped);
        gradients(out.value().mul(out.value()).sum(), x, layer, results);
        return results;
      });
    }
  }

  /** Experts that are named, by ids on the host, and those that a fixed assignment names. */
  @Test
  void replayedAndFixedExperts() {
    long[] ids = new long[BATCH * LENGTH * 2];
    for (int i = 0; i < ids.length; i++) ids[i] = (i * 5 + i / 2) % EXPERTS;
    for (int i = 0; i < ids.length; i += 2) if (ids[i] == ids[i + 1]) ids[i] = (ids[i] + 1) % 6;
    SameBits.of(device -> {
      MoeLayer layer = layer(router(2).build(), null, device);
      Tensor x = input(device);
      var replay = new MoeLayer.Replay(Tensor.of(ids, BATCH * LENGTH, 2));
      List<float[]> results = new ArrayList<>();
      Tensor y = layer.forward(x, replay).value();
      results.add(y.toFloats());
      gradients(y.mul(y).sum(), x, layer, results);
      for (FixedRouter fixed :
          List.of(FixedRouter.roundRobin(), FixedRouter.zipf(1.2, 3), FixedRouter.halfEmpty(5))) {
        Router assigned = layer.router().with(fixed);
        assertThat(assigned.device()).isEqualTo(device);
        Tensor tokens = x.detach().reshape(BATCH * LENGTH, DIM);
        results.add(floats(assigned.route(tokens).experts().toLongs()));
      }
      return results;
    });
  }

  @Test
  void expertsThatChoose() {
    for (TokenMask mask : new TokenMask[] {null, mask(), nothing()}) {
      SameBits.of(device -> {
        var router = new ExpertChoice(DIM, EXPERTS, 1.5, ExpertChoice.Use.NON_CAUSAL, new Rng(3));
        var layer = new ExpertChoiceLayer(router, experts(true), shared(Kind.ADDED));
        layer.to(device);
        Tensor x = input(device);
        var out = layer.forward(x, mask, null);
        ExpertChoice.Choice choice = ((ExpertChoiceLayer.Side) out.side()).choice();
        List<float[]> results = new ArrayList<>();
        results.add(out.value().toFloats());
        results.add(floats(choice.tokens().toLongs()));
        results.add(floats(choice.unusable()));
        gradients(out.value().mul(out.value()).sum(), x, layer, results);
        return results;
      });
    }
  }

  /** Tokens about which nothing can be decided, in a router that adds a bias for the choice. */
  @Test
  void tokensThatAreNoNumbers() {
    SameBits.of(device -> {
      MoeLayer layer = layer(router(2).correctionBias(true).build(), null, device);
      float[] values = Tensor.randn(new Rng(1), 1, LENGTH, DIM).toFloats();
      values[3] = Float.NaN;
      values[5 * DIM] = Float.POSITIVE_INFINITY;
      var out = layer.forward(Tensor.of(device, values, 1, LENGTH, DIM));
      MoeLayer.Side side = (MoeLayer.Side) out.side();
      assertThat(side.unusable()).isNotEmpty();
      return List.of(
          out.value().toFloats(),
          floats(side.unusable()),
          floats(side.routing().experts().toLongs()));
    });
  }

  @Test
  void aCorrectionBiasIsMovedWhereItIs() {
    SameBits.of(device -> {
      MoeLayer layer = layer(configs().get("sigmoid"), null, device);
      CorrectionBias bias = new CorrectionBias(layer.router(), 0.01);
      var out = layer.forward(input(device));
      bias.count(((MoeLayer.Side) out.side()).routing());
      bias.step();
      assertThat(layer.router().correctionBias().device()).isEqualTo(device);
      return List.of(layer.router().correctionBias().value().toFloats());
    });
  }

  @Test
  void upcyclingHappensWhereTheFeedForwardIs() {
    SameBits.of(device -> {
      var dense = new DenseFeedForward(Family.PHI, DIM, 12, new Rng(9), 0.6);
      Router router = new Router(router(1).build(), new Rng(2));
      dense.to(device);
      router.to(device);
      MoeLayer layer = MoeLayer.upcycle(dense, router, true);
      assertThat(layer.parameters().values()).allMatch(p -> p.device().equals(device));
      return List.of(layer.forward(input(device)).value().toFloats());
    });
  }

  @Test
  void tokensOnAnotherDeviceAreRefused() {
    MoeLayer layer = layer(router(2).build(), null, DEVICE);
    assertThatThrownBy(() -> layer.forward(input(Device.CPU)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("cpu")
        .hasMessageContaining("test:0");
    layer.router().to(Device.CPU);
    assertThatThrownBy(() -> layer.forward(input(Device.CPU)))
        .as("a part that was moved alone")
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("cpu")
        .hasMessageContaining("test:0");
  }
}
