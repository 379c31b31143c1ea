package dev.theriac.op;

import static dev.theriac.tensor.PretendProvider.DEVICE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backends;
import dev.theriac.op.GradientCheck.Case;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Every operation and its gradient on another device: the bits of the same kernels on the host, and
 * nothing made or read at the wrong place.
 */
class DeviceOpsTest {
  private record Result(float[] value, List<float[]> gradients) {}

  private static List<Case> here() {
    return Backends.with(Backends.scalar(), GradientCoverageTest::cases);
  }

  private static List<Case> there() {
    return Device.with(DEVICE, GradientCoverageTest::cases);
  }

  @TestFactory
  Stream<DynamicTest> sameBitsThereAsHere() {
    List<Case> here = here();
    List<Case> there = there();
    return IntStream.range(0, here.size())
        .boxed()
        .flatMap(i ->
            Stream.of(View.values())
                .map(view ->
                    DynamicTest.dynamicTest(
                        here.get(i).name() + ", inputs " + view,
                        () -> compare(here.get(i), there.get(i), view))));
  }

  private static void compare(Case here, Case there, View view) {
    Result wanted = Backends.with(Backends.scalar(), () -> run(here, view, Device.CPU));
    // The graph is made on the device; walking back through it needs no device to be named.
    Result found = run(there, view, DEVICE);
    assertThat(found.value).isEqualTo(wanted.value);
    assertThat(found.gradients).hasSameSizeAs(wanted.gradients);
    for (int i = 0; i < found.gradients.size(); i++) {
      assertThat(found.gradients.get(i)).as("input %d", i).isEqualTo(wanted.gradients.get(i));
    }
  }

  private static Result run(Case c, View view, Device device) {
    try (Scope _ = Scope.open()) {
      List<Tensor> leaves = new ArrayList<>();
      for (Tensor x : c.inputs().make()) {
        leaves.add(view.base(x.to(Device.CPU)).to(device).requireGrad(true));
      }
      Tensor y = Device.with(device, () -> c.f().apply(leaves.stream().map(view::view).toList()));
      assertThat(y.device()).isEqualTo(device);
      Tensor weights = Samples.normal(99, y.shape()).to(device);
      Gradients found = y.backward(weights);
      List<float[]> gradients = new ArrayList<>();
      for (Tensor leaf : leaves) {
        assertThat(found.get(leaf).device()).isEqualTo(device);
        gradients.add(found.get(leaf).toFloats());
      }
      return new Result(y.toFloats(), gradients);
    }
  }

  @TestFactory
  Stream<DynamicTest> inputsOnTwoDevicesAreRefused() {
    return there().stream()
        .filter(c -> count(c) > 1)
        .map(c -> DynamicTest.dynamicTest(c.name(), () -> mixed(c)));
  }

  private static int count(Case c) {
    try (Scope _ = Scope.open()) {
      return c.inputs().make().size();
    }
  }

  private static void mixed(Case c) {
    int count = count(c);
    for (int odd = 0; odd < count; odd++) {
      try (Scope _ = Scope.open()) {
        List<Tensor> inputs = new ArrayList<>();
        List<Tensor> made = c.inputs().make();
        for (int i = 0; i < count; i++) {
          inputs.add(made.get(i).to(i == odd ? Device.CPU : DEVICE).requireGrad(true));
        }
        assertThatThrownBy(() -> Device.with(DEVICE, () -> c.f().apply(inputs)))
            .as("input %d", odd)
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("cpu")
            .hasMessageContaining("test:0")
            .hasMessageContaining("to(Device)");
      }
    }
  }
}
