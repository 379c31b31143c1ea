package dev.theriac.bench.dispatch;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.bench.dispatch.DispatchProblem.Values;
import dev.theriac.bench.frame.Engine;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Elementwise;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.op.Index;
import dev.theriac.op.Matmul;
import dev.theriac.op.RowGroups;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Supplier;

/**
 * This project's layer: the operations as the layer calls them, the kernels of its stages on all
 * rows at once, and baselines from its own other operations.
 */
public final class TheriacDispatch implements Engine {
  private final DispatchProblem problem;
  private final MoeShape shape;
  private final Backend backend = Backends.cpu().backend();
  private final Tensor x;
  private final Tensor g;
  private final Tensor weights;
  private final Tensor router;
  private final Tensor ids;
  private final SequencedMap<String, Parameter> parameters = new LinkedHashMap<>();
  private final Map<String, Tensor> inputs = new HashMap<>();
  private final Map<String, Tensor> results = new HashMap<>();
  private final SequencedMap<String, Runnable> stages = new LinkedHashMap<>();
  private final UnaryKind activation;
  private AdamW optimiser;
  private Kernels kernels;

  /** Sets the data up, and the worker pool to {@code threads}. */
  public TheriacDispatch(DispatchProblem problem, int threads) {
    Workers.setThreads(threads);
    this.problem = problem;
    shape = problem.shape();
    activation = shape.gated() ? UnaryKind.SILU : UnaryKind.GELU_TANH;
    long d = shape.dim();
    long n = shape.hidden();
    long e = shape.groups();
    x = filled("x", shape.tokens(), d);
    g = filled("g", shape.tokens(), d);
    router = filled("router", shape.experts(), d);
    weights = Tensor.empty("bench", DType.F32, shape.tokens(), shape.choices());
    for (long slot = 0; slot < shape.rows(); slot++) {
      Host.setFloat(weights.strided().address() + 4 * slot, problem.weight(slot));
    }
    ids = Tensor.of(problem.ids(), shape.tokens(), shape.choices());
    parameter("gate", e, n, d);
    if (shape.gated()) parameter("up", e, n, d);
    else parameter("gate_bias", e, n);
    parameter("down", e, d, n);
    if (!shape.gated()) parameter("down_bias", e, d);
    define();
  }

  private void parameter(String name, long... dims) {
    parameters.put(name, new Parameter(filled(name, dims)));
  }

  private Tensor filled(String name, long... dims) {
    Tensor t = Scope.persist(Tensor.empty("bench", DType.F32, dims));
    Values values = problem.inputs().get(name);
    long at = t.strided().address();
    for (long i = 0; i < t.size(); i++) Host.setFloat(at + 4 * i, values.at(i));
    inputs.put(name, t);
    return t;
  }

  private Tensor plain(String name) {
    return parameters.containsKey(name) ? parameters.get(name).value().detach() : null;
  }

  private FeedForwardWeights experts(boolean trained) {
    return new FeedForwardWeights(
        trained(trained, "gate"),
        trained(trained, "gate_bias"),
        trained(trained, "up"),
        null,
        trained(trained, "down"),
        trained(trained, "down_bias"));
  }

  private Tensor trained(boolean trained, String name) {
    if (!trained || !parameters.containsKey(name)) return plain(name);
    return parameters.get(name).value();
  }

  private void define() {
    stages.put("router", result("logits", () -> Matmul.linear(x, router, null).softmax()));
    stages.put(
        "top-k",
        () -> {
          if (!results.containsKey("logits")) run("router");
          try (Scope _ = Scope.open()) {
            Index.topK(results.get("logits"), shape.topK());
          }
        });
    stages.put("index", inScope(() -> RowGroups.of(ids, shape.groups())));
    for (String stage : Kernels.STAGES) stages.put(stage, () -> kernels().run(stage));
    stages.put("forward", result("out", () -> feedForward(RowGroups.of(ids, shape.groups()))));
    for (String routing : new String[] {"round-robin", "zipf-1.0"}) {
      Tensor other = Tensor.of(problem.ids(routing), shape.tokens(), shape.choices());
      stages.put(
          "forward@" + routing, inScope(() -> feedForward(RowGroups.of(other, shape.groups()))));
    }
    stages.put("forward+backward", this::gradients);
    stages.put("step", this::step);
    stages.put("dense", dense());
    stages.put("loop", result("out", this::loop));
  }

  private Tensor feedForward(RowGroups groups) {
    return Autograd.noGrad(
        () -> Grouped.feedForward(x, weights, groups, experts(false), activation));
  }

  private static Runnable inScope(Supplier<?> body) {
    return () -> {
      try (Scope _ = Scope.open()) {
        body.get();
      }
    };
  }

  private Runnable result(String name, Supplier<Tensor> body) {
    return () -> keep(name, Scope.call(() -> Autograd.noGrad(body)));
  }

  private void keep(String name, Tensor value) {
    Tensor old = results.put(name, Scope.persist(value));
    if (old != null) old.close();
  }

  private Gradients backward() {
    Tensor in = x.detach().requireGrad(true);
    Tensor scale = weights.detach().requireGrad(true);
    RowGroups groups = RowGroups.of(ids, shape.groups());
    Tensor out = Grouped.feedForward(in, scale, groups, experts(true), activation).retain();
    Gradients gradients = Autograd.backward(out, g);
    keepGradient("out", out.detach());
    keepGradient("dx", gradients.get(in));
    keepGradient("dweights", gradients.get(scale));
    return gradients;
  }

  private void keepGradient(String name, Tensor value) {
    Scope scope = Scope.current();
    Tensor old = results.put(name, scope == null ? value : scope.keep(value));
    if (old != null) old.close();
  }

  private void forget() {
    results.values().forEach(Tensor::close);
    results.clear();
  }

  private void gradients() {
    forget();
    try (Scope _ = Scope.open()) {
      Gradients gradients = backward();
      parameters.forEach((name, p) -> keepGradient("d" + name, gradients.get(p.value())));
    }
  }

  private void step() {
    if (optimiser == null) optimiser = AdamW.of(parameters, 1e-9);
    forget();
    try (Scope _ = Scope.open()) {
      optimiser.step(backward(), 1, 1);
    }
  }

  /** As many products as the routed rows make, by one feed-forward: the same active FLOPs. */
  private Runnable dense() {
    long wide = (long) shape.hidden() * shape.choices();
    Tensor gate = part("gate", wide, shape.dim());
    Tensor up = shape.gated() ? part("up", wide, shape.dim()) : null;
    Tensor down = part("down", shape.dim(), wide);
    return inScope(() ->
        Autograd.noGrad(() -> {
          Tensor z = Matmul.linear(x, gate, null);
          Tensor h =
              shape.gated()
                  ? Elementwise.swiglu(z, Matmul.linear(x, up, null))
                  : z.apply(activation);
          return Matmul.linear(h, down, null);
        }));
  }

  private Tensor part(String name, long rows, long columns) {
    Tensor all = plain(name);
    return all.reshape(all.size()).slice(0, 0, rows * columns).reshape(rows, columns);
  }

  /**
   * What one writes without grouped products: gather, three products and an addition per expert.
   */
  private Tensor loop() {
    RowGroups groups = RowGroups.of(ids, shape.groups());
    long[] offsets = groups.offsets().toLongs();
    Tensor flat = weights.reshape(shape.rows(), 1);
    Tensor out = Tensor.zeros(shape.tokens(), shape.dim());
    for (int e = 0; e < shape.groups(); e++) {
      if (offsets[e] == offsets[e + 1]) continue;
      Tensor tokens = groups.rowToken().slice(0, offsets[e], offsets[e + 1]);
      Tensor slots = groups.rowSlot().slice(0, offsets[e], offsets[e + 1]);
      Tensor rows = Index.gatherRows(x, tokens);
      Tensor z = Matmul.linear(rows, matrix("gate", e), matrix("gate_bias", e));
      Tensor h =
          shape.gated()
              ? Elementwise.swiglu(z, Matmul.linear(rows, matrix("up", e), null))
              : z.apply(activation);
      Tensor y = Matmul.linear(h, matrix("down", e), matrix("down_bias", e));
      Tensor part = y.mul(Index.gatherRows(flat, slots));
      out = out.add(Index.scatterRows(part, tokens, shape.tokens()));
    }
    return out;
  }

  private Tensor matrix(String name, int e) {
    Tensor all = plain(name);
    return all == null ? null : all.select(0, e);
  }

  private Kernels kernels() {
    if (kernels == null) kernels = new Kernels();
    return kernels;
  }

  @Override
  public String name() {
    return "theriac " + backend.name();
  }

  @Override
  public Set<String> stages() {
    return stages.keySet();
  }

  @Override
  public void run(String stage) {
    Runnable body = stages.get(stage);
    if (body == null) throw new IllegalArgumentException("no stage " + stage);
    body.run();
  }

  @Override
  public double[] values(String tensor, long[] indices) {
    Tensor t = results.get(tensor);
    if (t == null) throw new IllegalStateException("no result " + tensor + " yet");
    double[] values = new double[indices.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Host.getFloat(t.strided().address() + 4 * indices[i]);
    }
    return values;
  }

  @Override
  public long peakBytes(String stage) {
    forget();
    long before = Memory.stats().live();
    Memory.resetPeak();
    run(stage);
    return Memory.stats().peak() - before;
  }

  @Override
  public void close() {
    forget();
    inputs.values().forEach(Tensor::close);
  }

  /** The kernels on all rows at once, on buffers of their own. */
  private final class Kernels {
    static final Set<String> STAGES =
        new LinkedHashSet<>(
            List.of(
                "gather",
                "gemm1+activation",
                "gemm1",
                "activation",
                "gemm2",
                "combine",
                "backward-dX",
                "backward-dW",
                "backward-router",
                "gemm1-dense",
                "gemm2-dense",
                "copy-rows"));

    private final RowGroups groups = RowGroups.of(ids, shape.groups());
    private final Strided offsets = groups.offsets().strided();
    private final Rows input = new Rows(x.strided(), groups.rowToken().strided());
    private final Rows arriving = new Rows(g.strided(), groups.rowToken().strided());
    private final Tensor gathered = rows(shape.dim());
    private final Tensor zGate = rows(shape.hidden());
    private final Tensor zUp = shape.gated() ? rows(shape.hidden()) : null;
    private final Tensor a = rows(shape.hidden());
    private final Tensor o = rows(shape.dim());
    private final Tensor y = Tensor.empty("bench", DType.F32, shape.tokens(), shape.dim());
    private final Tensor u = rows(shape.hidden());
    private final Tensor dGate = rows(shape.hidden());
    private final Tensor dUp = shape.gated() ? rows(shape.hidden()) : null;
    private final Tensor dScale = Tensor.zeros(shape.tokens(), shape.choices());
    private final Tensor dLogits = Tensor.zeros(shape.tokens(), shape.experts());
    private final Map<String, Tensor> gradients = new HashMap<>();

    Kernels() {
      for (String stage : new String[] {"gather", "gemm1+activation", "gemm2"}) run(stage);
      backend.grouped().groupedInputGradient(arriving, at("down"), offsets, false, u.strided());
    }

    private Tensor rows(long columns) {
      return Tensor.empty("bench", DType.F32, shape.rows(), columns);
    }

    private Strided at(String name) {
      Tensor t = plain(name);
      return t == null ? null : t.strided();
    }

    private Strided orNull(Tensor t) {
      return t == null ? null : t.strided();
    }

    void run(String stage) {
      switch (stage) {
        case "gather" ->
            backend
                .index()
                .gatherRows(x.strided(), groups.rowToken().strided(), gathered.strided());
        case "gemm1+activation" -> hidden(input, offsets, false);
        case "gemm1-dense" -> hidden(Rows.of(gathered.strided()), one(), true);
        case "gemm1" -> {
          backend.grouped().grouped(input, at("gate"), at("gate_bias"), offsets, zGate.strided());
          if (zUp != null) {
            backend.grouped().grouped(input, at("up"), null, offsets, zUp.strided());
          }
        }
        case "activation" -> {
          if (zUp == null) {
            backend.elementwise().unary(activation, zGate.strided(), a.strided());
          } else {
            backend
                .elementwise()
                .binary(BinaryKind.SWIGLU, zGate.strided(), zUp.strided(), a.strided());
          }
        }
        case "gemm2" ->
            backend
                .grouped()
                .grouped(Rows.of(a.strided()), at("down"), at("down_bias"), offsets, o.strided());
        case "gemm2-dense" ->
            backend
                .grouped()
                .grouped(Rows.of(a.strided()), first("down"), null, one(), o.strided());
        case "combine" -> combine(o.strided(), weights.strided());
        case "backward-dX" -> inputGradient();
        case "backward-dW" -> weightGradient();
        case "backward-router" -> routerGradient();
        case "copy-rows" -> copy();
        default -> throw new IllegalArgumentException("no stage " + stage);
      }
    }

    private Strided one() {
      return Tensor.of(new long[] {0, shape.rows()}, 2).strided();
    }

    private Strided first(String name) {
      Tensor t = plain(name);
      return t == null ? null : t.slice(0, 0, 1).strided();
    }

    private void hidden(Rows rows, Strided bounds, boolean single) {
      Hidden w =
          single
              ? new Hidden(first("gate"), first("gate_bias"), first("up"), null, activation)
              : new Hidden(at("gate"), at("gate_bias"), at("up"), null, activation);
      backend.experts().hidden(rows, w, bounds, zGate.strided(), orNull(zUp), a.strided());
    }

    private void combine(Strided of, Strided scale) {
      backend
          .experts()
          .combine(
              of,
              0,
              scale,
              groups.rowSlot().strided(),
              groups.tokenStart().strided(),
              groups.tokenRow().strided(),
              y.strided());
    }

    /** u, then z's gradients, then rows of dx and their sum. */
    private void inputGradient() {
      backend.grouped().groupedInputGradient(arriving, at("down"), offsets, false, u.strided());
      backend
          .experts()
          .hiddenGradient(
              activation,
              groups.rowSlot().strided(),
              weights.strided(),
              offsets,
              arriving,
              at("down_bias"),
              zGate.strided(),
              orNull(zUp),
              u.strided(),
              dGate.strided(),
              orNull(dUp),
              dScale.strided());
      backend
          .grouped()
          .groupedInputGradient(Rows.of(dGate.strided()), at("gate"), offsets, false, o.strided());
      if (dUp != null) {
        backend
            .grouped()
            .groupedInputGradient(Rows.of(dUp.strided()), at("up"), offsets, true, o.strided());
      }
      combine(o.strided(), null);
    }

    private void weightGradient() {
      product(Rows.of(dGate.strided()), input, "gate");
      if (dUp != null) product(Rows.of(dUp.strided()), input, "up");
      product(arriving, Rows.of(u.strided()), "down");
      if (!shape.gated()) {
        bias(Rows.of(dGate.strided()), "gate_bias");
        bias(arriving, "down_bias");
      }
    }

    private void product(Rows left, Rows right, String name) {
      Tensor to = gradients.computeIfAbsent(name, this::like);
      backend.grouped().groupedWeightGradient(left, right, offsets, false, to.strided());
    }

    private void bias(Rows rows, String name) {
      Tensor to = gradients.computeIfAbsent(name, this::like);
      backend.grouped().groupedBiasGradient(rows, null, offsets, false, to.strided());
    }

    private Tensor like(String name) {
      return Tensor.empty("bench", DType.F32, plain(name).shape());
    }

    /** The router's matrix from gradients of its logits. */
    private void routerGradient() {
      try (Scope _ = Scope.open()) {
        Autograd.noGrad(() -> dLogits.transpose(0, 1).matmul(x));
        Autograd.noGrad(() -> dLogits.matmul(router));
      }
    }

    private void copy() {
      MemorySegment from =
          MemorySegment.ofAddress(gathered.strided().address()).reinterpret(4 * gathered.size());
      MemorySegment.ofAddress(o.strided().address()).reinterpret(4 * o.size()).copyFrom(from);
    }
  }
}
