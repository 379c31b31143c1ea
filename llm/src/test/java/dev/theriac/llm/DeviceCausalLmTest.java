package dev.theriac.llm;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backends;
import dev.theriac.llm.quantised.AccuracyLoss;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.PretendProvider;
import dev.theriac.tensor.SameBits;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Language models on another device than the CPU, given ids that are on the host. */
class DeviceCausalLmTest extends CausalFixture {
  private static float[] floats(List<int[]> answers) {
    List<Float> out = new ArrayList<>();
    for (int[] answer : answers) {
      out.add((float) answer.length);
      for (int id : answer) out.add((float) id);
    }
    float[] values = new float[out.size()];
    for (int i = 0; i < values.length; i++) values[i] = out.get(i);
    return values;
  }

  @ParameterizedTest
  @MethodSource("names")
  void passesAndGradientsAreThoseOfTheHost(String name) {
    CausalReference reference = new CausalReference(name);
    SameBits.of(device -> {
      CausalLm model = reference.model();
      assertThat(model.to(device)).isSameAs(model);
      model.decoder().train(path -> true);
      Tensor ids = reference.get("ids");
      TokenMask mask = reference.mask();
      CausalLm.Forward plain = model.forward(ids);
      CausalLm.Forward out = model.forward(ids, mask, null, ids, true);
      assertThat(out.logits().device()).isEqualTo(device);
      assertThat(out.loss().device()).isEqualTo(device);
      List<float[]> results = new ArrayList<>();
      results.add(plain.logits().toFloats());
      results.add(out.logits().toFloats());
      results.add(out.loss().toFloats());
      out.hiddenStates().forEach(h -> results.add(h.toFloats()));
      Gradients gradients = out.loss().backward();
      model
          .parameters()
          .forEach((path, p) -> {
            Tensor g = gradients.get(p.value());
            if (g == null) return;
            assertThat(g.device()).as(path).isEqualTo(device);
            results.add(g.toFloats());
          });
      assertThat(results).hasSizeGreaterThan(model.parameters().size());
      return results;
    });
  }

  @ParameterizedTest
  @MethodSource("names")
  void answersAreThoseOfTheHost(String name) {
    CausalReference reference = new CausalReference(name);
    SameBits.of(device -> {
      CausalLm model = reference.model();
      model.to(device);
      List<int[]> prompts = reference.prompts();
      GenerationConfig sampled = new GenerationConfig(7, 1.1, 9, 0.95, 1.2, 3, Set.of(1));
      return List.of(
          floats(model.generate(prompts, GenerationConfig.greedy(9))),
          floats(model.generate(reference.get("ids"), reference.mask(), sampled)));
    });
  }

  /** A prompt waits once for the device, and so does each token: to read the logits. */
  @Test
  void aTokenIsOneRoundTrip() {
    CausalLm model = new CausalReference("llama").model();
    List<int[]> prompts = new CausalReference("llama").prompts();
    int tokens = 6;
    Backends.with(
        Backends.scalar(),
        () -> {
          model.to(DEVICE);
          long before = PretendProvider.backend().downloads();
          List<int[]> answers =
              new Generator(model.decoder(), GenerationConfig.greedy(tokens)).generate(prompts);
          assertThat(answers).allMatch(a -> a.length == tokens);
          assertThat(PretendProvider.backend().downloads() - before).isEqualTo(tokens);
          return null;
        });
  }

  /** Where tensors are made by default does not matter to a model. */
  @Test
  void aModelElsewhereThanTheCurrentDevice() {
    CausalReference reference = new CausalReference("stablelm-options");
    SameBits.of(device -> {
      CausalLm model = reference.model();
      model.to(device);
      Device other = device.equals(DEVICE) ? PretendProvider.SECOND : DEVICE;
      return Device.with(
          other,
          () -> {
            Tensor ids = reference.get("ids").to(other);
            CausalLm.Forward out = model.forward(ids, reference.mask(), ids);
            assertThat(out.loss().device()).isEqualTo(device);
            List<float[]> results =
                List.of(
                    out.logits().toFloats(),
                    out.loss().toFloats(),
                    floats(model.generate(reference.prompts(), GenerationConfig.greedy(5))));
            out.loss().backward();
            return results;
          });
    });
  }

  @Test
  void whatADeviceSavesIsWhatTheHostSaves() throws IOException {
    Path from = published("qwen2");
    CausalLm here = CausalLm.load(from);
    here.save(dir.resolve("here"));
    CausalLm there = Device.with(DEVICE, () -> CausalLm.load(from));
    assertThat(there.parameters().values()).allMatch(p -> p.device().equals(DEVICE));
    there.save(dir.resolve("there"));
    try (Stream<Path> files = Files.list(dir.resolve("here"))) {
      for (Path file : files.toList()) {
        Path other = dir.resolve("there").resolve(file.getFileName());
        assertThat(Files.readAllBytes(other)).isEqualTo(Files.readAllBytes(file));
      }
    }
    // A model takes weights to where it is.
    CausalLm moved = new CausalReference("qwen2").model();
    moved.to(DEVICE);
    moved.loadCheckpoint(here.checkpoint());
    assertThat(moved.parameters().values()).allMatch(p -> p.device().equals(DEVICE));
  }

  @Test
  void modelsOnTwoDevicesAreCompared() {
    CausalLm here = new CausalReference("phi").model();
    CausalLm there = new CausalReference("phi").model();
    there.to(DEVICE);
    AccuracyLoss loss =
        Backends.with(
            Backends.scalar(),
            () ->
                AccuracyLoss.of(
                    here.decoder(),
                    there.decoder(),
                    List.of(new int[] {3, 1, 4, 1, 5, 9, 2}),
                    done -> {}));
    assertThat(loss.maxRelative()).isZero();
    assertThat(loss.topAgreement()).isEqualTo(1);
  }

  @Test
  void aCacheOfAnotherDeviceIsRefused() {
    CausalLm model = new CausalReference("llama").model();
    model.to(DEVICE);
    DecoderConfig config = model.decoder().config();
    try (KvCache cache = new KvCache(config.layers(), 1, 4, config.kvHeads(), config.headDim())) {
      Tensor x = model.decoder().embed(Tensor.of(new long[] {3}, 1, 1));
      Tensor at = Tensor.of(new long[] {0}, 1, 1);
      assertThatThrownBy(() -> model.decoder().forward(x, at, null, cache, false))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("cpu")
          .hasMessageContaining("test:0");
    }
  }
}
