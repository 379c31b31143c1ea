package dev.theriac.nn;

import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;

/**
 * A tensor that training updates. Its value may be replaced when weights are loaded. A {@link
 * #buffer} is saved and loaded like one, but changed by its module alone.
 */
public final class Parameter {
  private Tensor value;
  private final boolean buffer;
  private final boolean stacked;
  private boolean trainable;

  /** Takes the tensor out of its scope: parameters live as long as their module. */
  public Parameter(Tensor value) {
    this(value, false, false);
  }

  private Parameter(Tensor value, boolean buffer, boolean stacked) {
    this.buffer = buffer;
    this.stacked = stacked;
    trainable = !buffer;
    set(value);
  }

  /**
   * State that belongs in a checkpoint and that no optimiser touches: it stays frozen whatever
   * {@link #setTrainable} is told.
   */
  public static Parameter buffer(Tensor value) {
    return new Parameter(value, true, false);
  }

  /**
   * The parameters of several equal modules, such as experts, one slice [i, ...] of the first
   * dimension for each. Optimisers count steps of, and may leave alone, each slice by itself.
   *
   * @throws IllegalArgumentException for a tensor of rank 0 or without slices
   */
  public static Parameter stacked(Tensor value) {
    if (value.rank() == 0) throw new IllegalArgumentException("parameter: a scalar is no stack");
    if (value.size(0) == 0) {
      throw new IllegalArgumentException(
          "parameter: a stack of shape %s has no slices; give one or more"
              .formatted(value.layout()));
    }
    return new Parameter(value, false, true);
  }

  /** Whether this is {@link #stacked}. */
  public boolean isStacked() {
    return stacked;
  }

  /** Whether this is a {@link #buffer}. */
  public boolean isBuffer() {
    return buffer;
  }

  /** The tensor to compute with; it asks for a gradient while {@link #trainable()}. */
  public Tensor value() {
    return value;
  }

  /** Replaces the tensor, keeping whether it is trained. */
  public void set(Tensor newValue) {
    value = Scope.persist(newValue.detach());
    value.requireGrad(trainable && newValue.dtype().isFloating());
  }

  public boolean trainable() {
    return trainable;
  }

  /** A frozen parameter gets no gradient and is left alone by optimisers. */
  public void setTrainable(boolean wanted) {
    trainable = wanted && !buffer;
    value.requireGrad(trainable);
  }
}
