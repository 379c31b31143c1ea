package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Autograd;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Feed-forwards whose weights lie in the order of the kernels: the bits of the fused ones. */
class PackedFeedForwardTest {
  private static final List<QuantisedFormat> FORMATS =
      List.of(QuantisedFormat.BF16, QuantisedFormat.F32);

  private static float[] run(Backend backend, DenseFeedForward layer, Tensor x) {
    return Backends.with(
        backend,
        () ->
            Autograd.noGrad(() -> {
              Tensor y = layer.forward(x).value();
              assertThat(y.dtype()).isEqualTo(x.dtype());
              return y.to(DType.F32).toFloats();
            }));
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void hasTheBitsOfTheFusedOneOnEachBackEndAndForEachType(Family family) {
    try (Scope _ = Scope.open()) {
      for (Backend backend : List.of(Backends.scalar(), Backends.cpu().backend())) {
        for (QuantisedFormat format : FORMATS) {
          DenseFeedForward layer = new DenseFeedForward(family, 65, 129, new Rng(1), 0.3);
          List<Parameter> matrices =
              layer.parameters().values().stream().filter(p -> p.shape().length == 2).toList();
          for (Parameter p : matrices) p.set(p.value().to(DType.valueOf(format.name())));
          for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
            for (int rows : new int[] {1, 3, 17, 130}) {
              Tensor x = Tensor.randn(new Rng(2), 2, rows, 65).to(type);
              List<Tensor> before = matrices.stream().map(Parameter::value).toList();
              float[] fused = run(backend, layer, x);
              for (Parameter p : matrices) {
                p.setQuantised(List.of(Quantised.quantise(p.value(), format)));
              }
              assertThat(run(backend, layer, x))
                  .as("%s, %s, %s, %d rows", backend.name(), format, type, rows)
                  .isEqualTo(fused);
              for (int i = 0; i < before.size(); i++) matrices.get(i).set(before.get(i));
            }
          }
        }
      }
    }
  }
}
