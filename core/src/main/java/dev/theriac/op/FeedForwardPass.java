package dev.theriac.op;

import dev.theriac.backend.Backend;
import dev.theriac.backend.ExpertKernels;
import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Forward and backward of a mixture of feed-forwards. Rows are taken in waves, so that what lies
 * between the products stays small; a sum that is continued by a later wave starts from what the
 * earlier one left. What is kept for the backward pass is x, the arguments of the activation and
 * the routing: the gradient of a routing weight needs no stored output (the gradient times the
 * output is u . a, with u the gradient of the activation output).
 */
record FeedForwardPass(
    Tensor x, Tensor weights, RowGroups groups, FeedForwardWeights w, UnaryKind activation) {

  // The backward pass, with all gradients beside what was kept, is where memory peaks.
  private static final long FORWARD_WAVE = 8L << 20;
  private static final long BACKWARD_WAVE = 2L << 20;

  List<Tensor> inputs() {
    List<Tensor> in = new ArrayList<>(List.of(x, weights));
    in.addAll(w.all());
    return in;
  }

  Tensor forward() {
    boolean keep = Autograd.enabled() && inputs().stream().anyMatch(Tensor::requiresGrad);
    try (Scope scope = Scope.open()) {
      Tensor zGate = keep ? scope.keep(empty(groups.rows(), w.hidden())) : null;
      Tensor zUp = keep && w.gated() ? scope.keep(empty(groups.rows(), w.hidden())) : null;
      Tensor y = scope.keep(empty(groups.tokens(), w.dim()));
      // Without a backward pass z needs no place of its own: the activation is applied where z is.
      int hidden = w.gated() && !keep ? 2 : 1;
      for (Wave wave : Wave.of(groups, 4 * (hidden * w.hidden() + w.dim()), FORWARD_WAVE)) {
        forward(wave, keep ? wave.part(zGate) : null, zUp == null ? null : wave.part(zUp), y);
      }
      if (!keep) return Tensor.wrap(y.strided());
      return Autograd.result(y.strided(), new GroupedOp.FeedForward(this, zGate, zUp));
    }
  }

  private void forward(Wave wave, Tensor zGate, Tensor zUp, Tensor y) {
    try (Scope _ = Scope.open()) {
      Tensor a = empty(wave.rows(), w.hidden());
      Tensor up = w.gated() && zUp == null ? empty(wave.rows(), w.hidden()) : zUp;
      hidden(wave, zGate == null ? a : zGate, up, a);
      Tensor o = empty(wave.rows(), w.dim());
      product(wave, a, o);
      combine(wave, o, weights, y);
    }
  }

  private void hidden(Wave wave, Tensor zGate, Tensor zUp, Tensor a) {
    experts()
        .hidden(
            new Rows(x.strided(), wave.part(groups.rowToken()).strided()),
            new Hidden(
                wave.matrices(w.gate()),
                wave.matrices(w.gateBias()),
                wave.matrices(w.up()),
                wave.matrices(w.upBias()),
                activation),
            wave.offsets().strided(),
            zGate.strided(),
            zUp == null ? null : zUp.strided(),
            a.strided());
  }

  private void product(Wave wave, Tensor a, Tensor o) {
    grouped()
        .grouped(
            Rows.of(a.strided()),
            wave.matrices(w.down()),
            wave.matrices(w.downBias()),
            wave.offsets().strided(),
            o.strided());
  }

  private void combine(Wave wave, Tensor o, Tensor scale, Tensor y) {
    experts()
        .combine(
            o.strided(),
            wave.from(),
            scale == null ? null : scale.strided(),
            groups.rowSlot().strided(),
            groups.tokenStart().strided(),
            groups.tokenRow().strided(),
            y.strided());
  }

  void backward(Tensor zGate, Tensor zUp, Tensor arriving, GradientSink sink) {
    Tensor grad = arriving.contiguous();
    Out out = new Out(sink);
    long rowBytes = 4 * ((w.gated() ? 3 : 2) * w.hidden() + (out.x == null ? 0 : w.dim()));
    for (Wave wave : Wave.of(groups, rowBytes, BACKWARD_WAVE)) {
      try (Scope _ = Scope.open()) {
        backward(wave, wave.part(zGate), zUp == null ? null : wave.part(zUp), grad, out);
      }
    }
    out.deliver(sink);
  }

  private void backward(Wave wave, Tensor zGate, Tensor zUp, Tensor grad, Out out) {
    Strided offsets = wave.offsets().strided();
    Strided tokens = wave.part(groups.rowToken()).strided();
    Rows arriving = new Rows(grad.strided(), tokens);
    Rows input = new Rows(x.strided(), tokens);
    Tensor u = empty(wave.rows(), w.hidden());
    grouped().groupedInputGradient(arriving, wave.matrices(w.down()), offsets, false, u.strided());
    Tensor dzGate = empty(wave.rows(), w.hidden());
    Tensor dzUp = zUp == null ? null : empty(wave.rows(), w.hidden());
    Strided slots = wave.part(groups.rowSlot()).strided();
    experts()
        .hiddenGradient(
            activation,
            slots,
            weights.strided(),
            offsets,
            arriving,
            wave.matrices(w.downBias()),
            zGate.strided(),
            zUp == null ? null : zUp.strided(),
            u.strided(),
            dzGate.strided(),
            dzUp == null ? null : dzUp.strided(),
            out.weights == null ? null : out.weights.strided());
    matrixGradient(wave, arriving, Rows.of(u.strided()), out.down);
    if (out.downBias != null) {
      biasGradient(wave, arriving, scales(wave, slots), out.downBias);
    }
    Rows dGate = Rows.of(dzGate.strided());
    matrixGradient(wave, dGate, input, out.gate);
    biasGradient(wave, dGate, null, out.gateBias);
    if (dzUp != null) {
      Rows dUp = Rows.of(dzUp.strided());
      matrixGradient(wave, dUp, input, out.up);
      biasGradient(wave, dUp, null, out.upBias);
    }
    if (out.x == null) return;
    u.close();
    Tensor dx = empty(wave.rows(), w.dim());
    grouped().groupedInputGradient(dGate, wave.matrices(w.gate()), offsets, false, dx.strided());
    if (dzUp != null) {
      grouped()
          .groupedInputGradient(
              Rows.of(dzUp.strided()), wave.matrices(w.up()), offsets, true, dx.strided());
    }
    combine(wave, dx, null, out.x);
  }

  private void matrixGradient(Wave wave, Rows left, Rows right, Tensor to) {
    if (to == null) return;
    grouped()
        .groupedWeightGradient(
            left, right, wave.offsets().strided(), wave.continues(), wave.matrices(to));
  }

  private void biasGradient(Wave wave, Rows rows, Strided scale, Tensor to) {
    if (to == null) return;
    grouped()
        .groupedBiasGradient(
            rows, scale, wave.offsets().strided(), wave.continues(), wave.matrices(to));
  }

  /** The routing weight of each row. */
  private Strided scales(Wave wave, Strided slots) {
    Tensor scales = empty(wave.rows());
    Strided all = weights.strided();
    backend()
        .index()
        .gatherRows(
            all.with(all.layout().reshape(new long[] {weights.size(), 1})),
            slots,
            scales.strided().with(scales.layout().reshape(new long[] {wave.rows(), 1})));
    return scales.strided();
  }

  private Backend backend() {
    return Check.backend(
        "feedForward",
        x,
        weights,
        w.gate(),
        w.gateBias(),
        w.up(),
        w.upBias(),
        w.down(),
        w.downBias(),
        groups.offsets(),
        groups.rowToken(),
        groups.rowSlot(),
        groups.tokenStart(),
        groups.tokenRow());
  }

  private ExpertKernels experts() {
    return backend().experts();
  }

  private GroupedKernels grouped() {
    return backend().grouped();
  }

  private Tensor empty(long... shape) {
    return Tensor.empty(x.device(), "feedForward", DType.F32, shape);
  }

  /** Where gradients go; null where none is wanted. */
  private final class Out {
    final Tensor x;
    final Tensor weights;
    final Tensor gate;
    final Tensor gateBias;
    final Tensor up;
    final Tensor upBias;
    final Tensor down;
    final Tensor downBias;

    Out(GradientSink sink) {
      x = like(sink, FeedForwardPass.this.x);
      // Choices that were dropped have no row, and get zero.
      boolean wanted = sink.wants(FeedForwardPass.this.weights);
      weights =
          wanted
              ? Tensor.zeros(FeedForwardPass.this.x.device(), FeedForwardPass.this.weights.shape())
              : null;
      gate = like(sink, w.gate());
      gateBias = like(sink, w.gateBias());
      up = like(sink, w.up());
      upBias = like(sink, w.upBias());
      down = like(sink, w.down());
      downBias = like(sink, w.downBias());
    }

    private Tensor like(GradientSink sink, Tensor t) {
      return t == null || !sink.wants(t) ? null : empty(t.shape());
    }

    void deliver(GradientSink sink) {
      add(sink, FeedForwardPass.this.x, x);
      add(sink, FeedForwardPass.this.weights, weights);
      add(sink, w.gate(), gate);
      add(sink, w.gateBias(), gateBias);
      add(sink, w.up(), up);
      add(sink, w.upBias(), upBias);
      add(sink, w.down(), down);
      add(sink, w.downBias(), downBias);
    }

    private static void add(GradientSink sink, Tensor input, Tensor gradient) {
      if (gradient != null) sink.add(input, gradient);
    }
  }
}
