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
  private boolean trainable;

  /** Takes the tensor out of its scope: parameters live as long as their module. */
  public Parameter(Tensor value) {
    this(value, false);
  }

  private Parameter(Tensor value, boolean buffer) {
    this.buffer = buffer;
    trainable = !buffer;
    set(value);
  }

  /**
   * State that belongs in a checkpoint and that no optimiser touches: it stays frozen whatever
   * {@link #setTrainable} is told.
   */
  public static Parameter buffer(Tensor value) {
    return new Parameter(value, true);
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
