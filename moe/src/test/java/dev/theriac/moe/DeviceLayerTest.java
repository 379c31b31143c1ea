package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backends;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.check.PretendBackend;
import dev.theriac.llm.FeedForward;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The layer on another device: routing, capacity, noise, losses and gradients of the host. */
class DeviceLayerTest {
  private static final Device DEVICE = new Device("pretend", 0);
  private static final PretendBackend BACKEND = new PretendBackend(DEVICE, Backends.scalar());
  private static final int DIM = 8;

  private static RouterConfig.Builder config() {
    return RouterConfig.builder(DIM, 4, 2);
  }

  private static List<RouterConfig> configs() {
    return List.of(
        config().weighting(Router.Weighting.RENORMALISED).build(),
        config().weighting(Router.Weighting.PROBABILITY).jitter(0.1).build(),
        config().noise(new RouterConfig.Noise.Learned()).build(),
        config().noise(new RouterConfig.Noise.Constant(0.25)).build(),
        config().scoring(RouterConfig.Scoring.SIGMOID).correctionBias(true).build(),
        config().cosine(6, 0.5).build());
  }

  private static List<float[]> run(RouterConfig config, boolean capacity, Device device) {
    try (Scope _ = Scope.open()) {
      Router router = new Router(config, new Rng(3));
      var shape = new Experts.Shape(4, DIM, 11, true, true, UnaryKind.SILU);
      MoeLayer layer = new MoeLayer(router, Experts.fresh(shape, DType.F32, new Rng(4), 0.3), null);
      layer.to(device);
      if (capacity) layer.capacity(new Capacity(0.75, Capacity.Policy.PROBABILITY));
      Tensor u = Tensor.randn(new Rng(5), 1, 2, 9, DIM).to(device).requireGrad(true);
      boolean[] valid = new boolean[18];
      for (int i = 0; i < valid.length; i++) valid[i] = i % 9 < 7;
      FeedForward.Output out = layer.forward(u, TokenMask.of(valid, 2, 9), null);
      Routing routing = ((MoeLayer.Side) out.side()).routing();
      assertThat(routing.experts().device()).isEqualTo(device);
      Tensor loss =
          out.value()
              .mul(out.value())
              .sum()
              .add(Losses.loadBalance(routing))
              .add(Losses.sequenceLoadBalance(routing))
              .add(Losses.zLoss(routing))
              .add(Losses.importance(routing));
      if (config.noise() != RouterConfig.Noise.NONE) loss = loss.add(Losses.load(routing));
      List<float[]> found = new ArrayList<>();
      found.add(out.value().toFloats());
      found.add(routing.probabilities().toFloats());
      found.add(new float[] {loss.item()});
      Gradients gradients = loss.backward();
      found.add(gradients.get(u).toFloats());
      layer
          .parameters()
          .values()
          .forEach(p -> {
            Tensor gradient = gradients.get(p.value());
            if (gradient != null) found.add(gradient.toFloats());
          });
      return found;
    }
  }

  @Test
  void sameBitsThereAsHere() {
    for (RouterConfig config : configs()) {
      for (boolean capacity : new boolean[] {false, true}) {
        List<float[]> wanted =
            Backends.with(Backends.scalar(), () -> run(config, capacity, Device.CPU));
        List<float[]> found = Backends.with(BACKEND, () -> run(config, capacity, DEVICE));
        assertThat(found).hasSameSizeAs(wanted).hasSizeGreaterThan(6);
        for (int i = 0; i < found.size(); i++) {
          assertThat(found.get(i)).as("%s, result %d", config, i).isEqualTo(wanted.get(i));
        }
      }
    }
  }
}
