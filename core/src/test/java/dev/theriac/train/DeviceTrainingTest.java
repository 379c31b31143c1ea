package dev.theriac.train;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backends;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Gradients;
import dev.theriac.op.Grouped;
import dev.theriac.optim.AdamW;
import dev.theriac.optim.Optimizer;
import dev.theriac.optim.ParameterGroup;
import dev.theriac.optim.Sgd;
import dev.theriac.optim.Untouched;
import dev.theriac.optim.WithoutGradient;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training on another device: the checkpoints of the host, to the byte. */
class DeviceTrainingTest {
  private static final long STEPS = 6;

  @TempDir Path dir;

  private static <T> T on(Device device, Supplier<T> body) {
    return device.equals(Device.CPU)
        ? Backends.with(Backends.scalar(), body)
        : Device.with(device, body);
  }

  private void run(Device device, String name, long stop) {
    on(
        device,
        () -> {
          Trainer trainer =
              TinyRun.trainer(
                  new TinyRun.Task(new TinyRun.Net(16, 0)), dir.resolve(name), STEPS, 1);
          trainer.listener(
              new TrainingListener() {
                @Override
                public void onStep(StepReport report) {
                  if (report.step() == stop) throw new IllegalStateException("cut");
                }
              });
          if (stop > STEPS) trainer.run();
          else assertThatThrownBy(trainer::run).hasMessage("cut");
          return null;
        });
  }

  private byte[] last(String name) throws IOException {
    return Files.readAllBytes(
        dir.resolve(name).resolve("checkpoint-%08d.safetensors".formatted(STEPS)));
  }

  @Test
  void checkpointsAreThoseOfTheHost() throws IOException {
    run(Device.CPU, "host", STEPS + 1);
    run(DEVICE, "device", STEPS + 1);
    assertThat(last("device")).isEqualTo(last("host"));
    // Each half on one of them, in both orders.
    run(DEVICE, "there, then here", 4);
    run(Device.CPU, "there, then here", STEPS + 1);
    assertThat(last("there, then here")).isEqualTo(last("host"));
    run(Device.CPU, "here, then there", 4);
    run(DEVICE, "here, then there", STEPS + 1);
    assertThat(last("here, then there")).isEqualTo(last("host"));
  }

  /** Two steps of a stack of which one slice gets no gradient, and what is then held. */
  private static List<float[]> stacked(
      BiFunction<Map<String, Parameter>, Untouched, Optimizer> maker, Device move) {
    try (Scope _ = Scope.open()) {
      Map<String, Parameter> parameters = new LinkedHashMap<>();
      Parameter stack = Parameter.stacked(Tensor.randn(new Rng(1), 1, 3, 4, 5));
      Parameter bias =
          new Parameter(Tensor.randn(new Rng(2), 1, 3, 4).to(dev.theriac.tensor.DType.BF16));
      parameters.put("stack", stack);
      parameters.put("bias", bias);
      try (Optimizer optimizer = maker.apply(parameters, Untouched.DECAY)) {
        for (int step = 0; step < 3; step++) {
          if (step == 1) parameters.values().forEach(p -> p.to(move));
          Device device = stack.device();
          Tensor x = Tensor.randn(new Rng(3), 1, 6, 5).to(device);
          Tensor offsets = Tensor.of(device, new long[] {0, 2, 2, 6});
          Tensor y = Grouped.linear(x, stack.value(), bias.value(), offsets);
          Gradients gradients = y.mul(y).sum().backward();
          optimizer.step(gradients, 1, 0.5);
        }
        List<float[]> held = new ArrayList<>();
        held.add(stack.value().toFloats());
        held.add(bias.value().toFloats());
        optimizer
            .state()
            .forEach((name, t) -> {
              if (!name.startsWith("steps.")) assertThat(t.device()).as(name).isEqualTo(move);
              held.add(t.toFloats());
            });
        return held;
      }
    }
  }

  @Test
  void anOptimisersStateFollowsItsParameters() {
    List<BiFunction<Map<String, Parameter>, Untouched, Optimizer>> makers =
        List.of(
            (p, u) ->
                new Sgd(List.of(new ParameterGroup(p, 0.1, 0.01)), 0.9, WithoutGradient.SKIP, u),
            (p, u) -> AdamW.builder().lr(0.1).weightDecay(0.01).untouched(u).add(p).build());
    for (var maker : makers) {
      List<float[]> wanted = Backends.with(Backends.scalar(), () -> stacked(maker, Device.CPU));
      List<float[]> found = Backends.with(Backends.scalar(), () -> stacked(maker, DEVICE));
      assertThat(found).hasSameSizeAs(wanted);
      for (int i = 0; i < found.size(); i++) assertThat(found.get(i)).isEqualTo(wanted.get(i));
    }
  }
}
