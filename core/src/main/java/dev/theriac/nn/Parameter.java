package dev.theriac.nn;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * A tensor that training updates. Its value may be replaced when weights are loaded. A {@link
 * #buffer} is saved and loaded like one, but changed by its module alone.
 *
 * <p>The weight of a linear layer may be {@link #quantised} instead, for inference: it then has no
 * tensor, and stays frozen.
 */
public final class Parameter {
  private Tensor value;
  private List<QuantisedMatrix> quantised = List.of();
  private long[] shape;
  private final boolean buffer;
  private final boolean stacked;
  private boolean trainable;
  private long settings;

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

  /**
   * The tensor to compute with; it asks for a gradient while {@link #trainable()}.
   *
   * @throws IllegalStateException when the parameter is {@link #quantised}
   */
  public Tensor value() {
    if (value == null) {
      throw new IllegalStateException(
          "parameter: %s is quantised, for inference alone: it is multiplied by as it is, and cannot"
                  .formatted(quantised.getFirst())
              + " be trained, changed or saved; use the model that it was made from");
    }
    return value;
  }

  /** Replaces the tensor, keeping whether it is trained. */
  public void set(Tensor newValue) {
    settings++;
    place(newValue);
  }

  /** How often {@link #set} was called: a move leaves the value what it is. */
  public long settings() {
    return settings;
  }

  private void place(Tensor newValue) {
    value = Scope.persist(newValue.detach());
    shape = newValue.shape();
    quantised = List.of();
    value.requireGrad(trainable && newValue.dtype().isFloating());
  }

  /** Where the tensor is, or what stands in its place. */
  public Device device() {
    return isQuantised() ? quantised.getFirst().bytes().device() : value.device();
  }

  /**
   * Moves the tensor, or what stands in its place, keeping whether it is trained. What it was
   * before is left to the garbage collector, for others may hold it.
   */
  public void to(Device device) {
    if (device().equals(device)) return;
    if (isQuantised()) setQuantised(quantised.stream().map(m -> m.to(device)).toList());
    else place(value.detach().to(device));
  }

  /**
   * The matrices that stand in the tensor's place: one, of a {@link #stacked} parameter one for
   * each slice; empty when there is a tensor.
   */
  public List<QuantisedMatrix> quantised() {
    return quantised;
  }

  /** Whether there are {@link #quantised} matrices and no tensor. */
  public boolean isQuantised() {
    return value == null;
  }

  /**
   * Puts quantised matrices in the tensor's place and freezes the parameter.
   *
   * @param matrices one of the parameter's shape [N, K], or E of a stacked parameter [E, N, K];
   *     their formats may differ
   * @throws IllegalArgumentException when number or shapes differ
   */
  public void setQuantised(List<QuantisedMatrix> matrices) {
    checkQuantised(matrices);
    matrices.forEach(m -> Scope.persist(m.bytes()));
    quantised = List.copyOf(matrices);
    value = null;
    trainable = false;
  }

  /** Throws as {@link #setQuantised} would. */
  void checkQuantised(List<QuantisedMatrix> matrices) {
    int slices = stacked ? Math.toIntExact(shape[0]) : 1;
    boolean fits = shape.length == (stacked ? 3 : 2) && matrices.size() == slices;
    for (QuantisedMatrix m : matrices) {
      fits &= m.rows() == shape[shape.length - 2] && m.columns() == shape[shape.length - 1];
    }
    if (!fits || buffer) {
      throw new IllegalArgumentException(
          "parameter: quantised %s for shape %s; give %d of its last two sizes"
              .formatted(matrices, Arrays.toString(shape), slices));
    }
  }

  /** Sizes, outermost first, of the tensor or of what stands in its place. */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of values. */
  public long size() {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b);
  }

  public boolean trainable() {
    return trainable;
  }

  /**
   * A frozen parameter gets no gradient and is left alone by optimisers.
   *
   * @throws IllegalStateException when a {@link #quantised} one is to be trained
   */
  public void setTrainable(boolean wanted) {
    if (wanted || !isQuantised()) value().requireGrad(wanted && !buffer);
    trainable = wanted && !buffer;
  }
}
