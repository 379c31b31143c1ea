package dev.theriac.op;

import dev.theriac.backend.Backend;
import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Forward and backward of one feed-forward, by the kernels of a mixture with a single expert:
 * biases and the activation are applied to blocks in the cache, both products of the gated form
 * share the packed input. What is kept for the backward pass are the input and the arguments of the
 * activation, in whose place their gradients are then written.
 *
 * @param x [T, d]
 * @param gate [n, d], also called fc1
 * @param gateBias [n] or null
 * @param up [n, d], or null for the plain form
 * @param upBias [n] or null
 * @param down [d, n], also called fc2
 * @param downBias [d] or null
 */
record DensePass(
    Tensor x,
    Tensor gate,
    Tensor gateBias,
    Tensor up,
    Tensor upBias,
    Tensor down,
    Tensor downBias,
    UnaryKind activation) {

  /** Rows are taken in parts where what lies between the products would exceed this. */
  private static final long MOST_BYTES = 64L << 20;

  /** A part packs all matrices anew, which so many rows make up for. */
  private static final long FEWEST_ROWS = 512;

  List<Tensor> inputs() {
    List<Tensor> all = new ArrayList<>();
    for (Tensor t : new Tensor[] {x, gate, gateBias, up, upBias, down, downBias}) {
      if (t != null) all.add(t);
    }
    return all;
  }

  private boolean gated() {
    return up != null;
  }

  private long hidden() {
    return gate.size(0);
  }

  private long rows() {
    return x.size(0);
  }

  /** Where parts begin, and the end; by sizes alone. */
  private long[] cuts(long rowBytes) {
    long most = Math.max(FEWEST_ROWS, MOST_BYTES / Math.max(1, rowBytes));
    long parts = Math.max(1, (rows() + most - 1) / most);
    long[] cuts = new long[Math.toIntExact(parts) + 1];
    for (int p = 0; p <= parts; p++) cuts[p] = rows() * p / parts;
    return cuts;
  }

  Tensor forward() {
    boolean keep = Autograd.enabled() && inputs().stream().anyMatch(Tensor::requiresGrad);
    try (Scope scope = Scope.open()) {
      Tensor zGate = keep ? scope.keep(empty(rows(), hidden())) : null;
      Tensor zUp = keep && gated() ? scope.keep(empty(rows(), hidden())) : null;
      Tensor y = scope.keep(empty(rows(), down.size(0)));
      long[] cuts = cuts(4 * (gated() && !keep ? 2 : 1) * hidden());
      for (int p = 0; p + 1 < cuts.length; p++) {
        try (Scope _ = Scope.open()) {
          forward(cuts[p], cuts[p + 1], zGate, zUp, y);
        }
      }
      if (!keep) return Autograd.result(y.strided(), new MatmulOp.FeedForward(this, null, null));
      return Autograd.result(y.strided(), new MatmulOp.FeedForward(this, zGate, zUp));
    }
  }

  private void forward(long from, long to, Tensor zGate, Tensor zUp, Tensor y) {
    Backend backend = backend();
    Strided offsets = Tensor.of(x.device(), new long[] {0, to - from}).strided();
    Strided a = empty(to - from, hidden()).strided();
    // Without a backward pass the activation is applied where its argument is.
    Strided second = null;
    if (gated()) second = zUp == null ? empty(to - from, hidden()).strided() : part(zUp, from, to);
    backend
        .experts()
        .hidden(
            Rows.of(part(x, from, to)),
            new Hidden(stack(gate), stack(gateBias), stack(up), stack(upBias), activation),
            offsets,
            zGate == null ? a : part(zGate, from, to),
            second,
            a);
    backend.grouped().grouped(Rows.of(a), stack(down), stack(downBias), offsets, part(y, from, to));
  }

  void backward(Tensor zGate, Tensor zUp, Tensor arriving, GradientSink sink) {
    Tensor grad = arriving.contiguous();
    Tensor dx = like(sink, x);
    Tensor dGate = like(sink, gate);
    Tensor dGateBias = like(sink, gateBias);
    Tensor dUp = like(sink, up);
    Tensor dUpBias = like(sink, upBias);
    Tensor dDown = like(sink, down);
    Tensor dDownBias = like(sink, downBias);
    boolean hidden =
        Stream.of(dx, dGate, dGateBias, dUp, dUpBias, dDown).anyMatch(Objects::nonNull);
    long[] cuts = cuts(4 * hidden());
    for (int p = 0; p + 1 < cuts.length; p++) {
      long from = cuts[p];
      long to = cuts[p + 1];
      boolean continues = p > 0;
      try (Scope _ = Scope.open()) {
        Strided offsets = Tensor.of(x.device(), new long[] {0, to - from}).strided();
        Rows g = Rows.of(part(grad, from, to));
        bias(g, offsets, continues, dDownBias);
        if (!hidden) continue;
        Rows in = Rows.of(part(x, from, to));
        Tensor u = empty(to - from, hidden());
        var grouped = backend().grouped();
        grouped.groupedInputGradient(g, stack(down), offsets, false, u.strided());
        Strided dzGate = part(zGate, from, to);
        Strided dzUp = zUp == null ? null : part(zUp, from, to);
        backend()
            .experts()
            .hiddenGradient(
                activation,
                null,
                null,
                offsets,
                g,
                null,
                dzGate,
                dzUp,
                u.strided(),
                dzGate,
                dzUp,
                null);
        matrix(g, Rows.of(u.strided()), offsets, continues, dDown);
        u.close();
        matrix(Rows.of(dzGate), in, offsets, continues, dGate);
        bias(Rows.of(dzGate), offsets, continues, dGateBias);
        if (gated()) {
          matrix(Rows.of(dzUp), in, offsets, continues, dUp);
          bias(Rows.of(dzUp), offsets, continues, dUpBias);
        }
        if (dx == null) continue;
        Strided target = part(dx, from, to);
        grouped.groupedInputGradient(Rows.of(dzGate), stack(gate), offsets, false, target);
        if (gated()) {
          grouped.groupedInputGradient(Rows.of(dzUp), stack(up), offsets, true, target);
        }
      }
    }
    deliver(sink, x, dx);
    deliver(sink, gate, dGate);
    deliver(sink, gateBias, dGateBias);
    deliver(sink, up, dUp);
    deliver(sink, upBias, dUpBias);
    deliver(sink, down, dDown);
    deliver(sink, downBias, dDownBias);
  }

  private void matrix(Rows left, Rows right, Strided offsets, boolean continues, Tensor to) {
    if (to == null) return;
    backend().grouped().groupedWeightGradient(left, right, offsets, continues, stack(to));
  }

  private void bias(Rows rows, Strided offsets, boolean continues, Tensor to) {
    if (to == null) return;
    backend().grouped().groupedBiasGradient(rows, null, offsets, continues, stack(to));
  }

  private Tensor like(GradientSink sink, Tensor t) {
    return t == null || !sink.wants(t) ? null : empty(t.shape());
  }

  private static void deliver(GradientSink sink, Tensor input, Tensor gradient) {
    if (gradient != null) sink.add(input, gradient);
  }

  /** Rows [from, to). */
  private static Strided part(Tensor t, long from, long to) {
    Strided all = t.strided();
    return all.with(all.layout().slice(0, from, to));
  }

  /** A stack of one. */
  private static Strided stack(Tensor t) {
    if (t == null) return null;
    long[] shape = new long[t.rank() + 1];
    shape[0] = 1;
    for (int i = 0; i < t.rank(); i++) shape[i + 1] = t.size(i);
    return t.strided().with(t.layout().reshape(shape));
  }

  private Backend backend() {
    return Check.backend("feedForward", x, gate, gateBias, up, upBias, down, downBias);
  }

  private Tensor empty(long... shape) {
    return Tensor.empty(x.device(), "feedForward", DType.F32, shape);
  }
}
