package dev.theriac.moe.medmoe;

import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The names that Med-MoE's published checkpoints give to parameters, and where each belongs in a
 * {@link MedMoe}. Published checkpoints hold every expert by itself; here the weights of a layer's
 * experts are stacked.
 */
public final class CheckpointKeys {
  /** What keys of a layer's experts have in them, before the expert's number. */
  public static final String EXPERT = ".mlp.deepspeed_moe.experts.deepspeed_experts.";

  /** What keys of a meta expert have in them; the first checkpoints had none. */
  static final String META = ".mlp.meta_moe.";

  static final String VISION = "model.image_tower.image_tower.vision_model.";
  static final String PROJECTOR = "model.mm_projector.image_spatial_proj.";
  static final String ROUTER = ".mlp.deepspeed_moe.gate.wg.";
  private static final String EXPERTS = ".mlp.experts.";

  private CheckpointKeys() {}

  /**
   * Where a published tensor belongs.
   *
   * @param path of the parameter, as in {@link MedMoe#parameters()}
   * @param expert its index in the parameter's first dimension, or -1 when it is the whole
   *     parameter
   * @param shape of the published tensor
   */
  public record Place(String path, int expert, long[] shape) {}

  /** Every key of a checkpoint of that shape, in the order of the parameters. */
  public static SequencedMap<String, Place> of(ModelShape shape) {
    SequencedMap<String, Place> out = new LinkedHashMap<>();
    shape
        .parameters()
        .forEach((path, sizes) -> {
          if (!path.contains(EXPERTS)) {
            out.put(key(path), new Place(path, -1, sizes));
            return;
          }
          long[] one = Arrays.copyOfRange(sizes, 1, sizes.length);
          for (int e = 0; e < sizes[0]; e++) out.put(key(path, e), new Place(path, e, one));
        });
    return out;
  }

  /** Whether a key is of the projector. */
  public static boolean isProjector(String key) {
    return key.startsWith(PROJECTOR);
  }

  private static String key(String path, int expert) {
    return key(path.replace(EXPERTS, EXPERT + expert + "."));
  }

  private static String key(String path) {
    if (path.startsWith("vision.")) {
      return VISION + path.substring("vision.".length());
    }
    if (path.startsWith("projector.")) {
      return PROJECTOR + path.substring("projector.".length());
    }
    String name = path.substring("language.".length());
    if (name.startsWith("lm_head.")) return name;
    return "model." + name.replace(".mlp.gate.wg.", ROUTER);
  }

  /** A model's parameters by published key; views, nothing is copied. */
  static SequencedMap<String, Tensor> split(MedMoe model) {
    var parameters = model.parameters();
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    of(ModelShape.of(model))
        .forEach((key, place) -> {
          Tensor all = parameters.get(place.path()).value().detach();
          out.put(key, place.expert() < 0 ? all : all.select(0, place.expert()));
        });
    return out;
  }

  /**
   * A published checkpoint by parameter path: tensors, those of experts stacked (which copies
   * them), and quantised weights, of experts a list (which copies nothing).
   */
  record Joined(
      SequencedMap<String, Tensor> tensors,
      SequencedMap<String, List<QuantisedMatrix>> quantised) {}

  static Joined join(SequencedMap<String, Place> places, ModelTensors published) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    SequencedMap<String, List<QuantisedMatrix>> quantised = new LinkedHashMap<>();
    SequencedMap<String, List<Tensor>> experts = new LinkedHashMap<>();
    places.forEach((key, place) -> {
      if (published.isQuantised(key)) {
        quantised
            .computeIfAbsent(place.path(), _ -> new ArrayList<>())
            .add(published.matrix(key, place));
        return;
      }
      Tensor t = published.tensor(key, place);
      if (place.expert() < 0) out.put(place.path(), t);
      else experts.computeIfAbsent(place.path(), _ -> new ArrayList<>()).add(t.unsqueeze(0));
    });
    experts.forEach((path, all) -> out.put(path, ShapeFunctions.concat(0, all)));
    return new Joined(out, quantised);
  }
}
