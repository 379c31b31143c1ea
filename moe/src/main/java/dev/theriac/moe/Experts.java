package dev.theriac.moe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Elementwise;
import dev.theriac.op.Grouped;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The feed-forwards of E experts, their weights stacked along a first dimension: fc1 and fc2 with a
 * GELU (tanh form) between, or gate, up and down (SwiGLU).
 */
public final class Experts extends Module {
  private final SequencedMap<String, Parameter> stacked = new LinkedHashMap<>();
  private final boolean gated;
  private final int count;

  /**
   * Experts from one set of feed-forward weights each.
   *
   * @param weights for each expert its tensors by path: fc1.weight [n, d], fc1.bias, fc2.weight [d,
   *     n], fc2.bias, or gate_proj.weight, up_proj.weight, down_proj.weight; the same paths and
   *     shapes for all
   */
  public Experts(List<Map<String, Tensor>> weights) {
    count = weights.size();
    Map<String, Tensor> first = weights.getFirst();
    gated = first.containsKey("gate_proj.weight");
    for (String path : first.keySet()) {
      List<Tensor> each =
          weights.stream().map(w -> sameShape(path, first.get(path), w.get(path))).toList();
      Tensor all = ShapeFunctions.concat(0, each.stream().map(t -> t.unsqueeze(0)).toList());
      stacked.put(path, parameter(path, all));
    }
  }

  private static Tensor sameShape(String path, Tensor wanted, Tensor got) {
    if (got == null || !got.layout().sameShape(wanted.layout())) {
      throw new IllegalArgumentException(
          "experts: %s has shape %s in one expert and %s in another; experts of different widths"
                  .formatted(path, wanted.layout(), got == null ? "none" : got.layout())
              + " cannot be stacked");
    }
    return got.detach();
  }

  public int count() {
    return count;
  }

  /** One expert's weights by path, as views on the stacked ones. */
  public SequencedMap<String, Tensor> expert(int index) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    stacked.forEach((path, p) -> out.put(path, p.value().detach().select(0, index)));
    return out;
  }

  /**
   * Rows [R, d], grouped by expert, through their expert.
   *
   * @param offsets I64 [E+1]
   */
  public Tensor forward(Tensor rows, Tensor offsets) {
    if (gated) {
      Tensor gate = Grouped.linear(rows, weight("gate_proj.weight"), null, offsets);
      Tensor up = Grouped.linear(rows, weight("up_proj.weight"), null, offsets);
      return Grouped.linear(
          Elementwise.swiglu(gate, up), weight("down_proj.weight"), null, offsets);
    }
    Tensor h =
        Grouped.linear(rows, weight("fc1.weight"), weight("fc1.bias"), offsets)
            .apply(UnaryKind.GELU_TANH);
    return Grouped.linear(h, weight("fc2.weight"), weight("fc2.bias"), offsets);
  }

  private Tensor weight(String path) {
    Parameter p = stacked.get(path);
    if (p == null) throw new IllegalStateException("experts: no weight " + path);
    return p.value();
  }
}
