package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class LossTest {
  private static final int[][] SIZES = {{1, 1}, {1, 17}, {3, 129}, {17, 3}, {129, 5}};

  static List<Backend> backends() {
    return Samples.backends();
  }

  /** Every third target is ignored. */
  private static Tensor targets(int n, int classes) {
    return Samples.longs(i -> i % 3 == 1 ? Loss.IGNORE_INDEX : i * 7 % classes, n);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheDefinition(Backend backend) {
    for (int[] s : SIZES) {
      for (View view : View.values()) {
        Tensor base = view.base(Samples.normal(1, s[0], s[1]).mul(3)).requireGrad(true);
        Tensor logits = view.view(base);
        Tensor targets = view.of(targets(s[0], s[1]));
        long[] labels = targets.toLongs();
        double[] x = Samples.doubles(logits);
        double loss = 0;
        double size = 0;
        double[] grad = new double[x.length];
        double[] sizeGrad = new double[x.length];
        int counted = (int) Arrays.stream(labels).filter(t -> t >= 0).count();
        for (int n = 0; n < s[0]; n++) {
          double max = Double.NEGATIVE_INFINITY;
          for (int j = 0; j < s[1]; j++) max = Math.max(max, x[n * s[1] + j]);
          double sum = 0;
          for (int j = 0; j < s[1]; j++) sum += Math.exp(x[n * s[1] + j] - max);
          if (labels[n] < 0) continue;
          double target = x[n * s[1] + (int) labels[n]];
          loss += (max + Math.log(sum) - target) / counted;
          size += (Math.abs(max) + Math.log(sum) + Math.abs(target)) / counted;
          for (int j = 0; j < s[1]; j++) {
            double p = Math.exp(x[n * s[1] + j] - max) / sum;
            double hit = j == labels[n] ? 1 : 0;
            grad[n * s[1] + j] = (p - hit) / counted;
            sizeGrad[n * s[1] + j] =
                (p * (1 + Math.abs(max) + Math.abs(x[n * s[1] + j])) + hit) / counted;
          }
        }
        Tensor out = Backends.with(backend, () -> Loss.crossEntropy(logits, targets)).retain();
        Tensor dx = Backends.with(backend, () -> out.backward().get(base));
        Tolerances.check(
            "crossEntropy", backend.name(), new double[] {loss}, new double[] {size}, out);
        Tolerances.check("crossEntropy gradient", backend.name(), grad, sizeGrad, view.view(dx));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void nothingCountedGivesZeroAndNoGradient(Backend backend) {
    Tensor logits = Samples.normal(1, 3, 17).requireGrad(true);
    Tensor targets = Tensor.full(Loss.IGNORE_INDEX, DType.I64, 3);
    Tensor loss = Backends.with(backend, () -> Loss.crossEntropy(logits, targets));
    assertThat(loss.item()).isZero();
    Tensor dx = Backends.with(backend, () -> loss.backward().get(logits));
    assertThat(dx.toFloats()).containsOnly(0f);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void noRowsGiveZero(Backend backend) {
    Tensor loss =
        Backends.with(
            backend, () -> Loss.crossEntropy(Tensor.zeros(0, 5), Tensor.of(new long[0], 0)));
    assertThat(loss.item()).isZero();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void hugeLogitsDoNotOverflow(Backend backend) {
    Tensor logits = Tensor.of(new float[] {1e30f, -1e30f}, 1, 2);
    Tensor hit = Tensor.of(new long[] {0});
    assertThat(Backends.with(backend, () -> Loss.crossEntropy(logits, hit)).item()).isZero();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void notANumberIsNotHidden(Backend backend) {
    Tensor logits = Tensor.of(new float[] {Float.NaN, 1}, 1, 2);
    Tensor hit = Tensor.of(new long[] {1});
    assertThat(Backends.with(backend, () -> Loss.crossEntropy(logits, hit)).item()).isNaN();
  }

  /** Logits that a product made and nobody else reads make room for their gradient. */
  @ParameterizedTest
  @MethodSource("backends")
  void backwardHoldsNoSecondCopyOfTheLogits(Backend backend) {
    Tensor x = Samples.normal(1, 8, 4);
    Tensor w = Samples.normal(2, 4, 50_000);
    Tensor targets = targets(8, 50_000);
    long logits = 4L * 8 * 50_000;
    float[][] found = new float[2][];
    for (int kind = 0; kind < 2; kind++) {
      Tensor leaf = x.mul(1).requireGrad(true);
      Tensor y = leaf.matmul(w);
      if (kind == 1) y.retain();
      float[] before = y.toFloats();
      Tensor view = y.reshape(2, 4, 50_000).reshape(8, 50_000);
      Tensor loss = Backends.with(backend, () -> Loss.crossEntropy(view, targets));
      Memory.resetPeak();
      long live = Memory.stats().live();
      found[kind] = Backends.with(backend, loss::backward).get(leaf).toFloats();
      long more = Memory.stats().peak() - live;
      if (kind == 0) assertThat(more).isLessThan(logits / 2);
      else assertThat(more).isBetween(logits, logits + logits / 2);
      if (kind == 1) assertThat(y.toFloats()).isEqualTo(before);
    }
    assertThat(found[1]).isEqualTo(found[0]);
  }

  /** A user's operation whose gradient reads what no record shows. */
  private record Teaching(Tensor p, Supplier<Tensor> teacher) implements CustomOp {
    static Tensor of(Tensor p, Supplier<Tensor> teacher) {
      Tensor y = Autograd.noGrad(() -> p.mul(1));
      return Autograd.result(y.strided(), new Teaching(p, teacher));
    }

    @Override
    public String name() {
      return "teaching";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(p);
    }

    @Override
    public List<Tensor> gradients(Tensor output, Tensor grad) {
      return List.of(grad.mul(teacher.get()));
    }
  }

  /** p times what {@code hidden} gives, in a block that is run again. */
  private static Tensor again(Tensor p, Tensor hidden) {
    return RecomputeOp.recompute(in -> in.getFirst().mul(hidden), List.of(p), List.of());
  }

  private static Tensor unrecorded(Tensor y) {
    return Autograd.noGrad(() -> y.reshape(51, 3).reshape(3, 51));
  }

  private static Tensor squares(Tensor y) {
    return y.mul(y).mean();
  }

  /** Sums of the cross-entropy of logits y and of something else that reads them; p is a leaf. */
  private static Map<String, BinaryOperator<Tensor>> readers() {
    Tensor targets = targets(3, 51);
    Function<Tensor, Tensor> loss = y -> Loss.crossEntropy(y.reshape(3, 51), targets);
    Map<String, BinaryOperator<Tensor>> all = new LinkedHashMap<>();
    all.put("younger", (y, p) -> loss.apply(y).add(squares(y)));
    all.put("older", (y, p) -> squares(y).add(loss.apply(y)));
    all.put("older view", (y, p) -> squares(y.reshape(51, 3)).add(loss.apply(y)));
    all.put("two losses", (y, p) -> loss.apply(y).add(loss.apply(y)));
    all.put("detached", (y, p) -> p.mul(y.detach()).sum().add(loss.apply(y)));
    all.put("view", (y, p) -> p.mul(unrecorded(y)).sum().add(loss.apply(y)));
    for (boolean first : new boolean[] {true, false}) {
      Map<String, BinaryOperator<Tensor>> hidden = new LinkedHashMap<>();
      hidden.put(
          "custom, detached",
          (y, p) -> {
            Tensor teacher = y.detach();
            return Teaching.of(p, () -> teacher).sum();
          });
      hidden.put("custom", (y, p) -> Teaching.of(p, () -> y).sum());
      hidden.put(
          "custom, memory",
          (y, p) -> {
            Strided memory = y.strided();
            return Teaching.of(p, () -> Tensor.wrap(memory)).sum();
          });
      hidden.put("recompute, detached", (y, p) -> again(p, y.detach()).sum());
      hidden.put("recompute, view", (y, p) -> again(p, unrecorded(y)).sum());
      hidden.put(
          "recompute, memory",
          (y, p) -> {
            Strided memory = y.strided();
            return RecomputeOp.recompute(
                    in -> in.getFirst().mul(Tensor.wrap(memory)), List.of(p), List.of())
                .sum();
          });
      hidden.forEach((name, f) ->
          all.put(
              name + (first ? ", older" : ", younger"),
              (y, p) -> {
                Tensor before = first ? f.apply(y, p) : null;
                Tensor entropy = loss.apply(y);
                return entropy.add(first ? before : f.apply(y, p));
              }));
    }
    return all;
  }

  /** Whoever reads the logits, recorded or not, reads them as they were. */
  @ParameterizedTest
  @MethodSource("backends")
  void logitsThatOthersReadAreNotOverwritten(Backend backend) {
    readers()
        .forEach((name, f) -> {
          List<List<float[]>> found = new ArrayList<>();
          for (boolean retained : new boolean[] {true, false}) {
            Tensor x = Samples.normal(1, 3, 4).requireGrad(true);
            Tensor p = Samples.normal(2, 3, 51).requireGrad(true);
            Tensor y = x.matmul(Samples.normal(3, 4, 51));
            if (retained) y.retain();
            Tensor sum = Backends.with(backend, () -> f.apply(y, p));
            Gradients g = Backends.with(backend, () -> sum.backward());
            List<float[]> each = new ArrayList<>();
            for (Tensor leaf : List.of(x, p)) {
              each.add(g.get(leaf) == null ? new float[0] : g.get(leaf).toFloats());
            }
            found.add(each);
          }
          for (int i = 0; i < 2; i++) {
            assertThat(found.get(1).get(i)).as(name).isEqualTo(found.get(0).get(i));
          }
        });
  }

  /** The gradient that arrives may lie where the logits do. */
  @Test
  void logitsThatHoldTheArrivingGradientAreNotOverwritten() {
    float[][] found = new float[2][];
    for (int kind = 0; kind < 2; kind++) {
      Tensor x = Samples.normal(1, 3, 4).requireGrad(true);
      Tensor p = Tensor.scalar(2).requireGrad(true);
      Tensor y = x.matmul(Samples.normal(3, 4, 51));
      Tensor g =
          Tensor.result(y.strided().with(y.layout().slice(0, 0, 1).slice(1, 0, 1).reshape()), null);
      if (kind == 0) g = ShapeFunctions.copy(g);
      Tensor sum = p.mul(p).add(Loss.crossEntropy(y, targets(3, 51)));
      found[kind] = sum.backward(g).get(p).toFloats();
    }
    assertThat(found[1]).isEqualTo(found[0]);
  }

  /** A pass that fails half-way leaves no gradient where values were. */
  @Test
  void logitsOverwrittenByAPassThatFailsCannotBeRead() {
    Tensor x = Samples.normal(1, 3, 4).requireGrad(true);
    Tensor h =
        RecomputeOp.recompute(
            in -> {
              if (RecomputeOp.isRecomputing()) throw new IllegalStateException("again");
              return in.getFirst().mul(2);
            },
            List.of(x),
            List.of());
    Tensor logits = ShapeFunctions.copy(Samples.normal(2, 3, 51).requireGrad(true));
    Tensor all = Loss.crossEntropy(logits, targets(3, 51)).add(h.sum());
    assertThatThrownBy(all::backward).hasMessage("again");
    assertThatThrownBy(logits::toFloats).hasMessageContaining("backward pass");
  }

  /** A leaf's values are its owner's. */
  @Test
  void leavesAreNotOverwritten() {
    Tensor logits = Samples.normal(1, 3, 17).requireGrad(true);
    float[] before = logits.toFloats();
    Loss.crossEntropy(logits.reshape(1, 3, 17).reshape(3, 17), targets(3, 17)).backward();
    assertThat(logits.toFloats()).isEqualTo(before);
  }

  @Test
  void anotherIgnoredIndex() {
    Tensor logits = Samples.normal(1, 3, 4);
    Tensor targets = Tensor.of(new long[] {0, 1, 2});
    float all = Loss.crossEntropy(logits.slice(0, 0, 2), targets.slice(0, 0, 2)).item();
    assertThat(Loss.crossEntropy(logits, targets, 2).item()).isEqualTo(all);
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    Tensor logits = Tensor.zeros(2, 3);
    assertThatThrownBy(() -> Loss.crossEntropy(logits, Tensor.of(new long[] {0})))
        .hasMessageContaining("crossEntropy: targets must have shape [2], got [1]");
    assertThatThrownBy(() -> Loss.crossEntropy(logits, Tensor.of(new long[] {0, 3})))
        .hasMessageContaining("crossEntropy targets: id 3 at position 1 is not in [0, 3)");
    assertThatThrownBy(() -> Loss.crossEntropy(logits, Tensor.of(new long[] {-1, 0})))
        .hasMessageContaining("id -1 at position 0");
    assertThatThrownBy(() -> Loss.crossEntropy(Tensor.zeros(3), Tensor.of(new long[] {0})))
        .hasMessageContaining("crossEntropy: logits must be [N, V], got [3]");
    assertThatThrownBy(() -> Loss.crossEntropy(logits, Tensor.zeros(2)))
        .hasMessageContaining("crossEntropy: targets must be I64");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "crossEntropy",
            x -> Loss.crossEntropy(x.getFirst(), targets(4, 5)),
            () -> List.of(Samples.normal(1, 4, 5))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
