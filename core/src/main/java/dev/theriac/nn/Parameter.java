package dev.theriac.nn;

import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;

/** A tensor that training updates. Its value may be replaced when weights are loaded. */
public final class Parameter {
  private Tensor value;
  private boolean trainable = true;

  /** Takes the tensor out of its scope: parameters live as long as their module. */
  public Parameter(Tensor value) {
    set(value);
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
    trainable = wanted;
    value.requireGrad(wanted);
  }
}
