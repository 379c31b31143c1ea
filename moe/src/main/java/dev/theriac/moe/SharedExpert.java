package dev.theriac.moe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.llm.FeedForward;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** A feed-forward that every token passes beside the routed experts, and how the two are joined. */
public sealed interface SharedExpert {
  /** What every token passes. */
  FeedForward feedForward();

  /**
   * Joins both outputs.
   *
   * @param u input of the layer, [T, d]
   * @param routed output of the routed experts, [T, d]
   * @return [T, d]
   */
  Tensor join(Tensor u, Tensor routed);

  /** Its modules by the names that they have in a layer, in the order of their parameters. */
  default SequencedMap<String, Module> parts() {
    SequencedMap<String, Module> parts = new LinkedHashMap<>();
    switch (this) {
      case Meta(FeedForward f) -> parts.put("meta_moe", f);
      case Added(FeedForward f) -> parts.put("shared_experts", f);
      case Gated(FeedForward f, Linear gate) -> {
        parts.put("shared_expert", f);
        parts.put("shared_expert_gate", gate);
      }
      case Residual(FeedForward f, Linear coefficient) -> {
        parts.put("mlp", f);
        parts.put("coefficient", coefficient);
      }
    }
    return parts;
  }

  /** Med-MoE's meta expert (Jiang et al., equation 4): routed + f(u); named {@code meta_moe}. */
  record Meta(FeedForward feedForward) implements SharedExpert {
    @Override
    public Tensor join(Tensor u, Tensor routed) {
      return routed.add(feedForward.forward(u).value());
    }
  }

  /**
   * Shared experts of DeepSeekMoE (Dai et al.): routed + f(u). Several shared experts are one
   * feed-forward of their joint width. Named {@code shared_experts}.
   */
  record Added(FeedForward feedForward) implements SharedExpert {
    @Override
    public Tensor join(Tensor u, Tensor routed) {
      return routed.add(feedForward.forward(u).value());
    }
  }

  /**
   * Qwen2-MoE's shared expert: routed + sigmoid(gate(u)) f(u). Named {@code shared_expert} and
   * {@code shared_expert_gate}.
   *
   * @param gate d to 1
   */
  record Gated(FeedForward feedForward, Linear gate) implements SharedExpert {
    public Gated {
      checkOut(gate, 1);
    }

    @Override
    public Tensor join(Tensor u, Tensor routed) {
      return routed.add(
          feedForward.forward(u).value().mul(gate.forward(u).apply(UnaryKind.SIGMOID)));
    }
  }

  /**
   * Residual MoE of DeepSpeed-MoE (Rajbhandari et al., PR-MoE): c = softmax(coefficient(u)), c0
   * routed + c1 f(u). Named {@code mlp} and {@code coefficient}.
   *
   * @param coefficient d to 2
   */
  record Residual(FeedForward feedForward, Linear coefficient) implements SharedExpert {
    public Residual {
      checkOut(coefficient, 2);
    }

    @Override
    public Tensor join(Tensor u, Tensor routed) {
      Tensor c = coefficient.forward(u).softmax();
      return routed.mul(c.slice(1, 0, 1)).add(feedForward.forward(u).value().mul(c.slice(1, 1, 2)));
    }
  }

  private static void checkOut(Linear linear, long wanted) {
    Tensor weight = linear.weight().value();
    if (weight.size(0) != wanted) {
      throw new IllegalArgumentException(
          "shared expert: a gate of shape %s, [%d, d] is wanted"
              .formatted(weight.layout(), wanted));
    }
  }
}
