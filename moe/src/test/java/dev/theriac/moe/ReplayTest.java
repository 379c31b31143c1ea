package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DenseFeedForward;
import dev.theriac.llm.FeedForward;
import dev.theriac.llm.FeedForward.SideInput;
import dev.theriac.moe.MoeLayer.Replay;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Layers that are given experts instead of choosing them. */
class ReplayTest {
  private static final DecoderConfig CONFIG =
      new DecoderConfig(Family.PHI, 32, 12, 20, 3, 2, 2, 4, 1e4, 64, 1e-5, 0, 0.3);

  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static MoeLayer layer(Router.Weighting weighting, int topK) {
    Router router = new Router(12, 5, topK, weighting, new Rng(3));
    return MoeLayer.upcycle(new DenseFeedForward(CONFIG, new Rng(4)), router, true);
  }

  private static Tensor input(long... shape) {
    return Tensor.randn(new Rng(5), 1, shape);
  }

  @ParameterizedTest
  @EnumSource(Router.Weighting.class)
  void d05TheSameExpertsGiveTheSameBits(Router.Weighting weighting) {
    MoeLayer layer = layer(weighting, 3);
    Tensor u = input(2, 7, 12);
    var first = layer.forward(u);
    Routing routing = ((MoeLayer.Side) first.side()).routing();
    var again = layer.forward(u, new Replay(Tensor.of(routing.experts().toLongs(), 14, 3)));
    assertThat(again.value().toFloats()).isEqualTo(first.value().toFloats());
    Routing replayed = ((MoeLayer.Side) again.side()).routing();
    assertThat(replayed.weights().toFloats()).isEqualTo(routing.weights().toFloats());
    assertThat(replayed.auxiliaryLoss().toFloats()).isEqualTo(routing.auxiliaryLoss().toFloats());
  }

  @Test
  void k14ReplayedIdsKeepTheRoutersGradient() {
    MoeLayer layer = layer(Router.Weighting.PROBABILITY, 1);
    layer.router().train(path -> true);
    Tensor u = input(1, 9, 12);
    Tensor weight = layer.router().parameters().get("wg.weight").value();
    Routing routing = ((MoeLayer.Side) layer.forward(u).side()).routing();
    long[] ids = routing.experts().toLongs();
    float[] chosen = gradient(layer.forward(u), weight);
    float[] same = gradient(layer.forward(u, new Replay(Tensor.of(ids, 9, 1))), weight);
    long[] others = Arrays.stream(ids).map(id -> (id + 1) % 5).toArray();
    float[] other = gradient(layer.forward(u, new Replay(Tensor.of(others, 9, 1))), weight);
    assertThat(same).isEqualTo(chosen);
    assertThat(other).isNotEqualTo(chosen).doesNotContain(Float.NaN);
    assertThat(other).matches(g -> norm(g) > 1e-3, "a router gradient that is not zero");
  }

  private static float[] gradient(FeedForward.Output out, Tensor of) {
    Gradients gradients = out.value().mul(out.value()).sum().backward();
    return gradients.get(of).toFloats();
  }

  private static double norm(float[] values) {
    double sum = 0;
    for (float v : values) sum += v * v;
    return Math.sqrt(sum);
  }

  @Test
  void otherExpertsGiveAnotherResult() {
    MoeLayer layer = layer(Router.Weighting.PROBABILITY, 1);
    layer.experts().parameters().values().iterator().next().set(input(5, 20, 12));
    Tensor u = input(1, 4, 12);
    Routing routing = ((MoeLayer.Side) layer.forward(u).side()).routing();
    long[] others = Arrays.stream(routing.experts().toLongs()).map(id -> (id + 1) % 5).toArray();
    assertThat(layer.forward(u, new Replay(Tensor.of(others, 4, 1))).value().toFloats())
        .isNotEqualTo(layer.forward(u).value().toFloats());
  }

  @Test
  void shapesAndKindsThatDoNotFitAreErrors() {
    MoeLayer layer = layer(Router.Weighting.PROBABILITY, 1);
    Tensor u = input(1, 4, 12);
    assertThatThrownBy(() -> layer.forward(u, new Replay(Tensor.of(new long[6], 3, 2))))
        .hasMessageContaining("[3, 2]")
        .hasMessageContaining("[4, 1]");
    assertThatThrownBy(() -> layer.forward(u, new Replay(Tensor.of(new long[] {0, 1, 5, 2}, 4, 1))))
        .hasMessageContaining("5");
    SideInput strange = new SideInput() {};
    assertThatThrownBy(() -> layer.forward(u, strange)).hasMessageContaining("takes no");
  }

  @Test
  void decodersHandSideInputsToTheirLayers() {
    Decoder decoder = new Decoder(CONFIG, new Rng(1));
    MoeLayer moe = layer(Router.Weighting.PROBABILITY, 2);
    decoder.layers().get(1).setFeedForward(moe);
    decoder.train(false);
    Tensor x = input(1, 3, 12);
    Tensor positions = Tensor.of(new long[] {0, 1, 2}, 1, 3);
    Replay replay = new Replay(Tensor.of(new long[] {4, 0, 1, 2, 3, 4}, 3, 2));
    var out = decoder.forward(x, positions, null, null, false, Arrays.asList(null, replay, null));
    assertThat(((MoeLayer.Side) out.sides().get(1)).routing().experts().toLongs())
        .containsExactly(4, 0, 1, 2, 3, 4);
    assertThatThrownBy(
            () -> decoder.forward(x, positions, null, null, false, List.of(replay, replay)))
        .hasMessageContaining("2 layers, there are 3");
    assertThatThrownBy(() ->
            decoder.forward(x, positions, null, null, false, Arrays.asList(replay, null, null)))
        .hasMessageContaining("DenseFeedForward takes no Replay");
  }
}
