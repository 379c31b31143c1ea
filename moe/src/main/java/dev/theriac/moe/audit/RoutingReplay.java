package dev.theriac.moe.audit;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.FeedForward.SideInput;
import dev.theriac.llm.Generator;
import dev.theriac.moe.MoeLayer;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Drives the routers of a decoder by a trail: every token passes the experts that the trail names
 * for its sequence, position and layer, with weights computed anew. With the same model and input
 * all bits are those of the recorded run. Give it to {@link Generator#onPass}, or ask it for the
 * {@link #inputs} of single passes. It holds nothing that changes between passes but the number of
 * the first sequence. For one thread.
 */
public final class RoutingReplay implements Generator.PassListener {
  private final Trail trail;
  private final int layers;
  private long firstSequence;

  private RoutingReplay(Trail trail, int layers) {
    this.trail = trail;
    this.layers = layers;
  }

  /**
   * A replay on the model that was recorded.
   *
   * @param model identity of the model of {@code decoder}
   * @throws IllegalArgumentException when the trail is of another model or other layers
   */
  public static RoutingReplay of(Trail trail, Decoder decoder, TrailHeader.Model model) {
    RoutingReplay out = onOtherWeights(trail, decoder);
    if (!trail.header().model().equals(model)) {
      boolean routers = trail.header().model().routers().equals(model.routers());
      throw new IllegalArgumentException(
          ("replay: the trail was recorded from a model with weights %s, this one has %s (%s"
                  + " routers); load the model that was recorded")
              .formatted(
                  trail.header().model().weights(),
                  model.weights(),
                  routers ? "but the same" : "and other"));
    }
    return out;
  }

  /**
   * A replay on a model of the same layers whose weights may differ, as when a policy is trained on
   * the routing of an earlier one.
   *
   * @throws IllegalArgumentException when layers, experts or top-k differ
   */
  public static RoutingReplay onOtherWeights(Trail trail, Decoder decoder) {
    List<TrailHeader.Layer> here = TrailHeader.layersOf(decoder);
    List<TrailHeader.Layer> there = trail.header().layers();
    if (!shapes(here).equals(shapes(there))) {
      throw new IllegalArgumentException(
          "replay: the trail has %s, the model %s; load the model that was recorded"
              .formatted(shapes(there), shapes(here)));
    }
    for (TrailHeader.Layer layer : there) {
      if (layer.topK() == 0) {
        throw new IllegalArgumentException(
            "replay: layer %d chose tokens for experts, which cannot be replayed by token"
                .formatted(layer.layer()));
      }
    }
    return new RoutingReplay(trail, decoder.layers().size());
  }

  private static List<String> shapes(List<TrailHeader.Layer> layers) {
    return layers.stream()
        .map(l -> "layer %d: top-%d of %d".formatted(l.layer(), l.topK(), l.experts()))
        .toList();
  }

  /** Row b of the passes to come is sequence {@code first + b}. */
  public RoutingReplay startAt(long first) {
    firstSequence = first;
    return this;
  }

  /** This replay with {@code then} seeing what comes of each pass, as a recorder does. */
  public Generator.PassListener recording(Generator.PassListener then) {
    return new Generator.PassListener() {
      @Override
      public List<SideInput> before(Generator.Pass pass) {
        return inputs(pass);
      }

      @Override
      public void after(Generator.Pass pass, Decoder.Output output) {
        then.after(pass, output);
      }
    };
  }

  @Override
  public List<SideInput> before(Generator.Pass pass) {
    return inputs(pass);
  }

  /**
   * What each layer of the decoder is to be given for a pass; places at -1 are routed anywhere.
   *
   * @throws IllegalArgumentException when the trail has no record of a place
   */
  public List<SideInput> inputs(Generator.Pass pass) {
    List<SideInput> out = new ArrayList<>(Collections.nCopies(layers, null));
    for (TrailHeader.Layer layer : trail.header().layers()) {
      out.set(layer.layer(), new MoeLayer.Replay(experts(pass, layer)));
    }
    return out;
  }

  private Tensor experts(Generator.Pass pass, TrailHeader.Layer layer) {
    int topK = layer.topK();
    long[] positions = pass.positions();
    long[] ids = new long[positions.length * topK];
    for (int t = 0; t < positions.length; t++) {
      if (positions[t] < 0) {
        for (int j = 0; j < topK; j++) ids[t * topK + j] = j;
        continue;
      }
      long sequence = firstSequence + t / pass.width();
      RouteRecord record = trail.find(sequence, positions[t], layer.layer());
      if (record == null) {
        throw new IllegalArgumentException(
            ("replay: the trail has no record of sequence %d, position %d, layer %d; give the model"
                    + " the input and the settings that were recorded")
                .formatted(sequence, positions[t], layer.layer()));
      }
      for (int j = 0; j < topK; j++) ids[t * topK + j] = record.experts()[j];
    }
    return Tensor.of(ids, positions.length, topK);
  }
}
