package dev.theriac.optim;

import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Updates parameters in place from their gradients, in the order in which they were given.
 * Arithmetic and state are F32; a BF16 or F16 parameter has an F32 master copy that is updated and
 * then rounded to it. Parameters that are frozen, when the optimiser is made or at a step, are left
 * alone. Not thread-safe.
 */
public abstract sealed class Optimizer implements AutoCloseable permits AdamW, Sgd {
  private final WithoutGradient withoutGradient;
  private final List<Slot> slots = new ArrayList<>();
  private final SequencedMap<String, Parameter> parameters = new LinkedHashMap<>();

  Optimizer(List<ParameterGroup> groups, WithoutGradient withoutGradient, List<String> moments) {
    this.withoutGradient = withoutGradient;
    for (ParameterGroup group : groups) {
      group
          .parameters()
          .forEach((name, p) -> {
            if (!p.trainable()) return;
            if (parameters.containsValue(p) || parameters.put(name, p) != null) {
              throw new IllegalArgumentException(
                  "optimiser: parameter %s is in two groups".formatted(name));
            }
            SequencedMap<String, Tensor> state = new LinkedHashMap<>();
            for (String m : moments) state.put(m, null);
            slots.add(new Slot(name, p, group, state));
          });
    }
    if (slots.isEmpty()) {
      throw new IllegalArgumentException("optimiser: no trainable parameters; all are frozen");
    }
  }

  /** What is trained, by path, in the order of updates. */
  public final SequencedMap<String, Parameter> parameters() {
    return Collections.unmodifiableSequencedMap(parameters);
  }

  /**
   * One update.
   *
   * @param gradients by parameter value
   * @param lrFactor multiplies each group's learning rate: {@link LearningRate#factor}
   * @param gradScale multiplies each gradient: {@link Clip#scale}
   */
  public final void step(Gradients gradients, double lrFactor, double gradScale) {
    Autograd.noGrad(() -> {
      for (Slot slot : slots) {
        if (slot.parameter.trainable()) update(slot, gradients, lrFactor, (float) gradScale);
      }
      return null;
    });
  }

  private void update(Slot slot, Gradients gradients, double lrFactor, float gradScale) {
    try (Scope _ = Scope.open()) {
      Tensor grad = gradients.get(slot.parameter.value());
      if (grad == null && withoutGradient == WithoutGradient.SKIP) return;
      Tensor target = slot.target();
      grad = grad == null ? Tensor.full(0, DType.F32, target.shape()) : grad.to(DType.F32);
      if (!grad.layout().sameShape(target.layout())) {
        throw new IllegalArgumentException(
            "optimiser: gradient of shape %s for parameter %s of shape %s"
                .formatted(grad.layout(), slot.name, target.layout()));
      }
      slot.steps++;
      update(slot, target, grad.contiguous(), slot.group.lr() * lrFactor, gradScale);
      slot.publish();
    }
  }

  /** {@code slot.steps} counts this step already. */
  abstract void update(Slot slot, Tensor target, Tensor grad, double lr, float gradScale);

  /** Base learning rate of the first group, as shown to users. */
  public final double lr() {
    return slots.getFirst().group.lr();
  }

  /** Everything that continuing needs, by name; the tensors are live, not copies. */
  public final SequencedMap<String, Tensor> state() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    slots.forEach(slot -> slot.save(out));
    return out;
  }

  /**
   * Takes over what {@link #state} gave, after the parameters have got their values.
   *
   * @throws IllegalArgumentException naming the tensor when one is missing, superfluous or of
   *     another shape
   */
  public final void load(Map<String, Tensor> state) {
    try (Scope _ = Scope.open()) {
      Map<String, Tensor> mine = state();
      for (String key : state.keySet()) {
        if (!mine.containsKey(key)) {
          throw new IllegalArgumentException(
              "optimiser state %s belongs to no parameter that is trained".formatted(key));
        }
      }
      slots.forEach(slot -> slot.load(state));
    }
  }

  /** Frees moments and masters. */
  @Override
  public final void close() {
    slots.forEach(Slot::close);
  }
}
