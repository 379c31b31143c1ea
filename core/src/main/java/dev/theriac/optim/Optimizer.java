package dev.theriac.optim;

import dev.theriac.backend.Backends;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Updates parameters in place from their gradients, in the order in which they were given.
 * Arithmetic and state are F32; a BF16 or F16 parameter has an F32 master copy that is updated and
 * then rounded to it. Parameters that are frozen, when the optimiser is made or at a step, are left
 * alone. Slices of stacked parameters, such as experts, have their own counts of steps, and {@link
 * Untouched} says what happens to those that no token reached. Not thread-safe.
 */
public abstract sealed class Optimizer implements AutoCloseable permits AdamW, Sgd {
  private static final System.Logger LOG = System.getLogger("dev.theriac.optim");

  private final WithoutGradient withoutGradient;
  private final Untouched untouched;
  private final List<Slot> slots = new ArrayList<>();
  private final SequencedMap<String, Parameter> parameters = new LinkedHashMap<>();

  Optimizer(
      List<ParameterGroup> groups,
      WithoutGradient withoutGradient,
      Untouched untouched,
      List<String> moments) {
    this.withoutGradient = withoutGradient;
    this.untouched = untouched;
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
    long stacks = slots.stream().filter(Slot::stacked).count();
    if (stacks > 0) {
      LOG.log(
          untouched == Untouched.STEP ? System.Logger.Level.DEBUG : System.Logger.Level.INFO,
          "{0} stacked parameters; slices whose gradient is zero throughout: {1}",
          stacks,
          untouched);
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
   * @return how many slices of stacked parameters there were, and how many were left alone
   */
  public final StepSummary step(Gradients gradients, double lrFactor, double gradScale) {
    return Autograd.noGrad(() -> {
      long slices = 0;
      long left = 0;
      List<String> where = new ArrayList<>();
      for (Slot slot : slots) {
        if (!slot.parameter.trainable()) continue;
        int mine = update(slot, gradients, lrFactor, (float) gradScale);
        if (slot.stacked()) slices += slot.steps.length;
        if (mine > 0) where.add(slot.name + ": " + mine);
        left += mine;
      }
      if (left > 0) {
        LOG.log(
            System.Logger.Level.DEBUG,
            "{0} of {1} slices had a gradient of zero: {2}; {3}",
            left,
            slices,
            untouched,
            where);
      }
      return new StepSummary(slices, left);
    });
  }

  /** The number of slices that were not stepped. */
  private int update(Slot slot, Gradients gradients, double lrFactor, float gradScale) {
    try (Scope _ = Scope.open()) {
      Tensor grad = gradients.get(slot.parameter.value());
      if (grad == null && withoutGradient == WithoutGradient.SKIP) {
        return slot.stacked() && untouched != Untouched.STEP ? slot.steps.length : 0;
      }
      Tensor target = slot.target();
      grad = grad == null ? Tensor.zeros(target.device(), target.shape()) : grad.to(DType.F32);
      if (!grad.layout().sameShape(target.layout())) {
        throw new IllegalArgumentException(
            "optimiser: gradient of shape %s for parameter %s of shape %s"
                .formatted(grad.layout(), slot.name, target.layout()));
      }
      double lr = slot.group.lr() * lrFactor;
      boolean[] touched = touched(slot, grad.contiguous());
      int left = 0;
      for (int from = 0; from < touched.length; ) {
        int to = runEnd(slot, touched, from);
        if (touched[from]) {
          for (int i = from; i < to; i++) slot.steps[i]++;
          update(slot, slot.part(target, grad.contiguous(), from, to), lr, gradScale);
        } else {
          left += to - from;
          if (untouched == Untouched.DECAY) {
            decay(slot, slot.part(target, grad.contiguous(), from, to), lr);
          }
        }
        from = to;
      }
      slot.publish();
      return left;
    }
  }

  /** For each slice whether it is to be stepped. */
  private boolean[] touched(Slot slot, Tensor grad) {
    boolean[] out = new boolean[slot.steps.length];
    if (slot.stacked() && untouched != Untouched.STEP) {
      Backends.of(grad.device()).optim().nonZero(grad.strided(), out);
    } else {
      Arrays.fill(out, true);
    }
    return out;
  }

  /** Where the slices end that are treated as the one at {@code from}. */
  private static int runEnd(Slot slot, boolean[] touched, int from) {
    int to = from + 1;
    while (to < touched.length
        && touched[to] == touched[from]
        && (!touched[from] || slot.steps[to] == slot.steps[from])) {
      to++;
    }
    return to;
  }

  private void decay(Slot slot, Slot.Part part, double lr) {
    double decay = weightDecay(slot);
    if (decay == 0) return;
    Backends.of(part.target().device())
        .optim()
        .sgd(part.target().strided(), part.grad().strided(), null, 1, lr, 0, decay);
  }

  /** Of this parameter. */
  abstract double weightDecay(Slot slot);

  /** {@code part.step()} counts this step already. */
  abstract void update(Slot slot, Slot.Part part, double lr, float gradScale);

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
