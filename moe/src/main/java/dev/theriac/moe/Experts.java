package dev.theriac.moe;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Elementwise;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Grouped;
import dev.theriac.op.Index;
import dev.theriac.op.Matmul;
import dev.theriac.op.Quantised;
import dev.theriac.op.RowGroups;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;

/**
 * The feed-forwards of E experts of one width, their weights stacked along a first dimension, F32
 * or a half type. The plain form has the parameters fc1 and fc2 with an activation between; the
 * gated form (Shazeer, "GLU variants improve transformer") gate_proj, up_proj and down_proj, where
 * the activation of the gate multiplies up: SwiGLU with SILU, GEGLU with GELU, ReGLU with RELU.
 * Each has a {@code .weight} and may have a {@code .bias}. Weights may be {@link
 * Parameter#quantised}, one matrix for each expert, for inference.
 */
public final class Experts extends Module {
  private static final Set<UnaryKind> ACTIVATIONS =
      EnumSet.of(UnaryKind.GELU, UnaryKind.GELU_TANH, UnaryKind.SILU, UnaryKind.RELU);
  private static final List<String> PLAIN = List.of("fc1", "fc2");
  private static final List<String> GATED = List.of("gate_proj", "up_proj", "down_proj");

  private final SequencedMap<String, Parameter> stacked = new LinkedHashMap<>();
  private final UnaryKind activation;
  private final boolean gated;
  private final int count;

  /**
   * What experts look like.
   *
   * @param count number of experts E
   * @param dim width d of input and output
   * @param hidden width n inside
   * @param gated whether there is an up projection beside the gate
   * @param biases whether each projection has a bias
   * @param activation GELU (erf), GELU_TANH, SILU or RELU
   */
  public record Shape(
      int count, long dim, long hidden, boolean gated, boolean biases, UnaryKind activation) {
    public Shape {
      if (count < 1 || dim < 1 || hidden < 1) {
        throw new IllegalArgumentException(
            "experts: %d of width %d with %d inside".formatted(count, dim, hidden));
      }
      checkActivation(activation);
    }
  }

  /**
   * Experts from one set of feed-forward weights each, with the activation of the known decoders:
   * GELU (tanh form) for the plain form, SILU for the gated one. The order of the parameters is
   * that of the class's description, whatever that of the maps.
   *
   * @param weights for each expert its tensors by path: fc1.weight [n, d], fc1.bias, fc2.weight [d,
   *     n], fc2.bias, or gate_proj.weight, up_proj.weight, down_proj.weight; the same paths and
   *     shapes for all
   */
  public Experts(List<Map<String, Tensor>> weights) {
    this(weights, gated(first(weights)) ? UnaryKind.SILU : UnaryKind.GELU_TANH);
  }

  /**
   * Experts from one set of feed-forward weights each.
   *
   * @param weights for each expert its tensors by path, as the class says; biases may be left out
   * @throws IllegalArgumentException when there are none; naming the path when experts differ in
   *     width or a path is missing or unknown
   */
  public Experts(List<Map<String, Tensor>> weights, UnaryKind activation) {
    this(stack(weights), activation);
  }

  /**
   * Experts with fresh weights, normal with the given standard deviation; biases 0.
   *
   * @param dtype F32 or a half type
   */
  public static Experts fresh(Shape shape, DType dtype, Rng rng, double std) {
    SequencedMap<String, Tensor> all = new LinkedHashMap<>();
    List<String> names = shape.gated ? GATED : PLAIN;
    for (String name : names) {
      boolean last = name.equals(names.getLast());
      long in = last ? shape.hidden : shape.dim;
      long out = last ? shape.dim : shape.hidden;
      all.put(name + ".weight", Tensor.randn(rng, std, shape.count, out, in).to(dtype));
      if (shape.biases) all.put(name + ".bias", Tensor.zeros(shape.count, out).to(dtype));
    }
    return new Experts(all, shape.activation);
  }

  private Experts(SequencedMap<String, Tensor> all, UnaryKind activation) {
    checkActivation(activation);
    gated = gated(all);
    this.activation = activation;
    all.forEach((path, t) -> {
      if (!t.dtype().isFloating()) {
        throw new IllegalArgumentException(
            "experts: %s is %s, F32 or a half type is wanted".formatted(path, t.dtype()));
      }
      stacked.put(path, parameter(path, Parameter.stacked(t)));
    });
    FeedForwardWeights checked = weights();
    count = checked.experts();
  }

  private static void checkActivation(UnaryKind activation) {
    if (!ACTIVATIONS.contains(activation)) {
      throw new IllegalArgumentException(
          "experts: activation %s, one of %s is wanted".formatted(activation, ACTIVATIONS));
    }
  }

  private static void checkPaths(Set<String> given, List<String> names) {
    Set<String> missing = new TreeSet<>();
    Set<String> extra = new TreeSet<>(given);
    for (String name : names) {
      if (!extra.remove(name + ".weight")) missing.add(name + ".weight");
      extra.remove(name + ".bias");
    }
    if (!missing.isEmpty() || !extra.isEmpty()) {
      throw new IllegalArgumentException(
          "experts: weights %s; missing %s, unknown %s"
              .formatted(new TreeSet<>(given), missing, extra));
    }
  }

  private static Map<String, Tensor> first(List<Map<String, Tensor>> weights) {
    if (weights.isEmpty()) {
      throw new IllegalArgumentException(
          "experts: no weights; give those of one expert or more, or make a Shape's with fresh");
    }
    return weights.getFirst();
  }

  private static boolean gated(Map<String, Tensor> weights) {
    return weights.containsKey("gate_proj.weight");
  }

  /**
   * The order is that of the names: a caller's map may have another in each run (that of Map.of
   * does), and parameters, optimisers and sums over them would then differ.
   */
  private static SequencedMap<String, Tensor> stack(List<Map<String, Tensor>> weights) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    Map<String, Tensor> first = first(weights);
    List<String> names = gated(first) ? GATED : PLAIN;
    for (Map<String, Tensor> each : weights) {
      if (!each.keySet().equals(first.keySet())) {
        throw new IllegalArgumentException(
            "experts: one has %s and another %s; all need the same"
                .formatted(new TreeSet<>(first.keySet()), new TreeSet<>(each.keySet())));
      }
    }
    checkPaths(first.keySet(), names);
    for (String name : names) {
      for (String path : List.of(name + ".weight", name + ".bias")) {
        if (!first.containsKey(path)) continue;
        List<Tensor> each =
            weights.stream()
                .map(w -> sameShape(path, first.get(path), w.get(path)).unsqueeze(0))
                .toList();
        out.put(path, ShapeFunctions.concat(0, each));
      }
    }
    return out;
  }

  private static Tensor sameShape(String path, Tensor wanted, Tensor got) {
    if (!got.layout().sameShape(wanted.layout()) || got.dtype() != wanted.dtype()) {
      throw new IllegalArgumentException(
          "experts: %s is %s%s in one expert and %s%s in another; experts of different widths or"
                  .formatted(path, wanted.dtype(), wanted.layout(), got.dtype(), got.layout())
              + " types cannot be stacked: pad the narrow ones with zeros");
    }
    return got.detach();
  }

  public int count() {
    return count;
  }

  public UnaryKind activation() {
    return activation;
  }

  /** Whether there is an up projection beside the gate. */
  public boolean gated() {
    return gated;
  }

  /** One expert's weights by path, as views on the stacked ones. */
  public SequencedMap<String, Tensor> expert(int index) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    stacked.forEach((path, p) -> out.put(path, p.value().detach().select(0, index)));
    return out;
  }

  /** The stacked weights, as {@link Grouped#feedForward} takes them. */
  public FeedForwardWeights weights() {
    return gated
        ? new FeedForwardWeights(
            value("gate_proj.weight"),
            value("gate_proj.bias"),
            value("up_proj.weight"),
            value("up_proj.bias"),
            value("down_proj.weight"),
            value("down_proj.bias"))
        : new FeedForwardWeights(
            value("fc1.weight"),
            value("fc1.bias"),
            null,
            null,
            value("fc2.weight"),
            value("fc2.bias"));
  }

  private Tensor value(String path) {
    Parameter p = stacked.get(path);
    return p == null ? null : p.value();
  }

  /**
   * Tokens through their experts: the sum over each token's rows, by ascending expert, of routing
   * weight times expert output. Experts without rows get gradients of stored zeros.
   *
   * @param x [T, d]
   * @param weights routing weights, read at {@code groups.rowSlot()}
   * @param groups which tokens go through which expert
   * @return [T, d]; zero for a token without rows
   */
  public Tensor forward(Tensor x, Tensor weights, RowGroups groups) {
    boolean quantised = stacked.values().stream().anyMatch(Parameter::isQuantised);
    return quantised
        ? oneByOne(x, weights, groups)
        : Grouped.feedForward(x, weights, groups, weights(), activation);
  }

  /** Of quantised weights no products are fused: each expert takes its rows by itself. */
  private Tensor oneByOne(Tensor x, Tensor weights, RowGroups groups) {
    long[] offsets = groups.offsets().toLongs();
    return Scope.call(() -> {
      Tensor in = x.to(DType.F32);
      List<Tensor> outputs = new ArrayList<>();
      for (int e = 0; e < count; e++) {
        int expert = e;
        if (offsets[e] == offsets[e + 1]) continue;
        Tensor tokens = groups.rowToken().slice(0, offsets[e], offsets[e + 1]);
        outputs.add(Scope.call(() -> through(expert, Index.gatherRows(in, tokens))));
      }
      if (outputs.isEmpty()) return Tensor.zeros(x.device(), x.shape()).to(x.dtype());
      Tensor rows = ShapeFunctions.concat(0, outputs);
      return Grouped.combine(rows, weights, groups).to(x.dtype());
    });
  }

  /** Rows [R, d] through one expert. */
  private Tensor through(int expert, Tensor rows) {
    Tensor hidden = linear(gated ? "gate_proj" : "fc1", expert, rows);
    if (!gated) return linear("fc2", expert, hidden.apply(activation));
    Tensor up = linear("up_proj", expert, rows);
    // Rounded once, as in the fused kernels.
    boolean silu = activation == UnaryKind.SILU;
    Tensor product = silu ? Elementwise.swiglu(hidden, up) : hidden.apply(activation).mul(up);
    return linear("down_proj", expert, product);
  }

  private Tensor linear(String name, int expert, Tensor rows) {
    Parameter weight = stacked.get(name + ".weight");
    Tensor biases = value(name + ".bias");
    Tensor bias = biases == null ? null : biases.select(0, expert);
    return weight.isQuantised()
        ? Quantised.linear(rows, weight.quantised().get(expert), bias)
        : Matmul.linear(rows, weight.value().select(0, expert), bias);
  }
}
