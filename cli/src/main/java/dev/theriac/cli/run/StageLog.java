package dev.theriac.cli.run;

import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.result.MetricsLog;
import dev.theriac.cli.result.StepMetrics;
import dev.theriac.train.StepReport;
import dev.theriac.train.TrainingListener;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/** Shows and logs the steps of one stage. */
final class StageLog implements TrainingListener {
  private final String stage;
  private final Progress progress;
  private final MetricsLog log;
  private final List<StepMetrics> before;
  private final Runnable onCheckpoint;
  private double seconds;

  /** The last step, not yet logged since its validation may follow. */
  private StepMetrics pending;

  /**
   * @param before what the log held when the run was started
   * @param onCheckpoint run after each checkpoint
   */
  StageLog(
      String stage,
      Progress progress,
      MetricsLog log,
      List<StepMetrics> before,
      Runnable onCheckpoint) {
    this.stage = stage;
    this.progress = progress;
    this.log = log;
    this.before = before;
    this.onCheckpoint = onCheckpoint;
  }

  @Override
  public void onStart(long step, long steps, Path from) {
    seconds =
        before.stream()
            .filter(m -> m.stage().equals(stage) && m.step() <= step)
            .mapToDouble(StepMetrics::seconds)
            .max()
            .orElse(0);
    if (step > 0) {
      String how = step == steps ? "was finished before" : "goes on after step " + step;
      progress.note(stage + " " + how);
    }
    if (step < steps) progress.start(stage, step, steps);
  }

  @Override
  public void onStep(StepReport report) {
    flush();
    seconds += report.seconds();
    double speed = report.tokens() / report.seconds();
    pending =
        new StepMetrics(
            stage,
            report.step(),
            report.steps(),
            seconds,
            report.loss(),
            report.lr(),
            report.gradNorm(),
            speed,
            null,
            report.update().slices() == 0 ? null : report.update().untouched());
    progress.step(report.step(), report.loss(), speed);
  }

  @Override
  public void onCheckpoint(long step, Path file, OptionalDouble score, boolean best) {
    if (score.isPresent() && pending != null) {
      StepMetrics m = pending;
      pending =
          new StepMetrics(
              m.stage(),
              m.step(),
              m.steps(),
              m.seconds(),
              m.loss(),
              m.learningRate(),
              m.gradNorm(),
              m.tokensPerSecond(),
              score.getAsDouble(),
              m.untouched());
      progress.note(
          String.format(
              Locale.ROOT,
              "%s step %d: validation %.3f%s",
              stage,
              step,
              score.getAsDouble(),
              best ? ", the best so far" : ""));
    }
    flush();
    onCheckpoint.run();
  }

  /** Writes what is left; to be called when the stage is over. */
  void flush() {
    if (pending != null) {
      log.add(pending);
      pending = null;
    }
  }
}
