package dev.theriac.op;

import dev.theriac.tensor.Tensor;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;

/** The result of a backward pass: a gradient for each leaf that asked for one and was reached. */
public final class Gradients implements AutoCloseable {
  private final Map<Tensor, Tensor> grads;

  Gradients(Map<Tensor, Tensor> grads) {
    this.grads = grads;
  }

  /** An empty store, to sum into over several backward passes. */
  public Gradients() {
    this(new IdentityHashMap<>());
  }

  /** Gradient of {@code leaf}, of its shape and F32, or null when none reached it. */
  public Tensor get(Tensor leaf) {
    return grads.get(leaf);
  }

  public Set<Tensor> leaves() {
    return grads.keySet();
  }

  /** Replaces the gradient of a leaf; the caller owns the old one. */
  public void put(Tensor leaf, Tensor grad) {
    grads.put(leaf, grad);
  }

  /** Frees every gradient. */
  @Override
  public void close() {
    grads.values().forEach(Tensor::close);
    grads.clear();
  }
}
