package dev.theriac.optim;

import dev.theriac.backend.Backends;
import dev.theriac.backend.OptimKernels;
import dev.theriac.nn.Parameter;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization",
 * 2019, algorithm 2), with PyTorch's defaults but for the weight decay, which is 0. Steps are
 * counted for each parameter.
 */
public final class AdamW extends Optimizer {
  private final Builder settings;

  private AdamW(Builder settings) {
    super(settings.allGroups(), settings.withoutGradient, settings.untouched, List.of("m", "v"));
    this.settings = settings;
  }

  /** AdamW with defaults for the trainable ones among {@code parameters}. */
  public static AdamW of(Map<String, Parameter> parameters, double lr) {
    return builder().lr(lr).add(parameters).build();
  }

  public static Builder builder() {
    return new Builder();
  }

  @Override
  double weightDecay(Slot slot) {
    return settings.decayVectors || slot.isMatrix() ? slot.group.weightDecay() : 0;
  }

  @Override
  void update(Slot slot, Slot.Part part, double lr, float gradScale) {
    var step =
        new OptimKernels.AdamW(
            lr, settings.beta1, settings.beta2, settings.eps, weightDecay(slot), part.step());
    Tensor m = part.moments().get("m");
    Tensor v = part.moments().get("v");
    Backends.of(part.target().device())
        .optim()
        .adamW(
            part.target().strided(),
            part.grad().strided(),
            m.strided(),
            v.strided(),
            gradScale,
            step);
  }

  /** Settings; each has a default but for the parameters. */
  public static final class Builder {
    private final List<Map<String, Parameter>> plain = new ArrayList<>();
    private final List<ParameterGroup> groups = new ArrayList<>();
    private double lr = 1e-3;
    private double beta1 = 0.9;
    private double beta2 = 0.999;
    private double eps = 1e-8;
    private double weightDecay;
    private boolean decayVectors;
    private WithoutGradient withoutGradient = WithoutGradient.SKIP;
    private Untouched untouched = Untouched.STEP;

    private Builder() {}

    /** Parameters with the builder's learning rate and weight decay. */
    public Builder add(Map<String, Parameter> parameters) {
      plain.add(parameters);
      return this;
    }

    /** Parameters with their own. */
    public Builder add(ParameterGroup group) {
      groups.add(group);
      return this;
    }

    /** Base learning rate; 1e-3. */
    public Builder lr(double value) {
      lr = value;
      return this;
    }

    /** Decay rates of the moments; 0.9 and 0.999. */
    public Builder betas(double first, double second) {
      if (!(first >= 0 && first < 1 && second >= 0 && second < 1)) {
        throw new IllegalArgumentException(
            "AdamW: betas %s and %s must be in [0, 1)".formatted(first, second));
      }
      beta1 = first;
      beta2 = second;
      return this;
    }

    /** Added to the root of the second moment; 1e-8. */
    public Builder eps(double value) {
      if (!(value >= 0)) throw new IllegalArgumentException("AdamW: eps " + value);
      eps = value;
      return this;
    }

    /** Weight decay of matrices; 0. */
    public Builder weightDecay(double value) {
      weightDecay = value;
      return this;
    }

    /** Whether biases, norm weights and other tensors of rank 0 or 1 decay too; false. */
    public Builder decayVectors(boolean value) {
      decayVectors = value;
      return this;
    }

    /** What happens to a parameter that no gradient reached; {@link WithoutGradient#SKIP}. */
    public Builder withoutGradient(WithoutGradient value) {
      withoutGradient = value;
      return this;
    }

    /** What happens to experts that saw no token; {@link Untouched#STEP}, as elsewhere. */
    public Builder untouched(Untouched value) {
      untouched = value;
      return this;
    }

    private List<ParameterGroup> allGroups() {
      List<ParameterGroup> all = new ArrayList<>();
      plain.forEach(p -> all.add(new ParameterGroup(p, lr, weightDecay)));
      all.addAll(groups);
      return all;
    }

    public AdamW build() {
      return new AdamW(this);
    }
  }
}
