package dev.theriac.moe;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Elementwise;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Cosine logits (Chi et al. 2022, "On the representation collapse of sparse mixture of experts",
 * equation 5): tokens are projected to a small width, and both sides have length 1. Parameters
 * carry Tutel's names; its temperature parameter is log(1 / temperature).
 */
final class RouterCosine extends Module {
  /** Added to squared lengths, so that a zero vector has cosine 0 with everything. */
  private static final double TINY = 1e-12;

  private static final double LOWEST_TEMPERATURE = 0.01;

  private final Linear projector;
  private final Parameter directions;
  private final Parameter temperature;

  RouterCosine(RouterConfig config, Rng rng) {
    RouterConfig.Cosine cosine = config.cosine();
    projector =
        part(
            "cosine_projector",
            new Linear(config.dim(), cosine.dim(), true, rng, 1 / Math.sqrt(config.dim())));
    directions = parameter("sim_matrix", Tensor.randn(rng, 0.01, cosine.dim(), config.experts()));
    temperature =
        parameter("temperature", Tensor.of(new float[] {(float) -Math.log(cosine.temperature())}));
  }

  /** [T, dim] to [T, E]. */
  Tensor logits(Tensor u) {
    Tensor cosines = unit(projector.forward(u), 1).matmul(unit(directions.value(), 0));
    Tensor bound = Tensor.of(u.device(), new float[] {(float) -Math.log(LOWEST_TEMPERATURE)});
    return cosines.mul(Elementwise.binary(BinaryKind.MINIMUM, temperature.value(), bound).exp());
  }

  private static Tensor unit(Tensor x, int dim) {
    Tensor squares = x.mul(x).sum(dim, true).add(TINY);
    return x.mul(squares.apply(UnaryKind.RSQRT));
  }
}
