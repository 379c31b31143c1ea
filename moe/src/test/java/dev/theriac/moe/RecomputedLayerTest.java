package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.UnaryKind;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.RouterConfig.Noise;
import dev.theriac.moe.RouterConfig.Scoring;
import dev.theriac.nn.Dropout;
import dev.theriac.op.Gradients;
import dev.theriac.op.RecomputeOp;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers whose activations are computed again, with everything in them that draws numbers. */
class RecomputedLayerTest extends ScopedTest {
  private static final int DIM = 6;
  private static final int TOKENS = 23;
  private static final int K = 2;

  private record Run(Map<String, float[]> values, long[] counts, int forwards, long position) {}

  private static RouterConfig config(Scoring scoring, Noise noise, double jitter) {
    return RouterConfig.builder(DIM, 5, K)
        .scoring(scoring)
        .weighting(Weighting.RENORMALISED)
        .correctionBias(true)
        .noise(noise)
        .jitter(jitter)
        .build();
  }

  /** Two layers with dropout between them; both are blocks of their own when recomputed. */
  private static Run run(RouterConfig config, boolean recompute) {
    Map<String, Tensor> leaves = new LinkedHashMap<>();
    Tensor x = normal(3, TOKENS, DIM).requireGrad(true);
    leaves.put("x", x);
    Tensor h = x;
    int[] forwards = new int[1];
    long[] counts = new long[2];
    long position = 0;
    Dropout dropout = new Dropout(0.3, new Rng(17));
    dropout.train(true);
    CorrectionBias[] biases = new CorrectionBias[2];
    Router[] routers = new Router[2];
    for (int i = 0; i < 2; i++) {
      Rng rng = new Rng(5 + i);
      routers[i] = new Router(config, rng);
      Experts.Shape shape = new Experts.Shape(5, DIM, 4, true, false, UnaryKind.SILU);
      MoeLayer layer = new MoeLayer(routers[i], Experts.fresh(shape, DType.F32, rng, 0.7), null);
      layer.train(true);
      CorrectionBias bias = biases[i] = new CorrectionBias(routers[i], 0.1);
      String name = "layer " + i + " ";
      layer
          .parameters()
          .forEach((path, p) -> {
            if (p.trainable()) leaves.put(name + path, p.value());
          });
      Function<List<Tensor>, Tensor> block =
          in -> {
            forwards[0]++;
            var out = layer.forward(dropout.forward(in.getFirst()));
            bias.count(((MoeLayer.Side) out.side()).routing());
            return dropout.forward(out.value()).add(in.getFirst());
          };
      List<Tensor> in = List.of(h);
      List<Tensor> own = leaves.values().stream().skip(1).toList();
      h = recompute ? RecomputeOp.recompute(block, in, own) : block.apply(in);
    }
    Map<String, float[]> values = new LinkedHashMap<>();
    values.put("y", h.toFloats());
    try (Gradients found = h.mul(normal(9, TOKENS, DIM)).sum().backward()) {
      leaves.forEach((path, leaf) -> values.put(path, found.get(leaf).toFloats()));
    }
    for (int i = 0; i < 2; i++) {
      counts[i] = Arrays.stream(biases[i].counts()).sum();
      position += routers[i].position();
    }
    return new Run(values, counts, forwards[0], position + dropout.position());
  }

  @ParameterizedTest
  @MethodSource("backends")
  @DisplayName(
      "G07: with dropout, jitter and noise, recomputation gives the bits of kept activations")
  void drawsAreRepeated(Backend backend) {
    for (Scoring scoring : Scoring.values()) {
      for (Noise noise : List.of(Noise.NONE, new Noise.Constant(1.5), new Noise.Learned())) {
        for (double jitter : new double[] {0, 0.4}) {
          RouterConfig config = config(scoring, noise, jitter);
          Run kept = on(backend, () -> run(config, false));
          Run again = on(backend, () -> run(config, true));
          kept.values.forEach((name, bits) ->
              assertThat(again.values.get(name)).as("%s of %s", name, config).isEqualTo(bits));
          assertThat(kept.forwards).isEqualTo(2);
          assertThat(again.forwards).isEqualTo(4);
          assertThat(again.position).isEqualTo(kept.position);
          assertThat(kept.counts).containsExactly(TOKENS * K, TOKENS * K);
          assertThat(again.counts).isEqualTo(kept.counts);
        }
      }
    }
  }
}
