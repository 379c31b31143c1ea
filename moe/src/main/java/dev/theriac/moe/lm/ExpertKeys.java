package dev.theriac.moe.lm;

import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The names that Hugging Face checkpoints give to the parameters of mixtures of experts, and the
 * paths that they have here. Checkpoints hold every expert by itself; here the weights of a layer's
 * experts are stacked. Works on whole models ({@code model.layers.0.mlp.gate.weight}) and on a
 * layer alone ({@code gate.weight}).
 */
public enum ExpertKeys {
  /** {@code mlp.experts.0.gate_proj.weight}: Qwen2-MoE, OLMoE, DeepSeek. */
  SEPARATE("mlp.", Map.of()),
  /** {@code block_sparse_moe.experts.0.w1.weight}: Mixtral. */
  MIXTRAL("block_sparse_moe.", Map.of("w1", "gate_proj", "w2", "down_proj", "w3", "up_proj"));

  private static final Pattern STACKED = Pattern.compile("((?:.*\\.)?experts)\\.(\\w+\\.\\w+)");
  private static final Pattern SINGLE =
      Pattern.compile("((?:.*\\.)?experts)\\.(\\d+)\\.(\\w+\\.\\w+)");
  private static final String MODEL = "model.";
  private static final String HEAD = "lm_head.";

  private final String block;
  private final Map<String, String> names;

  ExpertKeys(String block, Map<String, String> names) {
    this.block = block;
    this.names = names;
  }

  /**
   * Where a tensor of a checkpoint belongs.
   *
   * @param path of the parameter
   * @param expert its index in the parameter's first dimension, or -1 when it is the whole
   *     parameter
   */
  public record Place(String path, int expert) {}

  /** Where the tensor {@code key} of a checkpoint belongs. */
  public Place place(String key) {
    String path = key.startsWith(MODEL) ? key.substring(MODEL.length()) : key;
    path =
        path.replace("." + block, ".mlp.")
            .replaceFirst("(^|\\.)gate\\.weight$", "$1gate.wg.weight");
    Matcher m = SINGLE.matcher(path);
    if (!m.matches()) return new Place(path, -1);
    String name = m.group(3);
    for (var e : names.entrySet()) {
      if (name.startsWith(e.getKey() + ".")) {
        name = e.getValue() + name.substring(e.getKey().length());
        break;
      }
    }
    return new Place(m.group(1) + "." + name, Integer.parseInt(m.group(2)));
  }

  /** Whether the parameter is of stacked experts. */
  static boolean isStacked(String path) {
    return STACKED.matcher(path).matches();
  }

  /** What a checkpoint calls a parameter, or the given expert's part of it. */
  public String key(Place place) {
    String key = place.path.replaceFirst("(^|\\.)gate\\.wg\\.weight$", "$1gate.weight");
    Matcher m = STACKED.matcher(key);
    boolean inBlock = m.matches() || key.endsWith(".gate.weight");
    if (place.expert >= 0) {
      if (!m.matches()) {
        throw new IllegalArgumentException(
            "expert %d of %s, which is not stacked".formatted(place.expert, place.path));
      }
      String name = m.group(2);
      for (var e : names.entrySet()) {
        if (name.startsWith(e.getValue() + ".")) {
          name = e.getKey() + name.substring(e.getValue().length());
          break;
        }
      }
      key = "%s.%d.%s".formatted(m.group(1), place.expert, name);
    }
    if (inBlock) key = key.replace(".mlp.", "." + block);
    boolean outside = key.startsWith(HEAD) || !key.matches("(layers|embed_tokens|norm)\\..*");
    return outside ? key : MODEL + key;
  }

  /** Every key of a checkpoint that holds {@code parameters}, with its place, in their order. */
  public SequencedMap<String, Place> places(SequencedMap<String, Tensor> parameters) {
    SequencedMap<String, long[]> shapes = new LinkedHashMap<>();
    parameters.forEach((path, t) -> shapes.put(path, t.shape()));
    return placesOf(shapes);
  }

  /** The same of the parameters' shapes. */
  SequencedMap<String, Place> placesOf(SequencedMap<String, long[]> parameters) {
    SequencedMap<String, Place> out = new LinkedHashMap<>();
    parameters.forEach((path, shape) -> {
      int count = isStacked(path) ? Math.toIntExact(shape[0]) : 0;
      for (int e = 0; e < count; e++) {
        Place place = new Place(path, e);
        out.put(key(place), place);
      }
      if (count == 0) out.put(key(new Place(path, -1)), new Place(path, -1));
    });
    return out;
  }

  /** Tensors by path as a checkpoint has them; views, nothing is copied. */
  public SequencedMap<String, Tensor> split(SequencedMap<String, Tensor> parameters) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    places(parameters)
        .forEach((key, place) -> {
          Tensor all = parameters.get(place.path).detach();
          out.put(key, place.expert < 0 ? all : all.select(0, place.expert));
        });
    return out;
  }

  /**
   * Tensors of a checkpoint by path, those of experts stacked (which copies them).
   *
   * @throws IllegalArgumentException naming the key of an expert that is missing
   */
  public SequencedMap<String, Tensor> join(Map<String, Tensor> checkpoint) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    SequencedMap<String, TreeMap<Integer, Tensor>> experts = new LinkedHashMap<>();
    checkpoint.forEach((key, t) -> {
      Place place = place(key);
      if (place.expert < 0) out.put(place.path, t);
      else experts.computeIfAbsent(place.path, _ -> new TreeMap<>()).put(place.expert, t);
    });
    experts.forEach((path, each) -> {
      List<Tensor> rows = new ArrayList<>();
      for (int e = 0; e <= each.lastKey(); e++) {
        Tensor t = each.get(e);
        if (t == null) {
          throw new IllegalArgumentException(
              "experts: no tensor %s, but there is one of expert %d"
                  .formatted(key(new Place(path, e)), each.lastKey()));
        }
        rows.add(t.unsqueeze(0));
      }
      out.put(path, ShapeFunctions.concat(0, rows));
    });
    return out;
  }
}
