package dev.theriac.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.io.SafeTensors;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against PyTorch: optimizers.safetensors, written by make_optimizers.py. */
class OptimizerTest {
  private static final int STEPS = 10;

  @TempDir Path dir;
  private Scope scope;
  private SafeTensors expected;
  private Map<String, Parameter> parameters;

  @BeforeEach
  void open() throws URISyntaxException {
    scope = Scope.open();
    expected =
        SafeTensors.open(
            Path.of(OptimizerTest.class.getResource("optimizers.safetensors").toURI()));
    parameters = parameters(DType.F32);
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static Stream<Backend> backends() {
    return Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct();
  }

  private static Map<String, Parameter> parameters(DType dtype) {
    Map<String, Parameter> out = new LinkedHashMap<>();
    out.put("matrix", new Parameter(start(3, 17).to(dtype)));
    out.put("vector", new Parameter(start(129).to(dtype)));
    return out;
  }

  private static Tensor start(long... shape) {
    return fill(shape, i -> (7 * i % 23 - 11) / 8.0);
  }

  private static Tensor gradient(int t, long... shape) {
    return fill(shape, i -> ((5 * i + 3 * t) % 19 - 9) / 16.0 * (1 + t / 4.0));
  }

  private static Tensor fill(long[] shape, Function<Integer, Double> value) {
    int n = 1;
    for (long s : shape) n *= (int) s;
    float[] out = new float[n];
    for (int i = 0; i < n; i++) out[i] = value.apply(i).floatValue();
    return Tensor.of(out, shape);
  }

  private static Gradients gradients(Map<String, Parameter> parameters, int t, boolean vector) {
    Gradients g = new Gradients();
    g.put(parameters.get("matrix").value(), gradient(t, 3, 17));
    if (vector) g.put(parameters.get("vector").value(), gradient(t, 129));
    return g;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void adamWIsPyTorchs(Backend backend) {
    compare("adamw", backend, AdamW.builder().lr(0.05).weightDecay(0.1).add(parameters).build());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void groupsHaveTheirOwnSettings(Backend backend) {
    AdamW optimizer =
        AdamW.builder()
            .betas(0.8, 0.99)
            .eps(1e-6)
            .decayVectors(true)
            .add(new ParameterGroup(Map.of("matrix", parameters.get("matrix")), 0.05, 0.1))
            .add(new ParameterGroup(Map.of("vector", parameters.get("vector")), 0.01, 0.2))
            .build();
    compare("groups", backend, optimizer);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aParameterWithoutGradientIsSkipped(Backend backend) {
    compare("skip", backend, AdamW.builder().lr(0.05).weightDecay(0.1).add(parameters).build());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void clippingIsPyTorchs(Backend backend) {
    compare("clipped", backend, AdamW.builder().lr(0.05).weightDecay(0.1).add(parameters).build());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sgdIsPyTorchs(Backend backend) {
    ParameterGroup group = new ParameterGroup(parameters, 0.05, 0.01);
    compare("sgd", backend, new Sgd(List.of(group), 0.9, WithoutGradient.SKIP));
  }

  @ParameterizedTest
  @MethodSource("backends")
  void plainSgdIsPyTorchs(Backend backend) {
    compare("plain", backend, Sgd.of(parameters, 0.05, 0));
  }

  private void compare(String name, Backend backend, Optimizer optimizer) {
    Backends.with(
        backend,
        () -> {
          for (int t = 0; t < STEPS; t++) {
            boolean vector = !name.equals("skip") || t % 2 == 0;
            Gradients g = gradients(parameters, t, vector);
            double scale = 1;
            if (name.equals("clipped")) {
              double norm = Clip.globalNorm(parameters.values(), g);
              double pytorch = expected.get("clipped.norms").get(t);
              assertThat(norm).isCloseTo(pytorch, relative(pytorch, 1e-6));
              scale = Clip.scale(norm, 2);
            }
            optimizer.step(g, name.equals("groups") ? (t + 1) / 10.0 : 1, scale);
            assertClose(name + "." + t + ".matrix", parameters.get("matrix").value());
            assertClose(name + "." + t + ".vector", parameters.get("vector").value());
          }
          return null;
        });
    optimizer.close();
  }

  private static org.assertj.core.data.Offset<Double> relative(double to, double tolerance) {
    return org.assertj.core.api.Assertions.within(tolerance * Math.abs(to));
  }

  /** Within 2e-6 of the largest value, some ten F32 roundings of it. */
  private void assertClose(String key, Tensor actual) {
    float[] want = expected.get(key, DType.F32, actual.shape()).toFloats();
    float[] have = actual.toFloats();
    double scale = 0;
    for (float w : want) scale = Math.max(scale, Math.abs(w));
    for (int i = 0; i < want.length; i++) {
      assertThat((double) have[i]).as("%s at %d", key, i).isCloseTo(want[i], relative(scale, 2e-6));
    }
  }

  @Test
  void withoutGradientDecayTakesZeros() {
    AdamW a =
        AdamW.builder()
            .lr(0.05)
            .weightDecay(0.1)
            .decayVectors(true)
            .withoutGradient(WithoutGradient.DECAY)
            .add(parameters)
            .build();
    Map<String, Parameter> twin = parameters(DType.F32);
    AdamW b = AdamW.builder().lr(0.05).weightDecay(0.1).decayVectors(true).add(twin).build();
    float[] before = parameters.get("vector").value().toFloats();
    for (int t = 0; t < 3; t++) {
      a.step(gradients(parameters, t, false), 1, 1);
      Gradients zeros = gradients(twin, t, false);
      zeros.put(twin.get("vector").value(), Tensor.zeros(129));
      b.step(zeros, 1, 1);
    }
    assertThat(values(parameters)).isEqualTo(values(twin));
    assertThat(parameters.get("vector").value().toFloats()).isNotEqualTo(before);
  }

  private static List<List<Float>> values(Map<String, Parameter> parameters) {
    return parameters.values().stream()
        .map(p -> {
          List<Float> out = new java.util.ArrayList<>();
          for (float f : p.value().toFloats()) out.add(f);
          return out;
        })
        .toList();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void halfParametersFollowTheirMasters(Backend backend) {
    for (DType dtype : new DType[] {DType.BF16, DType.F16}) {
      // The starts are exact in both half types, so the masters walk with the F32 twin.
      Map<String, Parameter> half = parameters(dtype);
      Map<String, Parameter> twin = parameters(DType.F32);
      AdamW a = AdamW.builder().lr(1e-4).weightDecay(0.1).add(half).build();
      AdamW b = AdamW.builder().lr(1e-4).weightDecay(0.1).add(twin).build();
      Backends.with(
          backend,
          () -> {
            for (int t = 0; t < 20; t++) {
              a.step(gradients(half, t, true), 1, 1);
              b.step(gradients(twin, t, true), 1, 1);
            }
            return null;
          });
      for (String name : half.keySet()) {
        assertThat(a.state().get("master." + name).toFloats())
            .isEqualTo(twin.get(name).value().toFloats());
        assertThat(half.get(name).value().toFloats())
            .isEqualTo(twin.get(name).value().to(dtype).toFloats());
      }
      assertThat(half.get("matrix").value().toFloats()).isNotEqualTo(start(3, 17).toFloats());
    }
  }

  @Test
  void stateContinuesBitForBit() {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      Map<String, Parameter> one = parameters(dtype);
      AdamW whole = AdamW.builder().lr(0.05).add(one).build();
      for (int t = 0; t < 5; t++) whole.step(gradients(one, t, t != 2), 1, 1);
      Path file = dir.resolve("state.safetensors");
      Map<String, Tensor> all = new LinkedHashMap<>(whole.state());
      one.forEach((name, p) -> all.put("model." + name, p.value()));
      SafeTensors.write(file, all, Map.of());

      Map<String, Tensor> read = new LinkedHashMap<>(SafeTensors.open(file).tensors());
      Map<String, Parameter> two = parameters(dtype);
      two.forEach((name, p) -> p.set(read.remove("model." + name)));
      AdamW resumed = AdamW.builder().lr(0.05).add(two).build();
      resumed.load(read);
      for (int t = 5; t < 8; t++) {
        whole.step(gradients(one, t, true), 1, 1);
        resumed.step(gradients(two, t, true), 1, 1);
      }
      assertThat(values(two)).isEqualTo(values(one));
    }
  }

  @Test
  void stateOfAnotherOptimizerIsRefused() {
    AdamW adam = AdamW.of(parameters, 0.1);
    Sgd sgd = Sgd.of(parameters, 0.1, 0.9);
    assertThatThrownBy(() -> adam.load(sgd.state())).hasMessageContaining("momentum.matrix");
    Map<String, Tensor> state = new LinkedHashMap<>(adam.state());
    state.remove("v.vector");
    assertThatThrownBy(() -> adam.load(state)).hasMessageContainingAll("v.vector", "missing");
    state.put("v.vector", Tensor.zeros(128));
    assertThatThrownBy(() -> adam.load(state)).hasMessageContainingAll("F32[128]", "F32[129]");
  }

  @Test
  void mappedWeightsAreCopiedBeforeTheFirstUpdate() {
    Path file = dir.resolve("model.safetensors");
    SafeTensors.write(file, Map.of("w", start(3, 17)), Map.of());
    Parameter w = new Parameter(SafeTensors.open(file).get("w"));
    AdamW optimizer = AdamW.of(Map.of("w", w), 0.1);
    assertThat(((CpuStorage) w.value().storage()).isReadOnly()).isFalse();
    Gradients g = new Gradients();
    g.put(w.value(), gradient(0, 3, 17));
    optimizer.step(g, 1, 1);
    assertThat(w.value().toFloats()).isNotEqualTo(start(3, 17).toFloats());
    assertThat(SafeTensors.open(file).get("w").toFloats()).isEqualTo(start(3, 17).toFloats());
  }

  @Test
  void frozenParametersAreLeftAlone() {
    parameters.get("vector").setTrainable(false);
    AdamW optimizer =
        AdamW.builder()
            .lr(0.1)
            .weightDecay(0.1)
            .withoutGradient(WithoutGradient.DECAY)
            .add(parameters)
            .build();
    assertThat(optimizer.parameters()).containsOnlyKeys("matrix");
    parameters.get("matrix").setTrainable(false);
    optimizer.step(gradients(parameters, 0, true), 1, 1);
    assertThat(values(parameters)).isEqualTo(values(parameters(DType.F32)));
    assertThatThrownBy(() -> AdamW.of(parameters, 0.1)).hasMessageContaining("frozen");
    parameters.get("matrix").setTrainable(true);
    assertThatThrownBy(() -> AdamW.builder().add(parameters).add(parameters).build())
        .hasMessageContaining("matrix is in two groups");
  }

  @Test
  void accumulationAddsInOrder() {
    Gradients sum = new Gradients();
    Parameter matrix = parameters.get("matrix");
    for (int t = 0; t < 3; t++) {
      try (Scope pass = Scope.open()) {
        Gradients g = matrix.value().mul(gradient(t, 3, 17)).sum().backward();
        GradientSum.add(sum, g, pass);
      }
    }
    Tensor expectedSum = gradient(0, 3, 17).add(gradient(1, 3, 17)).add(gradient(2, 3, 17));
    assertThat(sum.get(matrix.value()).toFloats()).isEqualTo(expectedSum.toFloats());
  }
}
