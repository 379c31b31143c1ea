package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class PatchTest {
  /** Batch, channels, patches down, patches across, patch size. */
  private static final int[][] SIZES = {
    {1, 1, 1, 1, 1}, {2, 3, 3, 5, 3}, {1, 3, 2, 2, 17}, {0, 3, 2, 2, 2}, {3, 1, 17, 1, 2}
  };

  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void cutsRowByRowAndFoldsBack(Backend backend) {
    for (int[] s : SIZES) {
      int p = s[4];
      for (View view : View.values()) {
        Tensor image = view.of(Samples.longs(i -> i, s[0], s[1], s[2] * p, s[3] * p).to(DType.F32));
        Tensor y = Backends.with(backend, () -> Patch.unfold(image, p));
        assertThat(y.shape()).containsExactly(s[0], s[2] * s[3], s[1] * p * p);
        float[] in = image.toFloats();
        float[] out = y.toFloats();
        float[] want = new float[out.length];
        int i = 0;
        for (int b = 0; b < s[0]; b++) {
          for (int row = 0; row < s[2]; row++) {
            for (int column = 0; column < s[3]; column++) {
              for (int c = 0; c < s[1]; c++) {
                for (int yy = row * p; yy < row * p + p; yy++) {
                  for (int xx = column * p; xx < column * p + p; xx++) {
                    int at = ((b * s[1] + c) * s[2] * p + yy) * s[3] * p + xx;
                    want[i++] = in[at];
                  }
                }
              }
            }
          }
        }
        assertThat(out).isEqualTo(want);
        Tensor back = Tensor.empty("test", DType.F32, image.shape());
        backend.patch().fold(y.strided(), p, back.strided());
        assertThat(back.toFloats()).isEqualTo(in);
      }
    }
  }

  /** A convolution whose stride is its kernel size, by definition. */
  @ParameterizedTest
  @MethodSource("backends")
  void embeddingIsAStridedConvolution(Backend backend) {
    int p = 3;
    Tensor image = Samples.normal(1, 2, 3, 6, 9);
    Tensor weight = Samples.normal(2, 17, 3, p, p);
    Tensor bias = Samples.normal(3, 17);
    Tensor y = Backends.with(backend, () -> Patch.embed(image, weight, bias));
    assertThat(y.shape()).containsExactly(2, 6, 17);
    double[] want = new double[2 * 6 * 17];
    double[] size = new double[want.length];
    for (int i = 0; i < want.length; i++) {
      int d = i % 17;
      int patch = i / 17 % 6;
      int b = i / 17 / 6;
      want[i] = bias.get(d);
      size[i] = Math.abs(bias.get(d));
      for (int k = 0; k < 3 * p * p; k++) {
        int c = k / p / p;
        int dy = k / p % p;
        int dx = k % p;
        double term =
            image.get(b, c, patch / 3 * p + dy, patch % 3 * p + dx) * weight.get(d, c, dy, dx);
        want[i] += term;
        size[i] += Math.abs(term);
      }
    }
    Tolerances.check("patch embedding", backend.name(), want, size, y);
  }

  @Test
  void errorsNameTheOperationAndTheShapes() {
    assertThatThrownBy(() -> Patch.unfold(Tensor.zeros(1, 3, 7, 8), 4))
        .hasMessageContaining("unfold")
        .hasMessageContaining("[1, 3, 7, 8]")
        .hasMessageContaining("patches of 4");
    assertThatThrownBy(() -> Patch.unfold(Tensor.zeros(3, 8, 8), 4))
        .hasMessageContaining("[3, 8, 8]");
    assertThatThrownBy(() -> Patch.embed(Tensor.zeros(1, 3, 8, 8), Tensor.zeros(5, 1, 4, 4), null))
        .hasMessageContaining("patch embedding")
        .hasMessageContaining("[5, 1, 4, 4]")
        .hasMessageContaining("[1, 3, 8, 8]");
  }

  static List<Case> cases() {
    return List.of(
        new Case(
            "unfold",
            x -> Patch.unfold(x.getFirst(), 2),
            () -> List.of(Samples.normal(1, 2, 2, 4, 2))),
        new Case(
            "patch embedding",
            x -> Patch.embed(x.get(0), x.get(1), x.get(2)),
            () ->
                List.of(
                    Samples.normal(1, 1, 2, 2, 4),
                    Samples.normal(2, 3, 2, 2, 2),
                    Samples.normal(3, 3))));
  }

  @TestFactory
  Stream<DynamicTest> gradients() {
    return GradientCheck.tests(cases());
  }
}
