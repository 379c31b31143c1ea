package dev.theriac.moe.lm;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.GenerationConfig;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.SameBits;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Language models with experts on another device than the CPU. */
class DeviceMoeLanguageModelTest extends MoeLanguageModelFixture {
  @ParameterizedTest
  @MethodSource("names")
  void lossGradientsAndAnswersAreThoseOfTheHost(String name) {
    ReferenceFile reference = new ReferenceFile(name);
    SameBits.of(device -> {
      MoeLanguageModel model = model(name, reference);
      model.to(device);
      model.train(true);
      MoeLanguageModel.Forward out = forward(model, reference);
      assertThat(out.auxiliary().device()).isEqualTo(device);
      List<float[]> results = new ArrayList<>();
      results.add(out.logits().toFloats());
      results.add(out.loss().toFloats());
      results.add(out.auxiliary().toFloats());
      Gradients gradients = out.loss().backward();
      model
          .parameters()
          .values()
          .forEach(p -> {
            Tensor g = gradients.get(p.value());
            if (g != null) results.add(g.toFloats());
          });
      model.train(false);
      for (int[] answer :
          model.generate(List.of(new int[] {3, 1, 4}, new int[] {5}), GenerationConfig.greedy(8))) {
        float[] ids = new float[answer.length];
        for (int i = 0; i < ids.length; i++) ids[i] = answer[i];
        results.add(ids);
      }
      return results;
    });
  }

  @Test
  void aDirectoryIsReadToADeviceAndWrittenFromIt() throws IOException {
    MoeLanguageModel model = new MoeLanguageModel(config("qwen2_moe"), new Rng(3));
    Path here = dir.resolve("here");
    Path there = dir.resolve("there");
    model.save(here);
    MoeLanguageModel moved = Device.with(DEVICE, () -> MoeLanguageModel.load(here));
    assertThat(moved.parameters().values()).allMatch(p -> p.device().equals(DEVICE));
    moved.save(there);
    for (String file : List.of("config.json", "model.safetensors")) {
      assertThat(Files.readAllBytes(there.resolve(file)))
          .isEqualTo(Files.readAllBytes(here.resolve(file)));
    }
  }
}
