package dev.theriac.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TrainerTest {
  @TempDir Path dir;

  private static TinyRun.Task task() {
    return new TinyRun.Task(new TinyRun.Net(16, 0));
  }

  private static List<String> names(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  private static byte[] last(Path directory, long step) throws IOException {
    return Files.readAllBytes(directory.resolve("checkpoint-%08d.safetensors".formatted(step)));
  }

  /** Collects what a run tells. */
  private static final class Log implements TrainingListener {
    final List<StepReport> steps = new ArrayList<>();
    final List<String> events = new ArrayList<>();

    @Override
    public void onStart(long step, long all, Path from) {
      events.add("start %d of %d%s".formatted(step, all, from == null ? "" : " resumed"));
    }

    @Override
    public void onStep(StepReport report) {
      steps.add(report);
    }

    @Override
    public void onCheckpoint(long step, Path file, OptionalDouble score, boolean best) {
      assertThat(file).exists();
      events.add(
          "checkpoint %d score %s%s".formatted(step, score.getAsDouble(), best ? " best" : ""));
    }
  }

  @Test
  void learnsAndReports() throws IOException {
    Log log = new Log();
    TinyRun.trainer(task(), dir, 40, 10).listener(log).run();
    assertThat(log.steps).hasSize(40);
    StepReport first = log.steps.getFirst();
    assertThat(first.step()).isEqualTo(1);
    assertThat(first.steps()).isEqualTo(40);
    assertThat(first.lr()).isZero();
    assertThat(log.steps.get(8).lr()).isEqualTo(0.01);
    assertThat(first.tokens()).isEqualTo(2 * 51);
    assertThat(first.gradNorm()).isPositive();
    assertThat(first.seconds()).isPositive();
    assertThat(first.loss()).isGreaterThan(3.5);
    assertThat(log.steps.getLast().loss()).isLessThan(0.6 * first.loss());
    assertThat(log.events)
        .containsExactly(
            "start 0 of 40",
            "checkpoint 10 score -10.0 best",
            "checkpoint 20 score -20.0",
            "checkpoint 30 score -30.0",
            "checkpoint 40 score -40.0");
    assertThat(names(dir))
        .containsExactly(
            "best.safetensors",
            "checkpoint-00000030.safetensors",
            "checkpoint-00000040.safetensors");
  }

  @Test
  void aResumedRunEndsWithTheSameBits() throws IOException {
    Path whole = dir.resolve("whole");
    Path parts = dir.resolve("parts");
    Log wholeLog = new Log();
    TinyRun.trainer(task(), whole, 9, 2).listener(wholeLog).run();

    List<StepReport> seen = new ArrayList<>();
    for (long stop : new long[] {3, 4, 7, 9}) {
      // The run is broken off by an exception after a step, as if it were killed there.
      Log log = new Log();
      Trainer trainer = TinyRun.trainer(task(), parts, 9, 2).listener(log);
      trainer.listener(
          new TrainingListener() {
            @Override
            public void onStep(StepReport report) {
              if (report.step() == stop && stop < 9) throw new IllegalStateException("cut");
            }
          });
      if (stop < 9) assertThatThrownBy(trainer::run).hasMessage("cut");
      else trainer.run();
      seen.addAll(log.steps);
    }
    assertThat(last(parts, 9)).isEqualTo(last(whole, 9));
    assertThat(Files.readAllBytes(parts.resolve("best.safetensors")))
        .isEqualTo(Files.readAllBytes(whole.resolve("best.safetensors")));
    assertThat(names(parts)).isEqualTo(names(whole));
    for (StepReport report : seen) {
      StepReport same = wholeLog.steps.get((int) report.step() - 1);
      assertThat(report.loss()).isEqualTo(same.loss());
      assertThat(report.gradNorm()).isEqualTo(same.gradNorm());
    }
    Log again = new Log();
    TinyRun.trainer(task(), parts, 9, 2).listener(again).run();
    assertThat(again.events).containsExactly("start 9 of 9 resumed");
    assertThat(again.steps).isEmpty();
  }

  static Stream<Backend> backends() {
    return Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void anyNumberOfThreadsGivesTheSameBits(Backend backend) throws IOException {
    int before = Workers.threads();
    byte[] expected = null;
    try {
      for (int repeat = 0; repeat < 2; repeat++) {
        for (int threads : new int[] {1, 2, 3, 7}) {
          Workers.setThreads(threads);
          Path run = dir.resolve(threads + "-" + repeat);
          TinyRun.Task task = new TinyRun.Task(new TinyRun.Net(128, 1000));
          Backends.with(
              backend,
              () -> {
                TinyRun.trainer(task, run, 2, 2).run();
                return null;
              });
          byte[] bytes = last(run, 2);
          if (expected == null) expected = bytes;
          assertThat(java.util.Arrays.equals(bytes, expected))
              .as("%s, %d threads, run %d", backend.name(), threads, repeat)
              .isTrue();
        }
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  @Test
  void aNanLossStopsTheRunAndKeepsTheLastGoodCheckpoint() throws IOException {
    TinyRun.Task task = task();
    task.nanAt = 6;
    assertThatThrownBy(() -> TinyRun.trainer(task, dir, 10, 2).run())
        .isInstanceOfSatisfying(
            TrainingException.class,
            e -> {
              assertThat(e.step()).isEqualTo(7);
              assertThat(e.lastGood()).contains(dir.resolve("checkpoint-00000006.safetensors"));
            })
        .hasMessageContainingAll(
            "step 7 of 10", "micro-batch 0 is NaN", "of step 6", "checkpoint-00000006");
    // Going on with sound data ends as if nothing had happened.
    TinyRun.trainer(task(), dir, 10, 2).run();
    Path whole = dir.resolve("whole");
    TinyRun.trainer(task(), whole, 10, 2).run();
    assertThat(last(dir, 10)).isEqualTo(last(whole, 10));
  }

  @Test
  void aNanLossBeforeTheFirstCheckpointSaysSo() {
    TinyRun.Task task = task();
    task.nanAt = 0;
    assertThatThrownBy(() -> TinyRun.trainer(task, dir, 10, 2).run())
        .hasMessageContainingAll("step 1 of 10", "no checkpoint");
  }

  @Test
  void aDamagedParameterIsNotSaved() {
    TinyRun.Task task = task();
    Trainer trainer = TinyRun.trainer(task, dir, 6, 2);
    trainer.listener(
        new TrainingListener() {
          @Override
          public void onStep(StepReport report) {
            if (report.step() != 4) return;
            Tensor w = task.net.embedding.weight().value();
            dev.theriac.tensor.Host.setFloat(w.strided().address(), Float.POSITIVE_INFINITY);
          }
        });
    assertThatThrownBy(trainer::run)
        .hasMessageContainingAll("step 4 of 6", "embedding.weight", "of step 2, is kept");
  }

  @Test
  void theNewestWholeCheckpointIsTaken() throws IOException {
    TinyRun.trainer(task(), dir, 6, 2).run();
    byte[] good = last(dir, 6);
    Path newest = dir.resolve("checkpoint-00000006.safetensors");
    for (int damage = 0; damage < 3; damage++) {
      byte[] bad = good.clone();
      if (damage == 0) bad[good.length - 100] ^= 4;
      if (damage == 1) bad = java.util.Arrays.copyOf(bad, bad.length / 2);
      if (damage == 2) bad = new byte[0];
      Files.write(newest, bad);
      Files.write(dir.resolve(".checkpoint-00000008.safetensors.1-1.tmp"), bad);
      Log log = new Log();
      TinyRun.trainer(task(), dir, 6, 2).listener(log).run();
      assertThat(log.events.getFirst()).isEqualTo("start 4 of 6 resumed");
      assertThat(last(dir, 6)).isEqualTo(good);
      assertThat(names(dir))
          .containsExactly(
              "best.safetensors",
              "checkpoint-00000004.safetensors",
              "checkpoint-00000006.safetensors",
              "checkpoint-00000006.safetensors.damaged");
    }
  }

  @Test
  void anotherModelOrConfigurationIsRefused() {
    TinyRun.trainer(task(), dir, 2, 2).run();
    assertThatThrownBy(() -> TinyRun.trainer(task(), dir, 4, 2).config("{}").run())
        .hasMessageContainingAll("another configuration", "{\"dim\": 16}");
    assertThatThrownBy(() -> TinyRun.trainer(task(), dir, 1, 1).run())
        .hasMessageContainingAll("is of step 2", "ends at 1");
    TinyRun.Task wide = new TinyRun.Task(new TinyRun.Net(32, 0));
    assertThatThrownBy(() -> TinyRun.trainer(wide, dir, 4, 2).run())
        .hasMessageContainingAll("embedding.weight", "F32[61, 16]", "F32[61, 32]");
    TinyRun.Task more = new TinyRun.Task(new TinyRun.Net(16, 100));
    assertThatThrownBy(() -> TinyRun.trainer(more, dir, 4, 2).run())
        .hasMessageContainingAll("lacks", "ballast.weight");
    TinyRun.Task other = task();
    other.net.head.weight().set(other.net.head.weight().value().to(DType.F32));
    assertThatThrownBy(() -> TinyRun.trainer(other, dir, 4, 2).run())
        .hasMessageContainingAll("head.weight", "BF16", "F32");
  }

  @Test
  void checkpointsCanLeaveOutWhatIsFrozen() {
    TinyRun.trainer(task(), dir, 2, 2).saveFrozen(false).run();
    Checkpoints checkpoints = new Checkpoints(dir, 2);
    assertThat(checkpoints.latest().orElseThrow().checkpoint().model())
        .containsKey("norm1.weight")
        .doesNotContainKey("norm2.weight");
    TinyRun.Task task = task();
    TinyRun.trainer(task, dir, 4, 2).saveFrozen(false).run();
    assertThat(checkpoints.latest().orElseThrow().checkpoint().step()).isEqualTo(4);
  }

  @Test
  void anUnwritableDirectoryStopsTheRunWithStepAndFile() throws IOException {
    Path file = Files.writeString(dir.resolve("file"), "x");
    assertThatThrownBy(() -> TinyRun.trainer(task(), file.resolve("run"), 2, 1).run())
        .isInstanceOf(TrainingException.class)
        .hasMessageContainingAll("step 1 of 2", "checkpoint-00000001", "Not a directory");
  }

  @Test
  void stepsLeaveNoMemoryBehind() throws InterruptedException {
    TinyRun.Task task = task();
    long[] live = new long[30];
    settle();
    TinyRun.trainer(task, dir, live.length, 100)
        .listener(
            new TrainingListener() {
              @Override
              public void onStep(StepReport report) {
                live[(int) report.step() - 1] = Memory.stats().liveBlocks();
              }
            })
        .run();
    // Fewer: the collector freed what another test had lost. Any block that a step leaves counts
    // 28.
    assertThat(live[live.length - 1]).isLessThanOrEqualTo(live[1]);
  }

  /** Waits until the collector frees no more of what other tests of this process lost. */
  private static void settle() throws InterruptedException {
    int quiet = 0;
    for (int i = 0; i < 100 && quiet < 3; i++) {
      long before = Memory.stats().liveBlocks();
      System.gc();
      Thread.sleep(20);
      quiet = Memory.stats().liveBlocks() == before ? quiet + 1 : 0;
    }
  }
}
