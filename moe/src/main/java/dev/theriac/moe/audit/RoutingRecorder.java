package dev.theriac.moe.audit;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.FeedForward.SideOutput;
import dev.theriac.llm.Generator;
import dev.theriac.moe.Dispatch;
import dev.theriac.moe.ExpertChoice;
import dev.theriac.moe.ExpertChoiceLayer;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Routing;
import dev.theriac.op.Selection;
import dev.theriac.op.Selection.Groups;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Turns what the MoE layers of a decoder return into records. Give it to {@link Generator#onPass}
 * to record a generation, or hand it single passes. Records come pass by pass, layer by layer, by
 * token. For one thread; the tensors it is shown are only read.
 */
public final class RoutingRecorder implements Generator.PassListener {
  /**
   * What stands at a position.
   *
   * @param token id in the vocabulary, negative for none, null when it is not known
   * @param part name of the part of the sequence, or null
   */
  public record Label(Long token, String part) {
    static final Label NONE = new Label(null, null);
  }

  /** Says what stands where. */
  @FunctionalInterface
  public interface Labels {
    Label of(long sequence, long position);
  }

  private final RouteSink sink;
  private final Labels labels;
  private long firstSequence;

  /** Records into {@code sink}, which is told nothing of tokens. */
  public RoutingRecorder(RouteSink sink) {
    this(sink, (sequence, position) -> Label.NONE);
  }

  /**
   * @param labels asked for each position when it is computed
   */
  public RoutingRecorder(RouteSink sink, Labels labels) {
    this.sink = sink;
    this.labels = labels;
  }

  /** Row b of the passes to come is sequence {@code first + b}. */
  public RoutingRecorder startAt(long first) {
    if (first < 0) throw new IllegalArgumentException("sequence " + first + " is negative");
    firstSequence = first;
    return this;
  }

  @Override
  public void after(Generator.Pass pass, Decoder.Output output) {
    record(pass, output.sides());
  }

  /**
   * Records one pass.
   *
   * @param pass where its tokens stand; those at -1 are left out
   * @param sides as {@link Decoder.Output#sides}, one for each layer
   */
  public void record(Generator.Pass pass, List<? extends SideOutput> sides) {
    for (int layer = 0; layer < sides.size(); layer++) {
      switch (sides.get(layer)) {
        case MoeLayer.Side side -> record(pass, layer, side);
        case ExpertChoiceLayer.Side(ExpertChoice.Choice choice) ->
            recordChoice(pass, layer, choice);
        case null, default -> {}
      }
    }
  }

  private void record(Generator.Pass pass, int layer, MoeLayer.Side side) {
    Routing routing = side.routing();
    long[] positions = pass.positions();
    if (positions.length != routing.tokens()) {
      throw new IllegalArgumentException(
          "audit: %d positions for the %d tokens that layer %d routed"
              .formatted(positions.length, routing.tokens(), layer));
    }
    int experts = routing.expertCount();
    int topK = routing.topK();
    float[] scores = routing.selectionScores().toFloats();
    float[] probabilities = routing.probabilities().toFloats();
    long[] ids = routing.experts().toLongs();
    float[] weights = routing.weights().toFloats();
    long[] inGroups = inGroups(routing);
    Map<Long, String[]> dropped = dropped(side);
    BitSet unusable = set(side.unusable());
    for (int t = 0; t < positions.length; t++) {
      if (positions[t] < 0) continue;
      long sequence = firstSequence + t / pass.width();
      Label label = labels.of(sequence, positions[t]);
      int[] chosen = new int[topK];
      float[] of = new float[topK];
      for (int j = 0; j < topK; j++) {
        chosen[j] = Math.toIntExact(ids[t * topK + j]);
        of[j] = weights[t * topK + j];
      }
      sink.add(
          new RouteRecord(
              sequence,
              positions[t],
              layer,
              label.token(),
              label.part(),
              chosen,
              of,
              Measures.margin(scores, t * experts, experts, chosen, eligible(inGroups, routing, t)),
              Measures.entropy(probabilities, t * experts, experts),
              dropped.get((long) t),
              unusable.get(t)));
    }
  }

  /**
   * Records what experts chose for themselves: for each token the experts that took it, the highest
   * weight first and of equal ones the lower id; without a margin, since tokens compete for an
   * expert and not experts for a token. The header's layer has top-k 0.
   *
   * @param pass where the tokens stand; those at -1 are left out
   */
  public void recordChoice(Generator.Pass pass, int layer, ExpertChoice.Choice choice) {
    long[] positions = pass.positions();
    int experts = Math.toIntExact(choice.scores().size(1));
    if (positions.length != choice.scores().size(0)) {
      throw new IllegalArgumentException(
          "audit: %d positions for the %d tokens that experts of layer %d chose among"
              .formatted(positions.length, choice.scores().size(0), layer));
    }
    float[] scores = choice.scores().toFloats();
    float[] weights = choice.weights().toFloats();
    long[] taken = choice.tokens().toLongs();
    int places = taken.length / experts;
    BitSet unusable = set(choice.unusable());
    List<List<Integer>> slots = new ArrayList<>();
    for (int t = 0; t < positions.length; t++) slots.add(new ArrayList<>());
    for (int s = 0; s < taken.length; s++) if (taken[s] >= 0) slots.get((int) taken[s]).add(s);
    for (int t = 0; t < positions.length; t++) {
      if (positions[t] < 0) continue;
      List<Integer> mine = slots.get(t);
      mine.sort((a, b) -> Float.compare(weights[b], weights[a]));
      int[] ids = new int[mine.size()];
      float[] of = new float[mine.size()];
      for (int j = 0; j < ids.length; j++) {
        ids[j] = mine.get(j) / places;
        of[j] = weights[mine.get(j)];
      }
      long sequence = firstSequence + t / pass.width();
      Label label = labels.of(sequence, positions[t]);
      sink.add(
          new RouteRecord(
              sequence,
              positions[t],
              layer,
              label.token(),
              label.part(),
              ids,
              of,
              null,
              Measures.entropy(scores, t * experts, experts),
              null,
              unusable.get(t)));
    }
  }

  /**
   * Where groups limit the choice, the experts of the groups that take part, for each token; else
   * null.
   */
  private static long[] inGroups(Routing routing) {
    Groups groups = routing.config().groups();
    if (groups.kept() == groups.groups()) return null;
    int each = routing.expertCount() / groups.groups() * groups.kept();
    Tensor ids = Selection.topK(routing.selectionScores(), each, groups);
    long[] out = ids.toLongs();
    ids.close();
    return out;
  }

  private static boolean[] eligible(long[] inGroups, Routing routing, int token) {
    if (inGroups == null) return null;
    int each = inGroups.length / routing.tokens();
    boolean[] out = new boolean[routing.expertCount()];
    for (int j = 0; j < each; j++) out[(int) inGroups[token * each + j]] = true;
    return out;
  }

  private static BitSet set(long[] rows) {
    BitSet out = new BitSet();
    for (long row : rows) out.set(Math.toIntExact(row));
    return out;
  }

  private static Map<Long, String[]> dropped(MoeLayer.Side side) {
    Map<Long, String[]> out = new HashMap<>();
    for (Dispatch.Drop drop : side.dispatch().drops()) {
      out.computeIfAbsent(drop.token(), _ -> new String[side.routing().topK()])[drop.choice()] =
          drop.reason().name().toLowerCase(Locale.ROOT);
    }
    return out;
  }
}
