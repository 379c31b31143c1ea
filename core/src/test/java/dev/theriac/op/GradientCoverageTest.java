package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** No operation may be added without a check of its gradient. */
@ExtendWith(TensorScope.class)
class GradientCoverageTest {
  /** The cases of every family. */
  static List<Case> cases() {
    return Stream.of(
            ElementwiseTest.cases(),
            ShapeTest.cases(),
            ReduceTest.cases(),
            IndexTest.cases(),
            MatmulTest.cases(),
            NormTest.cases(),
            SoftmaxTest.cases(),
            AttentionTest.cases(),
            RopeTest.cases(),
            PatchTest.cases(),
            LossTest.cases(),
            GroupedTest.cases(),
            SelectionTest.cases(),
            FeedForwardTest.cases(),
            DenseFeedForwardTest.cases(),
            AutogradTest.cases())
        .flatMap(List::stream)
        .toList();
  }

  /** Record types below {@link Op}, but for the marker of freed graphs and users' own. */
  private static Set<Class<?>> records(Class<?> type) {
    Set<Class<?>> found = new HashSet<>();
    if (type.isRecord()) found.add(type);
    if (type.isSealed()) {
      for (Class<?> sub : type.getPermittedSubclasses()) found.addAll(records(sub));
    }
    found.remove(FreedOp.class);
    return found;
  }

  private static List<Op> graph(Tensor root) {
    List<Op> ops = new ArrayList<>();
    ArrayDeque<Tensor> open = new ArrayDeque<>(List.of(root));
    while (!open.isEmpty()) {
      Op op = open.pop().op();
      if (op == null) continue;
      ops.add(op);
      open.addAll(op.inputs());
    }
    return ops;
  }

  @Test
  void everyOperationHasACheckedGradient() {
    Set<Class<?>> missing = records(Op.class);
    missing.remove(ElementwiseOp.Cast.class); // not differentiable by differences: rounds
    assertThat(missing).hasSizeGreaterThan(20);
    Set<String> names = new TreeSet<>();
    for (Case c : cases()) {
      List<Tensor> leaves = c.inputs().make();
      leaves.forEach(x -> x.requireGrad(true));
      for (Op op : graph(c.f().apply(leaves))) {
        missing.remove(op.getClass());
        names.add(op.name());
      }
    }
    assertThat(missing).isEmpty();
    Stream.of(UnaryKind.values(), BinaryKind.values(), ReduceKind.values())
        .flatMap(Arrays::stream)
        .forEach(kind -> assertThat(names).contains(Check.name(kind)));
  }
}
