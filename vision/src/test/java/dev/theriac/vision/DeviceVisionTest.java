package dev.theriac.vision;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.io.SafeTensors;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.SameBits;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Image encoders on another device than the CPU, given pictures that are on the host. */
class DeviceVisionTest {
  static List<String> models() {
    return VisionModelsTest.models();
  }

  @ParameterizedTest
  @MethodSource("models")
  void outputsAndGradientsAreThoseOfTheHost(String name) {
    SafeTensors expected = ModelFixtures.expected(name);
    SameBits.of(device -> {
      VisionTransformer model =
          Device.with(device, () -> VisionDirectory.load(ModelFixtures.folder(name)));
      assertThat(model.parameters().values()).allMatch(p -> p.device().equals(device));
      model.train(path -> true);
      Projector projector = new Projector(model.config().dim(), 10, new Rng(3), 0.3);
      projector.to(device);
      Tensor images = expected.get("images").to(DType.F32);
      Tensor seen = projector.forward(model.features(images));
      assertThat(seen.device()).isEqualTo(device);
      Tensor loss = seen.mul(seen).sum();
      List<float[]> results = new ArrayList<>(List.of(seen.toFloats()));
      if (expected.keys().contains("pooled")) {
        Tensor pooled = model.pooled(images);
        results.add(pooled.toFloats());
        loss = loss.add(pooled.mul(pooled).sum());
      }
      if (expected.keys().contains("embeds")) results.add(model.embed(images).toFloats());
      Gradients gradients = loss.backward();
      model
          .parameters()
          .values()
          .forEach(p -> {
            Tensor g = gradients.get(p.value());
            if (g != null) results.add(g.toFloats());
          });
      assertThat(results.size()).isGreaterThan(5);
      return results;
    });
  }

  /** Features made elsewhere are brought to the projector. */
  @ParameterizedTest
  @MethodSource("models")
  void aProjectorOnAnotherDeviceIsReached(String name) {
    try (Scope _ = Scope.open()) {
      VisionTransformer model = VisionDirectory.load(ModelFixtures.folder(name));
      Projector projector = new Projector(model.config().dim(), 10, new Rng(3), 0.3);
      Tensor images = ModelFixtures.expected(name).get("images").to(DType.F32);
      projector.to(DEVICE);
      assertThat(projector.forward(model.features(images)).device()).isEqualTo(DEVICE);
    }
  }
}
