package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.moe.Capacity.Policy;
import dev.theriac.moe.Dispatch.Drop;
import dev.theriac.moe.Dispatch.Reason;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What is dropped over capacity, and what is said about it. */
class CapacityTest extends ScopedTest {
  private static Drop over(long token, int choice, int expert) {
    return new Drop(token, choice, expert, Reason.OVER_CAPACITY);
  }

  @Test
  @DisplayName("C01: [[1,0,0,0]] x 5 with factor 1 keeps tokens 0 and 1")
  void theEarliestAreKept() {
    Tensor u = Tensor.of(new float[] {1, 0, 0, 0}, 1, 4).expand(5, 4).contiguous();
    Routing routing = identity(logits(4, 1).build()).route(u);
    Dispatch d = Dispatch.of(routing, new Capacity(1, Policy.POSITION));
    assertThat(d.experts().toLongs()).containsExactly(0, 0, -1, -1, -1);
    assertThat(d.drops()).containsExactly(over(2, 0, 0), over(3, 0, 0), over(4, 0, 0));
    assertThat(d.groups().counts()).containsExactly(2, 0, 0, 0);
    assertThat(d.load().empty()).isEqualTo(3);
  }

  @Test
  @DisplayName("C02: a capacity above T is T, and nothing is dropped")
  void capacityIsClipped() {
    assertThat(new Capacity(100, Policy.POSITION).of(5, 1, 4)).isEqualTo(5);
    assertThat(new Capacity(1, Policy.POSITION).of(5, 1, 4)).isEqualTo(2);
    assertThat(new Capacity(1.25, Policy.POSITION).of(16, 2, 8)).isEqualTo(5);
    assertThat(new Capacity(0.1, 3, Policy.POSITION).of(16, 1, 8)).isEqualTo(3);
    assertThat(new Capacity(0.1, 3, Policy.POSITION).of(2, 1, 8)).isEqualTo(2);
    assertThat(new Capacity(1, Policy.POSITION).of(0, 1, 8)).isZero();
    Routing routing = identity(logits(4, 2).build()).route(normal(1, 9, 4));
    for (Policy policy : Policy.values()) {
      Dispatch d = Dispatch.of(routing, new Capacity(100, policy));
      assertThat(d.drops()).isEmpty();
      assertThat(d.experts().toLongs()).isEqualTo(routing.experts().toLongs());
    }
  }

  @Test
  @DisplayName("C03: a capacity of 0 is an error that says what to do")
  void nothingIsNoCapacity() {
    assertThatThrownBy(() -> new Capacity(0, Policy.POSITION))
        .hasMessageContaining("factor of 0")
        .hasMessageContaining("no capacity at all");
    assertThatThrownBy(() -> new Capacity(-1, Policy.POSITION)).hasMessageContaining("-1.0");
    assertThatThrownBy(() -> new Capacity(Double.NaN, Policy.POSITION)).hasMessageContaining("NaN");
  }

  @Test
  @DisplayName("C04: the probability policy keeps the heaviest; of equal ones the earlier token")
  void theHeaviestAreKept() {
    Tensor u = Tensor.of(new float[] {1, 0, 3, 0, 2, 0, 3, 0, 2, 0, 2, 0}, 6, 2);
    Routing routing = identity(logits(2, 1).build()).route(u);
    Dispatch d = Dispatch.of(routing, new Capacity(1, Policy.PROBABILITY));
    // C = 3: tokens 1 and 3 weigh most, then 2, 4 and 5 alike.
    assertThat(d.experts().toLongs()).containsExactly(-1, 0, 0, 0, -1, -1);
    assertThat(d.drops()).containsExactly(over(0, 0, 0), over(4, 0, 0), over(5, 0, 0));
    Dispatch first = Dispatch.of(routing, new Capacity(1, Policy.POSITION));
    assertThat(first.experts().toLongs()).containsExactly(0, 0, 0, -1, -1, -1);
  }

  @ParameterizedTest
  @EnumSource(Policy.class)
  @DisplayName("C05: what is dropped is listed, and with what is kept makes up the routing")
  void dropsAreListed(Policy policy) {
    Routing routing =
        new Router(6, 5, 3, Router.Weighting.RENORMALISED, new Rng(4)).route(normal(2, 40, 6));
    Dispatch d = Dispatch.of(routing, new Capacity(0.7, policy));
    long[] chosen = routing.experts().toLongs();
    long[] left = d.experts().toLongs();
    for (Drop drop : d.drops()) {
      int slot = (int) drop.token() * 3 + drop.choice();
      assertThat(left[slot]).isEqualTo(-1);
      assertThat((long) drop.expert()).isEqualTo(chosen[slot]);
      left[slot] = drop.expert();
    }
    assertThat(left).isEqualTo(chosen);
    assertThat(d.drops()).isNotEmpty();
    assertThat(d.dropped(Reason.OVER_CAPACITY)).isEqualTo(d.drops().size());
    assertThat(Arrays.stream(d.groups().counts()).max().getAsLong())
        .isEqualTo(new Capacity(0.7, policy).of(40, 3, 5));
    assertThat(Losses.counts(routing)).isEqualTo(ExpertLoad.of(routing.experts(), 5).counts());
    assertThat(d.load()).isEqualTo(ExpertLoad.of(d.experts(), 5)).isNotEqualTo(d);
  }

  @Test
  void fillingTakesNoPlace() {
    Tensor u = Tensor.of(new float[] {9, 0, 9, 0, 1, 0, 1, 0}, 4, 2);
    TokenMask mask = TokenMask.of(new boolean[] {false, false, true, true}, 1, 4);
    Routing routing = identity(logits(2, 1).build()).route(u, mask);
    for (Policy policy : Policy.values()) {
      Dispatch d = Dispatch.of(routing, new Capacity(2, policy));
      assertThat(d.experts().toLongs()).containsExactly(-1, -1, 0, 0);
      assertThat(d.drops())
          .extracting(Drop::reason)
          .containsExactly(Reason.FILLING, Reason.FILLING);
    }
    assertThat(Dispatch.dropless(routing).drops()).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName("G06: a dropped choice adds nothing, and its weight's gradient is exactly 0")
  void droppedChoicesGetNoGradient(Backend backend) {
    Routing routing = identity(logits(4, 2).build()).route(normal(5, 11, 4));
    Dispatch d = Dispatch.of(routing, new Capacity(0.6, Policy.PROBABILITY));
    FeedForwardWeights w =
        new FeedForwardWeights(normal(1, 4, 6, 4), null, null, null, normal(2, 4, 4, 6), null);
    Tensor x = normal(6, 11, 4);
    Tensor weights = routing.weights().detach().requireGrad(true);
    Gradients found =
        on(
            backend,
            () ->
                Grouped.feedForward(x, weights, d.groups(), w, UnaryKind.SILU)
                    .mul(normal(7, 11, 4))
                    .sum()
                    .backward());
    float[] grad = found.get(weights).toFloats();
    long[] ids = d.experts().toLongs();
    for (int s = 0; s < ids.length; s++) {
      assertThat(grad[s] == 0).as("slot %d", s).isEqualTo(ids[s] < 0);
    }
  }

  @Test
  @DisplayName("C02: the formula is exact, for every factor as it is written")
  void capacityIsExact() {
    assertThat(new Capacity(1.1, Policy.POSITION).of(100, 1, 10)).isEqualTo(11);
    for (int tenths : new int[] {1, 3, 7, 11, 12, 13, 19, 29}) {
      double factor = tenths / 10.0;
      Capacity capacity = new Capacity(factor, Policy.POSITION);
      for (int experts = 1; experts <= 12; experts++) {
        ExpertChoice choice =
            new ExpertChoice(1, experts, factor, ExpertChoice.Use.NON_CAUSAL, new Rng(1));
        for (long tokens = 0; tokens <= 240; tokens++) {
          for (int k = 1; k <= Math.min(experts, 3); k++) {
            long even = Math.min(tokens, Math.ceilDiv(tenths * k * tokens, 10L * experts));
            assertThat(capacity.of(tokens, k, experts))
                .as("%s, T = %d, k = %d, E = %d", factor, tokens, k, experts)
                .isEqualTo((int) even);
            if (k == 1) assertThat(choice.capacity(tokens)).isEqualTo((int) even);
          }
        }
      }
    }
    assertThat(new Capacity(1e300, Policy.POSITION).of(7, 2, 3)).isEqualTo(7);
    assertThat(new Capacity(1e-300, Policy.POSITION).of(7, 2, 3)).isEqualTo(1);
  }

  @Test
  @DisplayName("A capacity applies in training alone, unless it is asked for by name")
  void evaluationIsDropless() {
    DecoderConfig config = new DecoderConfig(Family.PHI, 8, 4, 6, 1, 1, 1, 0, 1e4, 16, 1e-5, 0, 1);
    MoeLayer layer =
        MoeLayer.upcycle(
            new DenseFeedForward(config, new Rng(3)), identity(logits(4, 1).build()), true);
    Tensor u = Tensor.of(new float[] {1, 0, 0, 0}, 1, 4).expand(5, 4).contiguous();
    Capacity capacity = new Capacity(1, Policy.POSITION);
    layer.capacity(capacity).train(true);
    assertThat(drops(layer, u)).isEqualTo(3);
    layer.train(false);
    assertThat(drops(layer, u)).isZero();
    float[] all = layer.forward(u).value().toFloats();
    for (int t = 0; t < 5; t++) {
      assertThat(layer.forward(u.slice(0, t, t + 1)).value().toFloats())
          .as("token %d alone", t)
          .isEqualTo(Arrays.copyOfRange(all, 4 * t, 4 * t + 4));
    }
    layer.capacity(capacity, MoeLayer.CapacityUse.ALWAYS);
    assertThat(drops(layer, u)).isEqualTo(3);
    layer.capacity(null).train(true);
    assertThat(drops(layer, u)).isZero();
  }

  private static int drops(MoeLayer layer, Tensor u) {
    return ((MoeLayer.Side) layer.forward(u).side()).dispatch().drops().size();
  }

  @Test
  @DisplayName("C06: a token whose choices were all dropped is the shared expert's output, or 0")
  void tokensWithoutExperts() {
    DecoderConfig config = new DecoderConfig(Family.PHI, 8, 4, 6, 1, 1, 1, 0, 1e4, 16, 1e-5, 0, 1);
    DenseFeedForward dense = new DenseFeedForward(config, new Rng(3));
    Tensor u = Tensor.of(new float[] {1, 0, 0, 0}, 1, 4).expand(5, 4).contiguous();
    for (boolean shared : new boolean[] {true, false}) {
      MoeLayer layer =
          MoeLayer.upcycle(dense, identity(logits(4, 1).build()), shared)
              .capacity(new Capacity(1, Policy.POSITION));
      Tensor x = u.detach().requireGrad(true);
      FeedForward.Output out = layer.forward(x);
      Dispatch d = ((MoeLayer.Side) out.side()).dispatch();
      assertThat(d.drops().stream().map(Drop::token).collect(Collectors.toList()))
          .isEqualTo(List.of(2L, 3L, 4L));
      float[] y = out.value().toFloats();
      float[] alone = dense.forward(u).value().toFloats();
      for (int i = 8; i < 20; i++) assertThat(y[i]).isEqualTo(shared ? alone[i] : 0);
      assertThat(y[0]).isNotEqualTo(shared ? alone[0] : 0);
      for (float g : out.value().sum().backward().get(x).toFloats()) assertThat(g).isFinite();
    }
  }
}
