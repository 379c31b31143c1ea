package dev.theriac.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.op.Quantised;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Layers whose weight is quantised. */
class QuantisedParameterTest {
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static QuantisedMatrix matrix(long rows, long columns) {
    return Quantised.quantise(Tensor.randn(new Rng(5), 0.1, rows, columns), QuantisedFormat.INT8);
  }

  @Test
  void aLayerMultipliesByTheMatrix() {
    Linear layer = new Linear(40, 7, true, new Rng(1), 0.1);
    Tensor bias = Tensor.randn(new Rng(2), 1, 7);
    QuantisedMatrix m = matrix(7, 40);
    layer.load(Map.of("bias", bias), Map.of("weight", List.of(m)));
    Tensor x = Tensor.randn(new Rng(3), 1, 2, 3, 40);
    // The layer is frozen: no region without gradients is needed.
    assertThat(layer.forward(x).toFloats()).isEqualTo(Quantised.linear(x, m, bias).toFloats());
    assertThat(layer.parameterCount()).isEqualTo(7 * 40 + 7);
    assertThat(layer.weight().isQuantised()).isTrue();
    assertThat(layer.weight().shape()).containsExactly(7, 40);
    assertThat(layer.weight().quantised()).containsExactly(m);
  }

  @Test
  void itHasNoTensorAndCannotBeTrained() {
    Linear layer = new Linear(40, 7, true, new Rng(1), 0.1);
    layer.load(Map.of("bias", Tensor.zeros(7)), Map.of("weight", List.of(matrix(7, 40))));
    assertThat(layer.bias().trainable()).isFalse();
    assertThatThrownBy(() -> layer.weight().value())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("INT8[7, 40]")
        .hasMessageContaining("inference");
    assertThatThrownBy(() -> layer.train(path -> true))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("trained");
    assertThat(layer.weight().trainable()).isFalse();
    layer.train(path -> false);
    // A tensor takes its place back.
    layer.load(Map.of("bias", Tensor.zeros(7), "weight", Tensor.ones(7, 40)));
    assertThat(layer.weight().isQuantised()).isFalse();
    layer.train(path -> true);
    assertThat(layer.weight().value().requiresGrad()).isTrue();
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeAnythingIsChanged() {
    Linear layer = new Linear(40, 7, false, new Rng(1), 0.1);
    for (List<QuantisedMatrix> bad :
        List.of(
            List.of(matrix(40, 7)),
            List.of(matrix(7, 40), matrix(7, 40)),
            List.<QuantisedMatrix>of())) {
      assertThatThrownBy(() -> layer.load(Map.of(), Map.of("weight", bad)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("load: weight")
          .hasMessageContaining("[7, 40]");
    }
    assertThatThrownBy(
            () -> layer.load(Map.of(), Map.of("weight", List.of(matrix(7, 40)), "x", List.of())))
        .hasMessageContaining("belong to no parameter");
    assertThat(layer.weight().isQuantised()).isFalse();
    Parameter buffer = Parameter.buffer(Tensor.zeros(7, 40));
    assertThatThrownBy(() -> buffer.setQuantised(List.of(matrix(7, 40))))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aStackHasAMatrixForEachSlice() {
    Parameter stack = Parameter.stacked(Tensor.zeros(2, 7, 40));
    assertThatThrownBy(() -> stack.setQuantised(List.of(matrix(7, 40))))
        .hasMessageContaining("give 2");
    stack.setQuantised(List.of(matrix(7, 40), matrix(7, 40)));
    assertThat(stack.size()).isEqualTo(2 * 7 * 40);
    assertThat(stack.shape()).containsExactly(2, 7, 40);
  }
}
