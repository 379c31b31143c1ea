package dev.theriac.moe.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.Generator.Pass;
import dev.theriac.moe.Capacity;
import dev.theriac.moe.ExpertChoice;
import dev.theriac.moe.Experts;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.RouterConfig;
import dev.theriac.moe.RouterConfig.GroupScore;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.TokenMask;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is recorded of routers of other kinds, and of layers with a capacity. */
class RoutersRecordedTest {
  private static final int DIM = 10;
  private static final int TOKENS = 23;

  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static MoeLayer layer(RouterConfig config) {
    Router router = new Router(config, new Rng(2));
    if (config.correctionBias()) {
      router.correctionBias().set(Tensor.randn(new Rng(3), 0.5, config.experts()));
    }
    var shape = new Experts.Shape(config.experts(), DIM, 6, true, false, UnaryKind.SILU);
    MoeLayer layer = new MoeLayer(router, Experts.fresh(shape, DType.F32, new Rng(4), 0.3), null);
    layer.train(false);
    return layer;
  }

  private static Tensor input() {
    return Tensor.randn(new Rng(1), 1, 1, TOKENS, DIM);
  }

  private static Pass pass() {
    return new Pass(1, TOKENS, LongStream.range(0, TOKENS).toArray());
  }

  private static List<RouteRecord> recorded(MoeLayer.Side side) {
    List<RouteRecord> out = new ArrayList<>();
    new RoutingRecorder(out::add).record(pass(), List.of(side));
    return out;
  }

  private static MoeLayer.Side side(MoeLayer layer) {
    return (MoeLayer.Side) layer.forward(input()).side();
  }

  @Test
  void marginsOfABiasedSigmoidRouterAreOfTheBiasedScores() {
    MoeLayer layer =
        layer(
            RouterConfig.builder(DIM, 7, 3)
                .scoring(Scoring.SIGMOID)
                .weighting(Router.Weighting.RENORMALISED)
                .correctionBias(true)
                .build());
    MoeLayer.Side side = side(layer);
    float[] logits = side.routing().logits().toFloats();
    float[] bias = layer.router().correctionBias().value().toFloats();
    for (RouteRecord r : recorded(side)) {
      double[] biased = new double[7];
      double sum = 0;
      double entropy = 0;
      for (int e = 0; e < 7; e++) {
        double s = 1 / (1 + Math.exp(-logits[(int) r.position() * 7 + e]));
        biased[e] = s + bias[e];
        sum += s;
      }
      for (int e = 0; e < 7; e++) {
        double p = (biased[e] - bias[e]) / sum;
        entropy -= p * Math.log(p);
      }
      assertThat(r.experts()[2]).isEqualTo(indexOf(biased, 2));
      double[] sorted = biased.clone();
      Arrays.sort(sorted);
      assertThat(r.margin()).isCloseTo(sorted[4] - sorted[3], within(1e-6));
      assertThat(r.entropy()).isCloseTo(entropy, within(1e-5));
    }
  }

  private static int indexOf(double[] values, int rank) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    for (int i = 0; i < values.length; i++) {
      if (values[i] == sorted[values.length - 1 - rank]) return i;
    }
    return -1;
  }

  @Test
  void marginsWithGroupsLookAtGroupsThatTakePart() {
    MoeLayer layer = layer(RouterConfig.builder(DIM, 8, 3).groups(4, 2, GroupScore.MAX).build());
    MoeLayer.Side side = side(layer);
    float[] logits = side.routing().logits().toFloats();
    boolean passedOver = false;
    for (RouteRecord r : recorded(side)) {
      int from = (int) r.position() * 8;
      double[] best = new double[4];
      for (int g = 0; g < 4; g++)
        best[g] = Math.max(logits[from + 2 * g], logits[from + 2 * g + 1]);
      double[] ranked = best.clone();
      Arrays.sort(ranked);
      double low = Double.POSITIVE_INFINITY;
      double high = Double.NEGATIVE_INFINITY;
      for (int e = 0; e < 8; e++) {
        int id = e;
        if (Arrays.stream(r.experts()).anyMatch(c -> c == id)) {
          low = Math.min(low, logits[from + e]);
        } else if (best[e / 2] >= ranked[2]) {
          high = Math.max(high, logits[from + e]);
        }
      }
      for (int e = 0; e < 8; e++) passedOver |= best[e / 2] < ranked[2] && logits[from + e] > low;
      assertThat(r.margin()).isEqualTo(low - high).isNotNegative();
    }
    assertThat(passedOver).as("some expert outside of the groups scores higher").isTrue();
  }

  @Test
  void allExpertsLeaveNoMargin() {
    assertThat(recorded(side(layer(RouterConfig.builder(DIM, 3, 3).build()))))
        .allMatch(r -> r.margin() == null);
    assertThat(
            recorded(
                side(
                    layer(
                        RouterConfig.builder(DIM, 6, 4).groups(3, 2, GroupScore.TOP_TWO).build()))))
        .allMatch(r -> r.margin() == null);
  }

  @Test
  void whatDecidesNothingIsRecordedAsSuch() {
    float[] u = input().toFloats();
    u[4 * DIM + 3] = Float.NaN;
    u[9 * DIM] = Float.POSITIVE_INFINITY;
    Tensor x = Tensor.of(u, 1, TOKENS, DIM);
    MoeLayer layer = layer(RouterConfig.builder(DIM, 4, 2).build());
    assertThat(recorded((MoeLayer.Side) layer.forward(x).side()))
        .allMatch(r -> r.unusable() == (r.position() == 4 || r.position() == 9));
    ExpertChoice choice = new ExpertChoice(DIM, 4, 2, ExpertChoice.Use.NON_CAUSAL, new Rng(2));
    List<RouteRecord> chosen = new ArrayList<>();
    new RoutingRecorder(chosen::add)
        .recordChoice(pass(), 0, choice.route(Tensor.of(u, TOKENS, DIM), null));
    assertThat(chosen)
        .hasSize(TOKENS)
        .allMatch(r -> r.unusable() == (r.position() == 4 || r.position() == 9));
  }

  @Test
  void dropsAreRecordedWithTheirReasonAndReplayed() {
    MoeLayer layer =
        layer(RouterConfig.builder(DIM, 4, 2).build())
            .capacity(new Capacity(0.8, Capacity.Policy.PROBABILITY), MoeLayer.CapacityUse.ALWAYS);
    boolean[] valid = new boolean[TOKENS];
    Arrays.fill(valid, 0, TOKENS - 4, true);
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {TOKENS - 4}), TOKENS);
    var first = layer.forward(input(), mask, null);
    MoeLayer.Side side = (MoeLayer.Side) first.side();
    List<RouteRecord> records = recorded(side);
    long[] kept = side.dispatch().experts().toLongs();
    for (RouteRecord r : records) {
      for (int j = 0; j < 2; j++) {
        int slot = (int) r.position() * 2 + j;
        String reason = r.dropped() == null ? null : r.dropped()[j];
        String wanted =
            kept[slot] >= 0 ? null : valid[(int) r.position()] ? "over_capacity" : "filling";
        assertThat(reason).isEqualTo(wanted);
        assertThat(r.experts()[j]).isBetween(0, 3);
      }
    }
    assertThat(records).anyMatch(r -> r.anyDropped() && r.position() < TOKENS - 4);

    long[] ids =
        records.stream().flatMapToInt(r -> Arrays.stream(r.experts())).asLongStream().toArray();
    var again = layer.forward(input(), mask, new MoeLayer.Replay(Tensor.of(ids, TOKENS, 2)));
    assertThat(again.value().toFloats()).isEqualTo(first.value().toFloats());
    assertThat(recorded((MoeLayer.Side) again.side())).isEqualTo(records);
  }

  @Test
  void whatExpertsChoseIsRecordedByToken() {
    ExpertChoice router = new ExpertChoice(DIM, 4, 0.8, ExpertChoice.Use.NON_CAUSAL, new Rng(6));
    ExpertChoice.Choice choice = router.route(input().reshape(TOKENS, DIM), null);
    List<RouteRecord> records = new ArrayList<>();
    new RoutingRecorder(records::add).recordChoice(pass(), 5, choice);
    assertThat(records).hasSize(TOKENS).allMatch(r -> r.margin() == null && r.layer() == 5);
    long[] taken = choice.tokens().toLongs();
    float[] scores = choice.scores().toFloats();
    int places = taken.length / 4;
    int routes = 0;
    for (RouteRecord r : records) {
      float before = Float.POSITIVE_INFINITY;
      for (int j = 0; j < r.experts().length; j++) {
        int expert = r.experts()[j];
        assertThat(Arrays.copyOfRange(taken, expert * places, (expert + 1) * places))
            .contains(r.position());
        assertThat(r.weights()[j])
            .isEqualTo(scores[(int) r.position() * 4 + expert])
            .isLessThanOrEqualTo(before);
        before = r.weights()[j];
        routes++;
      }
    }
    assertThat(routes).isEqualTo(taken.length);
    assertThat(records).extracting(r -> r.experts().length).contains(0, 2);
    TrailHeader header =
        new TrailHeader(
            "test",
            Trails.header().model(),
            Trails.HASH,
            List.of(new TrailHeader.Layer(5, 4, 0, "expert choice")),
            List.of(),
            new LinkedHashMap<>());
    records.forEach(header::require);
  }

  @Test
  void headersDescribeTheRouter() {
    RouterConfig v3 =
        RouterConfig.builder(DIM, 8, 3)
            .scoring(Scoring.SIGMOID)
            .weighting(Router.Weighting.RENORMALISED)
            .correctionBias(true)
            .scale(2.5)
            .groups(4, 2, GroupScore.TOP_TWO)
            .build();
    assertThat(TrailHeader.describe(v3))
        .isEqualTo(
            "chosen by sigmoid scores with a correction bias in 2 of 4 groups, ranked by their 2"
                + " best; weights: sigmoid of the chosen, summing to 1, times 2.5");
    assertThat(TrailHeader.describe(RouterConfig.builder(DIM, 8, 1).build()))
        .isEqualTo("chosen by logits; weights: softmax");
  }
}
