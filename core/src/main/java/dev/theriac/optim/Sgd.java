package dev.theriac.optim;

import dev.theriac.backend.Backends;
import dev.theriac.nn.Parameter;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.Map;

/**
 * Stochastic gradient descent with momentum, as PyTorch's: {@code b = momentum * b + (g + decay *
 * p)}, {@code p -= lr * b}. Weight decay applies to every parameter of a group.
 */
public final class Sgd extends Optimizer {
  private final double momentum;

  /**
   * @param momentum in [0, 1); 0 keeps no buffer
   */
  public Sgd(List<ParameterGroup> groups, double momentum, WithoutGradient withoutGradient) {
    this(groups, momentum, withoutGradient, Untouched.STEP);
  }

  /**
   * @param momentum in [0, 1); 0 keeps no buffer
   * @param untouched what happens to experts that saw no token
   */
  public Sgd(
      List<ParameterGroup> groups,
      double momentum,
      WithoutGradient withoutGradient,
      Untouched untouched) {
    super(groups, withoutGradient, untouched, momentum == 0 ? List.of() : List.of("momentum"));
    if (!(momentum >= 0 && momentum < 1)) {
      throw new IllegalArgumentException("Sgd: momentum %s is not in [0, 1)".formatted(momentum));
    }
    this.momentum = momentum;
  }

  /** Without weight decay, for the trainable ones among {@code parameters}. */
  public static Sgd of(Map<String, Parameter> parameters, double lr, double momentum) {
    return new Sgd(List.of(new ParameterGroup(parameters, lr, 0)), momentum, WithoutGradient.SKIP);
  }

  @Override
  double weightDecay(Slot slot) {
    return slot.group.weightDecay();
  }

  @Override
  void update(Slot slot, Slot.Part part, double lr, float gradScale) {
    Tensor buffer = part.moments().get("momentum");
    Backends.of(part.target().device())
        .optim()
        .sgd(
            part.target().strided(),
            part.grad().strided(),
            buffer == null ? null : buffer.strided(),
            gradScale,
            lr,
            momentum,
            slot.group.weightDecay());
  }
}
