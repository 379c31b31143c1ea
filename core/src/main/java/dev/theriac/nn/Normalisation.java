package dev.theriac.nn;

import dev.theriac.op.Norm;
import dev.theriac.tensor.Tensor;

/** A normalisation over the last dimension with learned weights. */
public abstract sealed class Normalisation extends Module permits LayerNorm, RmsNorm {
  /** [..., D] to [..., D], in the type of {@code x}; computed in F32. */
  public abstract Tensor forward(Tensor x);

  /** x + r, and {@link #forward} of that, as one operation; both [..., D]. */
  public abstract Norm.Added add(Tensor x, Tensor r);
}
