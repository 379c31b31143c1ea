package dev.theriac.moe.lm;

import static dev.theriac.moe.lm.ReferenceFile.assertClose;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backends;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.Routing;
import dev.theriac.op.Gradients;
import dev.theriac.op.Index;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Against Hugging Face's transformers in F64: {@code deepseek.py} beside the fixtures. */
class DeepSeekBlockTest {
  private static final int DIM = 16;
  private static final int EXPERTS = 8;
  private static final double FORWARD = 5e-6;
  private static final double BACKWARD = 2e-5;

  @Test
  void g01DeepSeekV2LimitsGroupsByTheirBestSoftmax() {
    DeepSeekBlock block = DeepSeekBlock.v2(DIM, 6).experts(EXPERTS, 3).shared(2).groups(4, 2);
    check("deepseek_v2", block.scale(3).build(new Rng(0), 0.1));
  }

  @Test
  void g01DeepSeekV3ChoosesBySigmoidAndBiasAndRenormalises() {
    DeepSeekBlock block = DeepSeekBlock.v3(DIM, 6).experts(EXPERTS, 3).shared(2).groups(4, 2);
    MoeLayer layer = block.scale(2.5).build(new Rng(0), 0.1);
    check("deepseek_v3", layer);
    assertThat(layer.router().correctionBias().trainable()).isFalse();
  }

  @Test
  void aSingleExpertOfV3IsAlwaysWeightedByTheScale() {
    try (Scope _ = Scope.open()) {
      MoeLayer layer =
          DeepSeekBlock.v3(DIM, 6).experts(EXPERTS, 1).scale(2.5).build(new Rng(0), 0.1);
      var out = layer.forward(Tensor.randn(new Rng(1), 1, 5, DIM));
      assertThat(((MoeLayer.Side) out.side()).routing().weights().toFloats())
          .containsExactly(2.5f, 2.5f, 2.5f, 2.5f, 2.5f);
    }
  }

  @Test
  void numbersThatDoNotFitAreNamed() {
    assertThatThrownBy(() -> DeepSeekBlock.v2(DIM, 6).build(new Rng(0), 0.1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("0 experts", "experts(count, each)");
    assertThatThrownBy(
            () -> DeepSeekBlock.v3(DIM, 6).experts(4, 2).shared(-1).build(new Rng(0), 0.1))
        .hasMessageContaining("-1 shared");
  }

  private static void check(String name, MoeLayer layer) {
    try (Scope _ = Scope.open()) {
      ReferenceFile reference = new ReferenceFile(name);
      layer.load(ExpertKeys.SEPARATE.join(reference.under("weights.")));
      layer.train(false);
      Tensor x = reference.floats("input").requireGrad(true);
      SequencedMap<String, Tensor> wanted = ExpertKeys.SEPARATE.join(reference.under("gradients."));
      Tensor dx = wanted.remove("input");
      for (var backend :
          Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct().toList()) {
        Backends.with(
            backend,
            () -> {
              var out = layer.forward(x);
              Routing routing = ((MoeLayer.Side) out.side()).routing();
              Tensor dense =
                  Index.scatterColumns(routing.weights(), routing.experts(), EXPERTS).detach();
              assertClose("routing", dense, reference.floats("routing"), FORWARD);
              assertClose("output", out.value(), reference.floats("output"), FORWARD);
              Gradients grads = out.value().backward(reference.floats("seed"));
              assertClose("gradient of the input", grads.get(x), dx, BACKWARD);
              layer
                  .parameters()
                  .forEach((path, p) -> {
                    if (p.isBuffer()) {
                      assertThat(grads.get(p.value())).isNull();
                    } else {
                      assertClose(path, grads.get(p.value()), wanted.get(path), BACKWARD);
                    }
                  });
              return null;
            });
      }
    }
  }
}
