package dev.theriac.moe.medmoe.train;

import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.nn.Parameter;
import dev.theriac.optim.AdamW;
import dev.theriac.optim.LearningRate;
import dev.theriac.optim.Untouched;
import dev.theriac.train.Checkpoints;
import dev.theriac.train.StepReport;
import dev.theriac.train.Trainer;
import dev.theriac.train.TrainingListener;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/** Runs one {@link Stage} on a model, which it changes in place. */
public final class StageTrainer {
  private final Stage stage;
  private final MedMoe model;
  private final Dataset data;
  private final List<TrainingListener> listeners = new ArrayList<>();
  private StageOptions options;
  private Checkpoints checkpoints;
  private long every;
  private ToDoubleFunction<MedMoe> score;
  private boolean denseTwin;
  private Untouched untouched = Untouched.STEP;

  StageTrainer(Stage stage, MedMoe model, Dataset data) {
    if (data.size() == 0) throw new IllegalArgumentException(stage + ": the data set is empty");
    this.stage = stage;
    this.model = model;
    this.data = data;
    options = StageOptions.published(stage);
  }

  public StageTrainer options(StageOptions wanted) {
    options = wanted;
    return this;
  }

  public StageTrainer onProgress(TrainingListener listener) {
    listeners.add(listener);
    return this;
  }

  /** Writes a checkpoint every {@code steps} steps and resumes from the newest one there. */
  public StageTrainer checkpoints(Checkpoints where, long steps) {
    checkpoints = where;
    every = steps;
    return this;
  }

  /**
   * Quality on held-out data, higher is better, measured at each checkpoint; when the stage ends
   * the model holds the parameters of the checkpoint that scored highest.
   */
  public StageTrainer score(ToDoubleFunction<MedMoe> quality) {
    score = quality;
    return this;
  }

  /**
   * What the optimiser does with experts that saw no token in a step; {@link Untouched#STEP}, as
   * published. {@link StepReport#update} counts them for the others.
   */
  public StageTrainer untouched(Untouched value) {
    untouched = value;
    return this;
  }

  /** Allows {@link Stage#MOE} on a dense model: the same stage without experts, to compare with. */
  public StageTrainer denseTwin() {
    denseTwin = true;
    return this;
  }

  /** What this stage would train, and what it would not. */
  public StagePlan plan() {
    var trained = stage.trained(options);
    SequencedMap<String, Parameter> in = new LinkedHashMap<>();
    SequencedMap<String, Parameter> out = new LinkedHashMap<>();
    model.parameters().forEach((path, p) -> (trained.test(path) ? in : out).put(path, p));
    return StagePlan.of(stage, options.stepsFor(data.size()), in, out);
  }

  public StageResult run() {
    boolean mixture = model.moe() != null;
    if (mixture != (stage == Stage.MOE) && !(denseTwin && !mixture)) {
      throw new IllegalStateException(
          stage == Stage.MOE
              ? "MOE: the model is dense; call upcycle first"
              : stage + ": the model has experts already");
    }
    long begin = System.nanoTime();
    model.train(stage.trained(options));
    List<StepReport> reports = new ArrayList<>();
    long trainable =
        model.parameters().values().stream()
            .filter(Parameter::trainable)
            .mapToLong(p -> p.value().size())
            .sum();
    model.train(true);
    int steps = options.stepsFor(data.size());
    try (AdamW optimizer =
        AdamW.builder()
            .lr(options.learningRate())
            .betas(0.9, options.beta2())
            .weightDecay(options.weightDecay())
            .untouched(untouched)
            .add(model.parameters())
            .build()) {
      StageTask task = new StageTask(stage, model, data, options, score);
      Trainer trainer =
          Trainer.of(model, task, optimizer, steps)
              .schedule(LearningRate.cosine(steps, options.warmUp()))
              .microBatches(options.microBatches())
              .clip(options.clip())
              .config(description());
      if (checkpoints != null) trainer.checkpoints(checkpoints, every);
      trainer.listener(
          new TrainingListener() {
            @Override
            public void onStep(StepReport report) {
              reports.add(report);
            }
          });
      listeners.forEach(trainer::listener);
      trainer.run();
    } finally {
      model.train(false);
    }
    if (score != null && checkpoints != null) checkpoints.best().ifPresent(this::takeOver);
    return new StageResult(stage, reports, trainable, (System.nanoTime() - begin) * 1e-9);
  }

  private String description() {
    String all = stage + " " + options + " on " + data.size() + " samples";
    return untouched == Untouched.STEP ? all : all + ", untouched experts: " + untouched;
  }

  private void takeOver(Checkpoints.Found best) {
    Map<String, Parameter> parameters = model.parameters();
    best.checkpoint()
        .model()
        .forEach((path, value) -> {
          Parameter p = parameters.get(path);
          p.set(value.to(p.device()));
        });
  }
}
