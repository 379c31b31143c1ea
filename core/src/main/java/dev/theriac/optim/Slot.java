package dev.theriac.optim;

import dev.theriac.backend.Backends;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/** One parameter as an optimiser sees it: its group, its state, and for half types its master. */
final class Slot {
  final String name;
  final Parameter parameter;
  final ParameterGroup group;

  /** Moments or momentum by name, F32 and of the parameter's shape. */
  final Map<String, Tensor> moments;

  /** Steps taken: one count, or one for each slice of a stacked parameter. */
  final long[] steps;

  private Tensor value;
  private long settings;
  private Tensor master;

  Slot(String name, Parameter parameter, ParameterGroup group, SequencedMap<String, Tensor> state) {
    this.name = name;
    this.parameter = parameter;
    this.group = group;
    this.moments = state;
    steps = new long[stacked() ? Math.toIntExact(parameter.value().size(0)) : 1];
    state.replaceAll((_, _) -> fresh());
    target();
  }

  boolean stacked() {
    return parameter.isStacked();
  }

  /** True for matrices and beyond; biases and the weights of norms are vectors, stacked or not. */
  boolean isMatrix() {
    return parameter.value().rank() > (stacked() ? 2 : 1);
  }

  /** Slices {@code from} to {@code to} of target, gradient and moments, or all of them. */
  Part part(Tensor target, Tensor grad, int from, int to) {
    if (!stacked() || to - from == steps.length) {
      return new Part(target, grad, moments, steps[from]);
    }
    SequencedMap<String, Tensor> cut = new LinkedHashMap<>();
    moments.forEach((kind, t) -> cut.put(kind, t.slice(0, from, to)));
    return new Part(target.slice(0, from, to), grad.slice(0, from, to), cut, steps[from]);
  }

  /**
   * What one update changes.
   *
   * @param step its number for this part; the first is 1
   */
  record Part(Tensor target, Tensor grad, Map<String, Tensor> moments, long step) {}

  private Tensor fresh() {
    Tensor value = parameter.value();
    return Scope.persist(Tensor.zeros(value.device(), value.shape()));
  }

  /** The F32 tensor that an update changes: the parameter itself, or the master of a half one. */
  Tensor target() {
    if (value != parameter.value()) {
      boolean moved = value != null && settings == parameter.settings();
      own();
      value = parameter.value();
      settings = parameter.settings();
      if (moved) {
        if (master != null) master = follow(master);
      } else {
        if (master != null) master.close();
        master =
            value.dtype() == DType.F32
                ? null
                : Scope.persist(Autograd.noGrad(() -> value.to(DType.F32)));
      }
      moments.replaceAll((_, t) -> follow(t));
    }
    return master == null ? value : master;
  }

  /** State goes where its parameter went. */
  private Tensor follow(Tensor t) {
    if (t.device().equals(value.device())) return t;
    try (t) {
      return Scope.persist(t.to(value.device()));
    }
  }

  /** A mapped weight is copied when training is about to write to it. */
  private void own() {
    Tensor v = parameter.value();
    boolean mapped = v.storage() instanceof CpuStorage cpu && cpu.isReadOnly();
    if (mapped || !v.layout().isContiguous()) {
      parameter.set(Autograd.noGrad(() -> ShapeFunctions.copy(v)));
    }
  }

  /** Rounds the master to the parameter. */
  void publish() {
    if (master != null) copy(master, value);
  }

  /**
   * What a checkpoint must hold, under {@code KIND.NAME}. Counts of steps are one for each slice
   * only where they differ.
   */
  void save(Map<String, Tensor> out) {
    target();
    moments.forEach((kind, t) -> out.put(kind + "." + name, t));
    if (master != null) out.put("master." + name, master);
    boolean even = Arrays.stream(steps).allMatch(s -> s == steps[0]);
    out.put("steps." + name, Tensor.of(Device.CPU, even ? new long[] {steps[0]} : steps.clone()));
  }

  /** Takes what {@link #save} gave; the parameter has its value already. */
  void load(Map<String, Tensor> in) {
    target();
    moments.forEach((kind, t) -> copy(take(in, kind, DType.F32, t.shape()), t));
    if (master != null) copy(take(in, "master", DType.F32, master.shape()), master);
    Tensor counts = in.get("steps." + name);
    boolean each = counts != null && counts.rank() == 1 && counts.size(0) > 1;
    long[] saved = take(in, "steps", DType.I64, each ? steps.length : 1).toLongs();
    for (int i = 0; i < steps.length; i++) steps[i] = saved[each ? i : 0];
  }

  private Tensor take(Map<String, Tensor> in, String kind, DType dtype, long... shape) {
    Tensor t = in.get(kind + "." + name);
    if (t == null || t.dtype() != dtype || !t.layout().hasShape(shape)) {
      throw new IllegalArgumentException(
          "optimiser state %s.%s is %s, wanted %s%s; does it come from the same kind of optimiser?"
              .formatted(
                  kind,
                  name,
                  t == null ? "missing" : t.dtype() + t.layout().toString(),
                  dtype,
                  Arrays.toString(shape)));
    }
    return t;
  }

  private static void copy(Tensor from, Tensor to) {
    try (Scope _ = Scope.open()) {
      Tensor there = from.to(to.device());
      Backends.of(to.device()).elementwise().copy(there.strided(), to.strided());
      Reference.reachabilityFence(there);
    }
  }

  void close() {
    moments.values().forEach(Tensor::close);
    if (master != null) master.close();
  }
}
