package dev.theriac.moe.audit;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderLayer;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Router;
import dev.theriac.moe.RouterConfig;
import dev.theriac.op.Selection.Groups;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/**
 * What a trail was recorded from.
 *
 * @param library version of Theriac that wrote it
 * @param model identity of the model
 * @param input hash of what the model was given, as the caller defines it; 64 hexadecimal digits
 * @param layers the layers that have experts, in order
 * @param expertNames by id, or empty when experts have no names
 * @param settings whatever else is needed to run the same again, in the caller's words
 */
public record TrailHeader(
    String library,
    Model model,
    String input,
    List<Layer> layers,
    List<String> expertNames,
    SequencedMap<String, String> settings) {

  /**
   * Which model.
   *
   * @param weights SHA-256 over all parameters, {@link Fingerprint#of}
   * @param routers SHA-256 over the parameters of the routers alone
   */
  public record Model(String weights, String routers) {
    public Model {
      requireHash("model weights", weights);
      requireHash("model routers", routers);
    }

    /** The identity of a model. */
    public static Model of(dev.theriac.nn.Module model, Decoder decoder) {
      Fingerprint routers = new Fingerprint();
      moeLayers(decoder)
          .forEach((layer, moe) -> routers.add("layers." + layer + ".", moe.router()));
      return new Model(Fingerprint.of(model), routers.hex());
    }
  }

  /**
   * One MoE layer.
   *
   * @param layer 0-based layer of the decoder
   * @param experts E
   * @param topK k, or 0 where the number differs from token to token (expert choice)
   * @param router how it chooses and weights, for people
   */
  public record Layer(int layer, int experts, int topK, String router) {
    public Layer {
      if (layer < 0 || topK < 0 || experts < 1 || experts < topK) {
        throw new IllegalArgumentException(
            "layer %d with top-%d of %d experts".formatted(layer, topK, experts));
      }
    }
  }

  /**
   * @throws IllegalArgumentException for hashes that are none, layers out of order, or too few
   *     names
   */
  public TrailHeader {
    requireHash("input", input);
    layers = List.copyOf(layers);
    expertNames = List.copyOf(expertNames);
    settings = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(settings));
    if (layers.isEmpty()) throw new IllegalArgumentException("a trail needs a layer with experts");
    for (int i = 1; i < layers.size(); i++) {
      if (layers.get(i).layer() <= layers.get(i - 1).layer()) {
        throw new IllegalArgumentException(
            "layers %d and %d are out of order"
                .formatted(layers.get(i - 1).layer(), layers.get(i).layer()));
      }
    }
    int most = layers.stream().mapToInt(Layer::experts).max().orElseThrow();
    if (!expertNames.isEmpty() && expertNames.size() != most) {
      throw new IllegalArgumentException(
          "%d names for %d experts".formatted(expertNames.size(), most));
    }
  }

  static void requireHash(String what, String hash) {
    if (!hash.matches("[0-9a-f]{64}")) {
      throw new IllegalArgumentException(
          "%s: \"%s\" is no SHA-256 (64 digits of 0-9a-f)".formatted(what, hash));
    }
  }

  /** The layers of a decoder that have experts, by index. */
  public static SequencedMap<Integer, MoeLayer> moeLayers(Decoder decoder) {
    SequencedMap<Integer, MoeLayer> out = new LinkedHashMap<>();
    List<DecoderLayer> layers = decoder.layers();
    for (int i = 0; i < layers.size(); i++) {
      if (layers.get(i).feedForward() instanceof MoeLayer m) out.put(i, m);
    }
    return out;
  }

  /** A decoder's layers as a header names them. */
  public static List<Layer> layersOf(Decoder decoder) {
    List<Layer> out = new ArrayList<>();
    moeLayers(decoder)
        .forEach((layer, moe) ->
            out.add(
                new Layer(
                    layer,
                    moe.router().experts(),
                    moe.router().topK(),
                    describe(moe.router().config()))));
    return out;
  }

  /** What decides a choice comes first: margins are in its units. */
  static String describe(RouterConfig c) {
    Groups groups = c.groups();
    boolean limited = groups.groups() > 1;
    String scoring = c.scoring().name().toLowerCase(Locale.ROOT);
    String by =
        c.correctionBias()
            ? scoring + " scores with a correction bias"
            : limited && groups.best() > 1 ? scoring + " scores" : "logits";
    StringBuilder out = new StringBuilder("chosen by ").append(by);
    if (limited) {
      out.append(
          " in %d of %d groups, ranked by their %d best"
              .formatted(groups.kept(), groups.groups(), groups.best()));
    }
    out.append("; weights: ").append(scoring);
    if (c.weighting() == Router.Weighting.RENORMALISED) out.append(" of the chosen, summing to 1");
    if (c.scale() != 1) out.append(", times ").append(c.scale());
    if (c.cosine() != null) out.append("; logits from cosines");
    return out.toString();
  }

  /** The named layer, or null. */
  public Layer layer(int index) {
    for (Layer l : layers) if (l.layer() == index) return l;
    return null;
  }

  /** What an expert is called: its name, or "expert 3". */
  public String expertName(int id) {
    return id < expertNames.size() ? expertNames.get(id) : "expert " + id;
  }

  /**
   * Throws unless a record can belong to this trail.
   *
   * @throws IllegalArgumentException naming what does not fit
   */
  void require(RouteRecord record) {
    Layer layer = layer(record.layer());
    if (layer == null) {
      throw new IllegalArgumentException(
          "layer %d is not among those of the header, %s"
              .formatted(record.layer(), layers.stream().map(Layer::layer).toList()));
    }
    int chosen = record.experts().length;
    if (chosen > layer.experts() || layer.topK() > 0 && chosen != layer.topK()) {
      throw new IllegalArgumentException(
          "%d experts, layer %d chooses %s of %d"
              .formatted(
                  chosen,
                  layer.layer(),
                  layer.topK() == 0 ? "any number" : layer.topK(),
                  layer.experts()));
    }
    for (int id : record.experts()) {
      if (id >= layer.experts()) {
        throw new IllegalArgumentException(
            "expert %d is not in [0, %d)".formatted(id, layer.experts()));
      }
    }
  }
}
