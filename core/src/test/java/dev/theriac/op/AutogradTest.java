package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.Workers;
import dev.theriac.nn.Dropout;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(TensorScope.class)
class AutogradTest {
  private static Tensor leaf(long seed, long... shape) {
    return Samples.normal(seed, shape).requireGrad(true);
  }

  @Test
  void aTensorUsedTwiceGetsTheSum() {
    Tensor x = Tensor.of(new float[] {3, -2}).requireGrad(true);
    Tensor y = x.mul(x).add(x).add(x);
    assertThat(y.sum().backward().get(x).toFloats()).containsExactly(8, -2);
  }

  /**
   * A sum of gradients that are the pass's own needs no third tensor: what was used goes meanwhile.
   */
  @Test
  void gradientsAreAddedWhereTheFirstOneLies() {
    Tensor x = Tensor.ones(1 << 20).requireGrad(true);
    long one = 4L << 20;
    Tensor loss = x.mul(2f).sum().add(x.mul(3f).sum());
    Memory.trim();
    Memory.resetPeak();
    long before = Memory.stats().live();
    Tensor grad = loss.backward().get(x);
    assertThat(Memory.stats().peak() - before).isLessThanOrEqualTo(one + 4096);
    assertThat(grad.toFloats()).containsOnly(5f);
  }

  /** Both inputs of an addition get the same gradient, which the other's sum must leave alone. */
  @Test
  void aSharedGradientIsNotAddedTo() {
    Tensor x = Tensor.ones(8).requireGrad(true);
    Tensor y = Tensor.ones(8).requireGrad(true);
    Tensor z = x.mul(3f);
    Gradients found = z.add(x.add(y).mul(2f)).sum().backward();
    assertThat(found.get(x).toFloats()).containsOnly(5f);
    assertThat(found.get(y).toFloats()).containsOnly(2f);
  }

  @Test
  void secondUseOfAGraphNamesTheOperation() {
    Tensor x = leaf(1, 3, 4);
    Tensor h = x.matmul(leaf(2, 4, 5));
    Tensor loss = h.sum();
    loss.backward();
    assertThatThrownBy(loss::backward)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("graph of sum")
        .hasMessageContaining("run the forward pass again");
    assertThatThrownBy(() -> h.mul(2))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("matmul")
        .hasMessageContaining("the backward pass")
        .hasMessageContaining("retain()");
  }

  @Test
  void aGraphBuiltOnAFreedOneNamesTheOperation() {
    Tensor h = leaf(1, 3).exp().retain();
    h.sum().backward();
    Tensor again = h.mul(2).sum();
    assertThatThrownBy(again::backward).hasMessageContaining("graph of exp");
  }

  @Test
  void everyOperationNamesItselfOnSecondUse() {
    for (Case c : GradientCoverageTest.cases()) {
      List<Tensor> leaves = c.inputs().make();
      leaves.forEach(x -> x.requireGrad(true));
      Tensor y = c.f().apply(leaves);
      String name = y.op().name();
      Tensor g = Tensor.full(1, DType.F32, y.shape());
      y.backward(g);
      assertThatThrownBy(() -> y.backward(g))
          .as(c.name())
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("graph of " + name + " was already used and freed");
    }
  }

  @Test
  void nothingIsRecordedInANoGradRegion() {
    Tensor x = leaf(1, 3);
    Tensor y = Autograd.noGrad(() -> x.mul(2).sum());
    assertThat(y.requiresGrad()).isFalse();
    assertThat(y.op()).isNull();
    assertThatThrownBy(y::backward).hasMessageContaining("made without recording");
    assertThat(Autograd.enabled()).isTrue();
    assertThat(x.mul(2).requiresGrad()).isTrue();
  }

  @Test
  void nothingIsRecordedWithoutALeafThatAsks() {
    assertThat(Samples.normal(1, 3).mul(2).op()).isNull();
    assertThat(leaf(1, 3).detach().mul(2).op()).isNull();
  }

  @Test
  void gradientsStopAtLeavesThatDoNotAsk() {
    Tensor x = leaf(1, 3);
    Tensor frozen = Samples.normal(2, 3);
    Gradients found = x.mul(frozen).sum().backward();
    assertThat(found.leaves()).containsExactly(x);
    assertThat(found.get(frozen)).isNull();
    assertThat(found.get(leaf(3, 3))).isNull();
  }

  @Test
  void onlyLeavesAreMarked() {
    assertThatThrownBy(() -> leaf(1, 3).mul(2).requireGrad(false))
        .hasMessageContaining("affine")
        .hasMessageContaining("detach()");
  }

  @Test
  void theArrivingGradientMustFit() {
    Tensor y = leaf(1, 3).mul(2);
    assertThatThrownBy(y::backward).hasMessageContaining("[3] is not a scalar");
    assertThatThrownBy(() -> y.backward(Tensor.zeros(4)))
        .hasMessageContaining("[4]")
        .hasMessageContaining("[3]");
  }

  @Test
  void activationsAreFreedAsTheyAreUsed() {
    Tensor x = leaf(1, 129, 129);
    long before = Memory.stats().live();
    Tensor h = x;
    for (int i = 0; i < 10; i++) h = h.mul(x);
    Tensor loss = h.sum();
    long one = x.storage().byteSize();
    assertThat(Memory.stats().live() - before).isGreaterThanOrEqualTo(10 * one);
    Gradients found = loss.backward();
    // What is left: the loss and one gradient.
    assertThat(Memory.stats().live() - before).isLessThanOrEqualTo(one + 512);
    found.close();
    assertThat(Memory.stats().live() - before).isLessThanOrEqualTo(512);
  }

  @Test
  void retainedTensorsAndTheirViewsSurvive() {
    Tensor x = leaf(1, 3, 4);
    Tensor h = x.mul(2).retain();
    Tensor view = x.mul(3).reshape(12).retain();
    Tensor loss = h.sum().add(view.sum());
    loss.backward();
    assertThat(h.toFloats()).hasSize(12);
    assertThat(view.toFloats()).hasSize(12);
    assertThat(loss.item()).isFinite();
  }

  @Test
  void aRootThatIsAViewSurvives() {
    Tensor loss = leaf(1, 3).sum().reshape(1, 1);
    loss.backward();
    assertThat(loss.item()).isFinite();
  }

  @Test
  void theCallersGradientStaysTheCallers() {
    Tensor x = leaf(1, 3);
    Tensor other = leaf(2, 3);
    Tensor g = Samples.normal(3, 3);
    float[] values = g.toFloats();
    Gradients found = x.add(other).backward(g);
    assertThat(found.get(x).storage()).isNotSameAs(g.storage());
    assertThat(found.get(x).storage()).isNotSameAs(found.get(other).storage());
    found.close();
    assertThat(g.toFloats()).isEqualTo(values);
  }

  @Test
  void gradientsSurviveTheScopeOfTheBackwardPassOnly() {
    Tensor x = leaf(1, 3);
    Tensor dx;
    try (Scope scope = Scope.open()) {
      dx = scope.keep(x.exp().sum().backward().get(x));
    }
    assertThat(dx.toFloats()).hasSize(3);
  }

  @Test
  void rootsOfHalfTypesStartInF32() {
    for (DType dtype : Samples.FLOATING) {
      Tensor x = Samples.normal(1, dtype, 17).requireGrad(true);
      Tensor y = x.apply(UnaryKind.SQUARE);
      assertThat(y.dtype()).isEqualTo(dtype);
      float[] want = Autograd.noGrad(() -> x.to(DType.F32).mul(2)).toFloats();
      Tensor ones = Tensor.full(1, dtype, 17);
      assertThat(y.backward(ones).get(x).toFloats()).isEqualTo(want);
    }
  }

  /** A network in which every sum of gradients has several terms. */
  private static Tensor network(Tensor x, Tensor w, Tensor v) {
    Tensor h = Norm.rmsNorm(x.matmul(w).gelu(), v, 1e-5).add(x);
    return h.matmul(w.transpose(0, 1)).softmax().mul(h).add(v).sum();
  }

  @Test
  void sameBitsForAnyNumberOfThreadsAndInEveryRun() {
    int before = Workers.threads();
    try {
      List<float[]> first = new ArrayList<>();
      for (int threads : new int[] {1, 2, 3, 7, 2}) {
        Workers.setThreads(threads);
        Tensor x = leaf(1, 65, 129);
        Tensor w = leaf(2, 129, 129);
        Tensor v = leaf(3, 129);
        Gradients found = network(x, w, v).backward();
        List<float[]> grads = Stream.of(x, w, v).map(t -> found.get(t).toFloats()).toList();
        if (first.isEmpty()) first.addAll(grads);
        for (int i = 0; i < 3; i++) assertThat(grads.get(i)).isEqualTo(first.get(i));
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @Test
  void recomputationGivesTheSameBits() {
    Function<List<Tensor>, Tensor> block =
        in -> {
          Tensor h = in.get(0).matmul(in.get(1)).gelu();
          return Elementwise.dropout(h, 0.3, new Rng(5)).add(in.get(0));
        };
    Tensor w = leaf(2, 17, 17);
    Tensor shift = leaf(3, 17);
    List<float[]> kept = run(block, w, shift, false);
    List<float[]> again = run(block, w, shift, true);
    for (int i = 0; i < kept.size(); i++) assertThat(again.get(i)).isEqualTo(kept.get(i));
  }

  private static List<float[]> run(
      Function<List<Tensor>, Tensor> block, Tensor w, Tensor shift, boolean recompute) {
    Tensor x = leaf(1, 5, 17);
    Tensor h = x.mul(1.5);
    Function<List<Tensor>, Tensor> shifted = in -> block.apply(in).add(shift);
    for (int i = 0; i < 2; i++) {
      List<Tensor> in = List.of(h, w);
      h = recompute ? RecomputeOp.recompute(shifted, in, List.of(shift)) : shifted.apply(in);
    }
    Tensor y = h.mul(h).sum().retain();
    Gradients found = y.backward();
    return List.of(
        new float[] {y.item()},
        found.get(x).toFloats(),
        found.get(w).toFloats(),
        found.get(shift).toFloats());
  }

  @Test
  void recomputationKeepsNoActivations() {
    Tensor x = leaf(1, 129, 129);
    Function<List<Tensor>, Tensor> block =
        in -> {
          Tensor h = in.getFirst();
          for (int i = 0; i < 10; i++) h = h.mul(h.exp()).gelu();
          return h;
        };
    long before = Memory.stats().live();
    Tensor y = RecomputeOp.recompute(block, List.of(x), List.of());
    assertThat(Memory.stats().live() - before).isEqualTo(y.storage().byteSize());
  }

  @Test
  void recomputedLeavesWithoutANameGetTheirGradientsToo() {
    Tensor x = leaf(1, 3);
    Tensor hidden = leaf(2, 3);
    Tensor y = RecomputeOp.recompute(in -> in.getFirst().mul(hidden), List.of(x), List.of());
    assertThat(y.sum().backward().get(hidden).toFloats()).isEqualTo(x.toFloats());
  }

  @Test
  void recomputedDropoutIsTheDropoutOfTheFirstRun() {
    List<float[]> kept = dropped(false);
    List<float[]> recomputed = dropped(true);
    for (int i = 0; i < kept.size(); i++) assertThat(recomputed.get(i)).isEqualTo(kept.get(i));
    assertThat(kept.get(1)).contains(0);
  }

  /** Two layers, one in a block inside the other's, sharing a generator that is used after them. */
  private static List<float[]> dropped(boolean recompute) {
    Rng shared = new Rng(7);
    Dropout outer = new Dropout(0.4, shared);
    Dropout inner = new Dropout(0.3, new Rng(8));
    Dropout after = new Dropout(0.5, shared);
    for (Dropout d : List.of(outer, inner, after)) d.train(true);
    Tensor x = leaf(1, 9, 31);
    Function<List<Tensor>, Tensor> small = in -> inner.forward(in.getFirst().exp()).exp();
    Function<List<Tensor>, Tensor> large =
        in -> {
          Tensor h = outer.forward(in.getFirst()).mul(shared.nextFloat());
          h =
              recompute
                  ? RecomputeOp.recompute(small, List.of(h), List.of())
                  : small.apply(List.of(h));
          return outer.forward(h);
        };
    Tensor h = x;
    for (int i = 0; i < 2; i++) {
      h = recompute ? RecomputeOp.recompute(large, List.of(h), List.of()) : large.apply(List.of(h));
    }
    Tensor y = after.forward(h).retain();
    long position = shared.position();
    float[] slope = y.mul(y).sum().backward().get(x).toFloats();
    assertThat(shared.position()).isEqualTo(position);
    return List.of(y.toFloats(), slope, new float[] {shared.nextFloat()});
  }

  @Test
  void blocksKnowThatTheyRunAgain() {
    Tensor x = leaf(1, 3);
    List<Boolean> again = new ArrayList<>();
    Tensor y =
        RecomputeOp.recompute(
            in -> {
              again.add(RecomputeOp.isRecomputing());
              return in.getFirst().exp();
            },
            List.of(x),
            List.of());
    y.sum().backward();
    assertThat(again).containsExactly(false, true);
    assertThat(RecomputeOp.isRecomputing()).isFalse();
  }

  @Test
  void generatorsGoBackWhenRecomputationFails() {
    Rng rng = new Rng(1);
    Tensor y =
        RecomputeOp.recompute(
            in -> {
              rng.nextInt();
              if (RecomputeOp.isRecomputing()) throw new IllegalStateException("again");
              return in.getFirst().exp();
            },
            List.of(leaf(1, 3)),
            List.of());
    rng.nextInt();
    Tensor loss = y.sum();
    assertThatThrownBy(loss::backward).hasMessage("again");
    assertThat(rng.position()).isEqualTo(2);
  }

  private record Cube(Tensor x) implements CustomOp {
    static Tensor of(Tensor x) {
      Tensor y = Autograd.noGrad(() -> x.mul(x).mul(x));
      return Autograd.result(y.strided(), new Cube(x));
    }

    @Override
    public String name() {
      return "cube";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }

    @Override
    public List<Tensor> gradients(Tensor output, Tensor grad) {
      return List.of(grad.mul(x).mul(x).mul(3));
    }
  }

  static List<Case> cases() {
    return List.of(
        new Case("cube", x -> Cube.of(x.getFirst()), () -> List.of(Samples.normal(1, 3, 5))),
        new Case(
            "recompute",
            x -> RecomputeOp.recompute(in -> in.get(0).matmul(in.get(1)).gelu(), x, List.of()),
            () -> List.of(Samples.normal(1, 3, 4), Samples.normal(2, 4, 2))),
        new Case(
            "network",
            x -> network(x.get(0), x.get(1), x.get(2)),
            () -> List.of(Samples.normal(1, 3, 4), Samples.normal(2, 4, 4), Samples.normal(3, 4))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }

  /** Hands its gradient on, doubled, and shows it. */
  private record Shown(Tensor x, Consumer<Tensor> show) implements CustomOp {
    static Tensor of(Tensor x, Consumer<Tensor> show) {
      Tensor y = Autograd.noGrad(() -> x.mul(2));
      return Autograd.result(y.strided(), new Shown(x, show));
    }

    @Override
    public String name() {
      return "shown";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }

    @Override
    public List<Tensor> gradients(Tensor output, Tensor grad) {
      Tensor g = grad.mul(2);
      show.accept(g);
      return List.of(g);
    }
  }

  /** Though a norm adds to a gradient that has arrived where it lies. */
  @Test
  void aGradientThatACustomOperationKeepsIsNotAddedTo() {
    List<Tensor> kept = new ArrayList<>();
    List<float[]> seen = new ArrayList<>();
    Tensor sum = Shown.of(leaf(1, 3, 17), _ -> seen.add(kept.getFirst().toFloats()));
    Tensor normed = Norm.rmsNorm(sum, leaf(2, 17), 1e-5f);
    Tensor y = normed.add(Shown.of(sum, kept::add));
    Tensor g = Tensor.full(1, DType.F32, 3, 17);
    // Summed elsewhere, the kept one was then freed like every gradient that has been used.
    assertThatThrownBy(() -> y.backward(g)).hasMessageContaining("after it was freed");
    assertThat(seen).isEmpty();
  }

  @Test
  void aCustomOperationWithTheWrongNumberOfGradientsIsNamed() {
    record Broken(Tensor x) implements CustomOp {
      @Override
      public String name() {
        return "broken";
      }

      @Override
      public List<Tensor> inputs() {
        return List.of(x);
      }

      @Override
      public List<Tensor> gradients(Tensor output, Tensor grad) {
        return List.of();
      }
    }
    Tensor x = leaf(1, 3);
    Tensor y = Autograd.result(Samples.normal(1, 3).strided(), new Broken(x));
    assertThatThrownBy(() -> y.sum().backward())
        .hasMessageContaining("broken: 0 gradients for 1 inputs");
  }

  @Test
  void longChainsNeedNoStack() {
    Tensor x = leaf(1, 1);
    Tensor h = x;
    for (int i = 0; i < 20_000; i++) h = h.add(1);
    assertThat(h.sum().backward().get(x).item()).isEqualTo(1);
  }
}
