package dev.theriac.bench.gpu;

import dev.theriac.backend.UnaryKind;
import dev.theriac.bench.dispatch.DispatchOracle;
import dev.theriac.bench.dispatch.DispatchProblem;
import dev.theriac.bench.dispatch.DispatchProblem.Values;
import dev.theriac.bench.dispatch.MoeShape;
import dev.theriac.op.Autograd;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A mixture-of-experts layer on a device, from given ids and routing weights, as the operations of
 * the library compute it. For one thread.
 */
public final class GpuLayer implements AutoCloseable {
  /** Without gradients; and with all of them. */
  public static final List<String> STAGES = List.of("forward", "forward+backward");

  private final DispatchProblem problem;
  private final MoeShape shape;
  private final Device device;
  private final List<Tensor> held = new ArrayList<>();
  private final Map<String, Tensor> parameters = new LinkedHashMap<>();
  private final Map<String, Tensor> results = new HashMap<>();
  private final UnaryKind activation;
  private final Tensor x;
  private final Tensor g;
  private final Tensor weights;
  private final Tensor ids;

  /** Sets the data up on the device. */
  public GpuLayer(DispatchProblem problem, Device device) {
    this.problem = problem;
    this.device = device;
    shape = problem.shape();
    activation = shape.gated() ? UnaryKind.SILU : UnaryKind.GELU_TANH;
    long d = shape.dim();
    long n = shape.hidden();
    long e = shape.groups();
    x = filled("x", shape.tokens(), d);
    g = filled("g", shape.tokens(), d);
    weights = routing();
    ids = moved(Tensor.of(problem.ids(), shape.tokens(), shape.choices()));
    parameter("gate", e, n, d);
    if (shape.gated()) parameter("up", e, n, d);
    else parameter("gate_bias", e, n);
    parameter("down", e, d, n);
    if (!shape.gated()) parameter("down_bias", e, d);
  }

  private void parameter(String name, long... dims) {
    parameters.put(name, filled(name, dims));
  }

  private Tensor filled(String name, long... dims) {
    Tensor host = Tensor.empty("bench", DType.F32, dims);
    Values values = problem.inputs().get(name);
    long at = host.strided().address();
    for (long i = 0; i < host.size(); i++) Host.setFloat(at + 4 * i, values.at(i));
    return moved(host);
  }

  private Tensor routing() {
    Tensor host = Tensor.empty("bench", DType.F32, shape.tokens(), shape.choices());
    for (long slot = 0; slot < shape.rows(); slot++) {
      Host.setFloat(host.strided().address() + 4 * slot, problem.weight(slot));
    }
    return moved(host);
  }

  private Tensor moved(Tensor host) {
    Tensor there = Scope.persist(host.to(device));
    if (there != host) host.close();
    held.add(there);
    return there;
  }

  private FeedForwardWeights experts(Map<String, Tensor> from) {
    return new FeedForwardWeights(
        from.get("gate"),
        from.get("gate_bias"),
        from.get("up"),
        null,
        from.get("down"),
        from.get("down_bias"));
  }

  /**
   * Queues a stage's kernels; results are the layer's until the next call.
   *
   * @param stage one of {@link #STAGES}
   */
  public void run(String stage) {
    forget();
    switch (stage) {
      case "forward" -> keep("out", Scope.call(() -> Autograd.noGrad(this::forward)));
      case "forward+backward" -> backward();
      default -> throw new IllegalArgumentException("no stage " + stage + "; there are " + STAGES);
    }
  }

  private Tensor forward() {
    RowGroups groups = RowGroups.of(ids, shape.groups());
    return Grouped.feedForward(x, weights, groups, experts(parameters), activation);
  }

  private void backward() {
    try (Scope scope = Scope.open()) {
      Tensor in = x.detach().requireGrad(true);
      Tensor scale = weights.detach().requireGrad(true);
      Map<String, Tensor> trained = new LinkedHashMap<>();
      parameters.forEach((name, p) -> trained.put(name, p.detach().requireGrad(true)));
      RowGroups groups = RowGroups.of(ids, shape.groups());
      Tensor out = Grouped.feedForward(in, scale, groups, experts(trained), activation).retain();
      Gradients gradients = Autograd.backward(out, g);
      keep("out", scope.keep(out.detach()));
      keep("dx", scope.keep(gradients.get(in)));
      keep("dweights", scope.keep(gradients.get(scale)));
      trained.forEach((name, p) -> keep("d" + name, scope.keep(gradients.get(p))));
    }
  }

  private void keep(String name, Tensor value) {
    results.put(name, Scope.persist(value));
  }

  private void forget() {
    results.values().forEach(Tensor::close);
    results.clear();
  }

  /**
   * How far samples of the last results are from sums in float64, relative to the largest of them.
   */
  public double error(String stage) {
    Map<String, Tensor> host = new HashMap<>();
    try {
      results.forEach((name, value) -> host.put(name, value.to(Device.CPU)));
      return new DispatchOracle(problem)
          .error(
              (name, indices) -> values(host.get(name), indices), stage.equals("forward+backward"));
    } finally {
      host.values().forEach(Tensor::close);
    }
  }

  private static double[] values(Tensor t, long[] indices) {
    double[] values = new double[indices.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Host.getFloat(t.strided().address() + 4 * indices[i]);
    }
    return values;
  }

  @Override
  public void close() {
    forget();
    held.forEach(Tensor::close);
  }
}
