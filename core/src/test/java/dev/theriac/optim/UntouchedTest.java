package dev.theriac.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.io.SafeTensors;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.Checkpoint;
import dev.theriac.train.Checkpoints;
import dev.theriac.train.StepReport;
import dev.theriac.train.Trainer;
import dev.theriac.train.TrainingListener;
import dev.theriac.train.TrainingTask;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Slices of stacked parameters that no gradient reached. */
class UntouchedTest {
  private static final int SLICES = 5;
  private static final int ROWS = 3;
  private static final int COLUMNS = 7;
  private static final int PER = ROWS * COLUMNS;

  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static Stream<Backend> backends() {
    return Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct();
  }

  private static Tensor start() {
    return Tensor.randn(new Rng(1), 1, SLICES, ROWS, COLUMNS);
  }

  /** Slice e is touched at step t unless 3 divides e + t; slice 4 only at step 1. */
  private static boolean touched(int e, int t) {
    return e == 4 ? t == 1 : (e + t) % 3 != 0;
  }

  private static Tensor gradient(int t) {
    float[] values = Tensor.randn(new Rng(50 + t), 1, SLICES, ROWS, COLUMNS).toFloats();
    for (int e = 0; e < SLICES; e++) {
      if (!touched(e, t)) Arrays.fill(values, e * PER, (e + 1) * PER, 0);
    }
    return Tensor.of(values, SLICES, ROWS, COLUMNS);
  }

  private static StepSummary step(Optimizer optimizer, Parameter p, Tensor gradient) {
    Gradients g = new Gradients();
    g.put(p.value(), gradient);
    return optimizer.step(g, 1, 1);
  }

  private static AdamW adam(Parameter p, Untouched untouched) {
    return AdamW.builder()
        .lr(0.05)
        .weightDecay(0.1)
        .untouched(untouched)
        .add(Map.of("w", p))
        .build();
  }

  private static Sgd sgd(Parameter p, Untouched untouched) {
    var group = new ParameterGroup(Map.of("w", p), 0.1, 0);
    return new Sgd(List.of(group), 0.9, WithoutGradient.SKIP, untouched);
  }

  @ParameterizedTest
  @EnumSource
  void momentumMovesAnUntouchedSliceOnlyUnderStep(Untouched untouched) {
    Parameter p = Parameter.stacked(start());
    try (Sgd optimizer = sgd(p, untouched)) {
      step(optimizer, p, Tensor.ones(SLICES, ROWS, COLUMNS));
      float[] before = p.value().toFloats();
      StepSummary summary = step(optimizer, p, Tensor.zeros(SLICES, ROWS, COLUMNS));
      if (untouched == Untouched.STEP) {
        // v = 0.9 * 1, w -= 0.1 * 0.9
        float[] after = p.value().toFloats();
        for (int i = 0; i < after.length; i++) {
          assertThat(after[i]).isCloseTo(before[i] - 0.09f, within(1e-6f));
        }
      } else {
        assertThat(p.value().toFloats()).isEqualTo(before);
      }
      assertThat(summary)
          .isEqualTo(new StepSummary(SLICES, untouched == Untouched.STEP ? 0 : SLICES));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void skippedSlicesAreAsIfTheStepHadNotBeen(Backend backend) {
    for (DType dtype : List.of(DType.F32, DType.BF16)) {
      Parameter all = Parameter.stacked(start().to(dtype));
      List<Parameter> each = new ArrayList<>();
      List<AdamW> optimizers = new ArrayList<>();
      for (int e = 0; e < SLICES; e++) {
        each.add(new Parameter(start().to(dtype).select(0, e).contiguous()));
        optimizers.add(adam(each.get(e), Untouched.STEP));
      }
      Backends.with(
          backend,
          () -> {
            try (AdamW optimizer = adam(all, Untouched.SKIP)) {
              for (int t = 0; t < 8; t++) {
                Tensor g = gradient(t);
                int left = 0;
                for (int e = 0; e < SLICES; e++) {
                  if (touched(e, t)) step(optimizers.get(e), each.get(e), g.select(0, e));
                  else left++;
                }
                assertThat(step(optimizer, all, g)).isEqualTo(new StepSummary(SLICES, left));
              }
            }
            return null;
          });
      for (int e = 0; e < SLICES; e++) {
        assertThat(all.value().select(0, e).toFloats())
            .as("slice %d, %s", e, dtype)
            .isEqualTo(each.get(e).value().toFloats());
        optimizers.get(e).close();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void decayMultipliesAndLeavesMomentsAlone(Backend backend) {
    Parameter p = Parameter.stacked(start());
    Backends.with(
        backend,
        () -> {
          try (AdamW optimizer = adam(p, Untouched.DECAY)) {
            step(optimizer, p, gradient(1));
            Map<String, Tensor> state = optimizer.state();
            float[] m = state.get("m.w").toFloats();
            float[] v = state.get("v.w").toFloats();
            float[] before = p.value().toFloats();
            step(optimizer, p, Tensor.zeros(SLICES, ROWS, COLUMNS));
            float[] after = p.value().toFloats();
            for (int i = 0; i < after.length; i++) {
              assertThat((double) after[i])
                  .isCloseTo(before[i] * (1 - 0.05 * 0.1), within(2e-7 * Math.abs(before[i])));
            }
            assertThat(state.get("m.w").toFloats()).isEqualTo(m);
            assertThat(state.get("v.w").toFloats()).isEqualTo(v);
            assertThat(optimizer.state().get("steps.w").toLongs()).containsExactly(1, 1, 0, 1, 1);
          }
          return null;
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void stepIsThePlainRule(Backend backend) {
    Parameter stacked = Parameter.stacked(start());
    Parameter plain = new Parameter(start());
    Backends.with(
        backend,
        () -> {
          try (AdamW a = adam(stacked, Untouched.STEP);
              AdamW b = adam(plain, Untouched.SKIP)) {
            for (int t = 0; t < 5; t++) {
              assertThat(step(a, stacked, gradient(t))).isEqualTo(new StepSummary(SLICES, 0));
              assertThat(step(b, plain, gradient(t))).isEqualTo(new StepSummary(0, 0));
            }
            assertThat(a.state().get("steps.w").toLongs()).containsExactly(5);
          }
          return null;
        });
    assertThat(stacked.value().toFloats()).isEqualTo(plain.value().toFloats());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void negativeZerosAreZerosAndNaNAndDenormalsAreNot(Backend backend) {
    for (int at : new int[] {0, 1, 3, 6}) {
      float[] x = new float[4 * COLUMNS];
      x[at] = -0f;
      x[COLUMNS + at] = Float.NaN;
      x[2 * COLUMNS + at] = Float.MIN_VALUE;
      x[3 * COLUMNS + at] = -Float.MIN_VALUE;
      boolean[] out = new boolean[4];
      backend.optim().nonZero(Tensor.of(x, 4, COLUMNS).strided(), out);
      assertThat(out).as("at %d", at).containsExactly(false, true, true, true);
    }
  }

  @Test
  void withoutAnyGradientEverySliceCounts() {
    Parameter p = Parameter.stacked(start());
    float[] before = p.value().toFloats();
    try (AdamW optimizer = adam(p, Untouched.SKIP)) {
      assertThat(optimizer.step(new Gradients(), 1, 1)).isEqualTo(new StepSummary(SLICES, SLICES));
    }
    assertThat(p.value().toFloats()).isEqualTo(before);
  }

  @Test
  void stackedBiasesDecayNoMoreThanPlainOnes() {
    Parameter p = Parameter.stacked(Tensor.ones(SLICES, COLUMNS));
    Parameter matrices = Parameter.stacked(Tensor.ones(SLICES, 2, COLUMNS));
    try (AdamW optimizer =
        AdamW.builder()
            .lr(0.05)
            .weightDecay(0.1)
            .add(Map.of("bias", p))
            .add(Map.of("weight", matrices))
            .build()) {
      Gradients g = new Gradients();
      g.put(p.value(), Tensor.zeros(SLICES, COLUMNS));
      g.put(matrices.value(), Tensor.zeros(SLICES, 2, COLUMNS));
      optimizer.step(g, 1, 1);
    }
    assertThat(p.value().toFloats()).containsOnly(1);
    assertThat(matrices.value().toFloats()).containsOnly((float) (1 - 0.005));
  }

  @Test
  void countsOfEachSliceAreSavedAndOlderOnesAreRead() {
    Parameter p = Parameter.stacked(start());
    Parameter q = Parameter.stacked(start());
    Parameter plain = new Parameter(start());
    try (AdamW one = adam(p, Untouched.SKIP);
        AdamW two = adam(q, Untouched.SKIP);
        AdamW other = adam(plain, Untouched.SKIP)) {
      for (int t = 0; t < 3; t++) step(one, p, gradient(t));
      assertThat(one.state().get("steps.w").toLongs()).containsExactly(2, 2, 2, 2, 1);
      q.set(p.value().add(0));
      two.load(one.state());
      step(one, p, gradient(3));
      step(two, q, gradient(3));
      assertThat(q.value().toFloats()).isEqualTo(p.value().toFloats());
      assertThatThrownBy(() -> other.load(one.state())).hasMessageContaining("steps.w");

      Map<String, Tensor> old = new LinkedHashMap<>(one.state());
      old.put("steps.w", Tensor.of(new long[] {9}));
      two.load(old);
      step(two, q, gradient(1));
      assertThat(two.state().get("steps.w").toLongs()).containsExactly(10, 10, 9, 10, 10);
      old.put("steps.w", Tensor.of(new long[] {9, 9}));
      assertThatThrownBy(() -> two.load(old)).hasMessageContaining("steps.w");
    }
  }

  @Test
  void checkpointsOfTheFirstVersionAreRead() {
    for (String version : new String[] {"1", "2", "3"}) {
      Path file = dir.resolve("version" + version);
      SafeTensors.writeChecked(
          file,
          Map.of("model.w", start()),
          Map.of("format", "theriac-checkpoint-" + version, "step", "7"));
      if (version.equals("3")) {
        assertThatThrownBy(() -> Checkpoint.read(file)).hasMessageContaining("checkpoint-3");
      } else {
        assertThat(Checkpoint.read(file).step()).isEqualTo(7);
      }
    }
  }

  /** One weight for each expert. */
  private static final class Net extends Module {
    final Parameter w = parameter("experts", Parameter.stacked(start()));
  }

  /** Micro-batch m of step t reaches expert t % 3 + m. */
  private record Task(Net net) implements TrainingTask {
    @Override
    public Tensor loss(long step, int microBatch) {
      Tensor mine = net.w.value().select(0, step % 3 + microBatch);
      Tensor target = Tensor.randn(new Rng(step, microBatch, 0), 1, ROWS, COLUMNS);
      Tensor error = mine.sub(target);
      return error.mul(error).sum();
    }
  }

  private List<StepReport> run(Path where, long steps) {
    List<StepReport> reports = new ArrayList<>();
    Net net = new Net();
    try (AdamW optimizer = adam(net.w, Untouched.SKIP)) {
      Trainer.of(net, new Task(net), optimizer, steps)
          .microBatches(2)
          .clip(0.5)
          .checkpoints(new Checkpoints(where, 9), 4)
          .listener(
              new TrainingListener() {
                @Override
                public void onStep(StepReport report) {
                  reports.add(report);
                }
              })
          .run();
    }
    return reports;
  }

  @Test
  void accumulationClippingAndResumingKeepTheContract() throws IOException {
    int threads = Workers.threads();
    try {
      List<byte[]> ends = new ArrayList<>();
      for (int count : new int[] {1, 2, 7}) {
        Workers.setThreads(count);
        Path whole = dir.resolve("whole" + count);
        List<StepReport> reports = run(whole, 8);
        // Two of five experts are reached in each step, one by each micro-batch.
        assertThat(reports).hasSize(8).allMatch(r -> r.update().equals(new StepSummary(SLICES, 3)));
        ends.add(Files.readAllBytes(whole.resolve("checkpoint-00000008.safetensors")));
        Path stopped = dir.resolve("stopped" + count);
        Files.createDirectories(stopped);
        Files.copy(
            whole.resolve("checkpoint-00000004.safetensors"),
            stopped.resolve("checkpoint-00000004.safetensors"));
        run(stopped, 8);
        ends.add(Files.readAllBytes(stopped.resolve("checkpoint-00000008.safetensors")));
      }
      for (byte[] end : ends) assertThat(end).isEqualTo(ends.getFirst());
    } finally {
      Workers.setThreads(threads);
    }
  }

  /** No gradient at all is WithoutGradient's matter: DECAY then applies no weight decay. */
  @ParameterizedTest
  @EnumSource
  void withoutAnyGradientWithoutGradientDecides(Untouched untouched) {
    Parameter p = Parameter.stacked(start());
    float[] before = p.value().toFloats();
    try (AdamW optimizer = adam(p, untouched)) {
      assertThat(optimizer.step(new Gradients(), 1, 1))
          .isEqualTo(new StepSummary(SLICES, untouched == Untouched.STEP ? 0 : SLICES));
      assertThat(p.value().toFloats()).isEqualTo(before);
    }
    var group = new ParameterGroup(Map.of("w", p), 0.1, 0.5);
    try (Sgd optimizer = new Sgd(List.of(group), 0, WithoutGradient.DECAY, untouched)) {
      assertThat(optimizer.step(new Gradients(), 1, 1))
          .isEqualTo(new StepSummary(SLICES, untouched == Untouched.STEP ? 0 : SLICES));
      float[] after = p.value().toFloats();
      float factor = untouched == Untouched.SKIP ? 1 : 0.95f;
      for (int i = 0; i < after.length; i++) {
        assertThat(after[i]).isCloseTo(factor * before[i], within(1e-6f));
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aPolicyThatIsNotPyTorchsIsSaidOnce(Untouched untouched) {
    List<String> said = new ArrayList<>();
    Handler handler =
        new Handler() {
          @Override
          public void publish(LogRecord line) {
            if (line.getLevel() == Level.INFO) said.add(Arrays.toString(line.getParameters()));
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("dev.theriac.optim");
    logger.addHandler(handler);
    Parameter p = Parameter.stacked(start());
    Parameter plain = new Parameter(start());
    try (AdamW optimizer = adam(p, untouched);
        AdamW _ = adam(plain, untouched)) {
      step(optimizer, p, gradient(0));
      step(optimizer, p, gradient(1));
    } finally {
      logger.removeHandler(handler);
    }
    if (untouched == Untouched.STEP) assertThat(said).isEmpty();
    else assertThat(said).singleElement().asString().contains(untouched.name());
  }
}
