package dev.theriac.moe.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.FeedForward.SideInput;
import dev.theriac.llm.Generator;
import dev.theriac.llm.Generator.Pass;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Routing;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Recording generations with a cache, and replaying them. */
class RecordReplayTest {
  @TempDir Path folder;
  private final TinyMixture model = new TinyMixture(1);
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static Generator.PassListener both(
      Generator.PassListener first, Generator.PassListener then) {
    return new Generator.PassListener() {
      @Override
      public List<SideInput> before(Pass pass) {
        return first.before(pass);
      }

      @Override
      public void after(Pass pass, Decoder.Output output) {
        first.after(pass, output);
        then.after(pass, output);
      }
    };
  }

  private Trail record() {
    List<RouteRecord> records = new ArrayList<>();
    List<int[]> answers =
        model.generate(
            TinyMixture.prompts(), TinyMixture.LENGTHS, new RoutingRecorder(records::add));
    return new Trail(model.header(), records, TinyMixture.hash(answers));
  }

  @Test
  void everyComputedTokenIsRecordedOnce() {
    Trail trail = record();
    // Seven tokens are made; the last of them is not given to the model.
    assertThat(trail.records()).hasSize((6 + 3 + 5 + 3 * 6) * 2);
    for (int row = 0; row < 3; row++) {
      for (long p = 0; p < TinyMixture.LENGTHS[row] + 6; p++) {
        for (int layer : new int[] {1, 3}) assertThat(trail.find(row, p, layer)).isNotNull();
      }
    }
  }

  @Test
  void recordsSayWhatThePlainLoopSays() {
    List<RouteRecord> records = new ArrayList<>();
    List<RouteRecord> wanted = new ArrayList<>();
    var plain =
        new Generator.PassListener() {
          @Override
          public void after(Pass pass, Decoder.Output output) {
            for (int layer : new int[] {1, 3}) {
              plainly(pass, layer, ((MoeLayer.Side) output.sides().get(layer)).routing(), wanted);
            }
          }
        };
    RoutingRecorder recorder =
        new RoutingRecorder(
                records::add,
                (sequence, position) -> new RoutingRecorder.Label(position, "row " + sequence))
            .startAt(40);
    model.generate(TinyMixture.prompts(), TinyMixture.LENGTHS, both(recorder, plain));
    assertThat(records).hasSameSizeAs(wanted);
    for (int i = 0; i < records.size(); i++) {
      RouteRecord got = records.get(i);
      RouteRecord want = wanted.get(i);
      assertThat(got.sequence()).isEqualTo(40 + want.sequence());
      assertThat(got.position()).isEqualTo(want.position());
      assertThat(got.token()).isEqualTo(want.position());
      assertThat(got.part()).isEqualTo("row " + got.sequence());
      assertThat(got.experts()).isEqualTo(want.experts());
      assertThat(got.weights()).isEqualTo(want.weights());
      assertThat(got.margin()).isCloseTo(want.margin(), within(1e-12)).isNotNegative();
      assertThat(got.entropy()).isCloseTo(want.entropy(), within(1e-5));
      assertThat(got.entropy()).isBetween(0.0, Math.log(TinyMixture.EXPERTS));
    }
  }

  /** Sorts the logits instead of searching, and takes softmax and entropy from them in float64. */
  private static void plainly(Pass pass, int layer, Routing routing, List<RouteRecord> out) {
    float[] logits = routing.logits().toFloats();
    for (int t = 0; t < pass.positions().length; t++) {
      if (pass.positions()[t] < 0) continue;
      int from = t * TinyMixture.EXPERTS;
      List<Integer> order =
          IntStream.range(0, TinyMixture.EXPERTS)
              .boxed()
              .sorted((a, b) -> Float.compare(logits[from + b], logits[from + a]))
              .toList();
      double sum = 0;
      double weighted = 0;
      for (int e = 0; e < TinyMixture.EXPERTS; e++) {
        sum += Math.exp(logits[from + e]);
        weighted += Math.exp(logits[from + e]) * logits[from + e];
      }
      float[] weights = routing.weights().toFloats();
      out.add(
          new RouteRecord(
              t / pass.width(),
              pass.positions()[t],
              layer,
              null,
              null,
              new int[] {order.get(0), order.get(1)},
              Arrays.copyOfRange(weights, t * 2, t * 2 + 2),
              (double) logits[from + order.get(1)] - logits[from + order.get(2)],
              Math.log(sum) - weighted / sum,
              null));
    }
  }

  @Test
  void d03ARowAloneIsRecordedAsInABatch() {
    Trail together = record();
    for (int row = 0; row < 3; row++) {
      long length = TinyMixture.LENGTHS[row];
      Tensor alone = TinyMixture.prompts().slice(0, row, row + 1).slice(1, 0, length);
      List<RouteRecord> records = new ArrayList<>();
      model.generate(alone, new long[] {length}, new RoutingRecorder(records::add).startAt(row));
      // Sampling draws from the row's stream, so only the prompt must agree.
      for (RouteRecord r : records) {
        if (r.position() < length) {
          assertThat(r).isEqualTo(together.find(row, r.position(), r.layer()));
        }
      }
    }
  }

  @Test
  void d05ReplayedFromTheFileAllBitsAreThoseOfTheRun() {
    Path file = folder.resolve("trail.jsonl");
    record().write(file);
    Trail trail = Trail.read(file);
    List<RouteRecord> again = new ArrayList<>();
    RoutingReplay replay =
        RoutingReplay.of(trail, model.decoder, TrailHeader.Model.of(model.decoder, model.decoder));
    List<int[]> answers =
        model.generate(
            TinyMixture.prompts(),
            TinyMixture.LENGTHS,
            replay.recording(new RoutingRecorder(again::add)));
    assertThat(TinyMixture.hash(answers)).isEqualTo(trail.output());
    assertThat(again).isEqualTo(trail.records());
  }

  @Test
  void expertsOfTheTrailAreTakenEvenAgainstTheRouter() {
    Trail trail = record();
    List<RouteRecord> turned = new ArrayList<>();
    for (RouteRecord r : trail.records()) {
      int[] ids = Arrays.stream(r.experts()).map(id -> (id + 1) % TinyMixture.EXPERTS).toArray();
      turned.add(
          new RouteRecord(
              r.sequence(), r.position(), r.layer(), null, null, ids, r.weights(), null, 0, null));
    }
    Trail other = new Trail(trail.header(), turned, null);
    List<RouteRecord> again = new ArrayList<>();
    model.generate(
        TinyMixture.prompts(),
        TinyMixture.LENGTHS,
        both(RoutingReplay.onOtherWeights(other, model.decoder), new RoutingRecorder(again::add)));
    assertThat(again)
        .extracting(RouteRecord::experts)
        .containsExactlyElementsOf(turned.stream().map(RouteRecord::experts).toList());
    assertThat(again).anyMatch(r -> r.margin() < 0);
  }

  @Test
  void otherModelsShapesAndInputsAreErrors() {
    Trail trail = record();
    TinyMixture other = new TinyMixture(2);
    var identity = TrailHeader.Model.of(other.decoder, other.decoder);
    assertThatThrownBy(() -> RoutingReplay.of(trail, other.decoder, identity))
        .hasMessageContainingAll(
            trail.header().model().weights(), identity.weights(), "load the model");
    other.decoder.layers().get(3).setFeedForward(model.decoder.layers().get(0).feedForward());
    assertThatThrownBy(() -> RoutingReplay.onOtherWeights(trail, other.decoder))
        .hasMessageContainingAll("layer 3: top-2 of 5", "the model [layer 1: top-2 of 5]");
    RoutingReplay replay = RoutingReplay.onOtherWeights(trail, model.decoder);
    assertThatThrownBy(() -> replay.inputs(new Pass(1, 1, new long[] {30})))
        .hasMessageContainingAll("no record of sequence 0, position 30, layer 1");
    assertThatThrownBy(() -> replay.startAt(7).inputs(new Pass(1, 1, new long[] {0})))
        .hasMessageContainingAll("no record of sequence 7, position 0");
  }

  @Test
  void oneChangedWeightIsAnotherModel() {
    var before = TrailHeader.Model.of(model.decoder, model.decoder);
    assertThat(TrailHeader.Model.of(new TinyMixture(1).decoder, new TinyMixture(1).decoder))
        .isEqualTo(before);
    var bias = model.decoder.parameters().get("layers.1.mlp.gate.wg.bias");
    float[] values = bias.value().toFloats();
    values[2] = Math.nextUp(values[2]);
    bias.set(Tensor.of(values, values.length));
    var after = TrailHeader.Model.of(model.decoder, model.decoder);
    assertThat(after.weights()).isNotEqualTo(before.weights());
    assertThat(after.routers()).isNotEqualTo(before.routers());
  }
}
