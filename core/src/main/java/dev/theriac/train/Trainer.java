package dev.theriac.train;

import dev.theriac.io.FileException;
import dev.theriac.nn.Module;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.Stochastic;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.optim.Clip;
import dev.theriac.optim.GradientSum;
import dev.theriac.optim.LearningRate;
import dev.theriac.optim.Optimizer;
import dev.theriac.optim.StepSummary;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * The training loop: micro-batches, accumulation, clipping, schedule, update, checkpoints. With
 * {@link Checkpoints} a run that was stopped anywhere, by a kill too, goes on from the newest whole
 * checkpoint and ends with the same bits as if it had never stopped, for any number of threads.
 *
 * <pre>{@code
 * Trainer.of(model, task, AdamW.of(model.parameters(), 2e-5), steps)
 *     .schedule(LearningRate.cosine(steps, 0.03))
 *     .checkpoints(new Checkpoints(dir, 2), 100)
 *     .listener(progress)
 *     .run();
 * }</pre>
 */
public final class Trainer {
  private static final String TASK = "task.";
  private static final String DROPOUT = "dropout.";

  private final Module model;
  private final TrainingTask task;
  private final Optimizer optimizer;
  private final long steps;
  private final List<TrainingListener> listeners = new ArrayList<>();
  private LearningRate schedule = LearningRate.constant();
  private int microBatches = 1;
  private double maxNorm = 1;
  private Checkpoints checkpoints;
  private long every = 1;
  private String config = "";
  private boolean saveFrozen = true;
  private Path lastGood;
  private long lastGoodStep;

  private Trainer(Module model, TrainingTask task, Optimizer optimizer, long steps) {
    if (steps < 0) throw new IllegalArgumentException("trainer: " + steps + " steps");
    this.model = model;
    this.task = task;
    this.optimizer = optimizer;
    this.steps = steps;
  }

  /**
   * A trainer with defaults: constant learning rate, one micro-batch a step, gradients clipped to a
   * norm of 1, no checkpoints.
   *
   * @param steps optimiser steps in all, those done before a resume included
   */
  public static Trainer of(Module model, TrainingTask task, Optimizer optimizer, long steps) {
    return new Trainer(model, task, optimizer, steps);
  }

  public Trainer schedule(LearningRate value) {
    schedule = value;
    return this;
  }

  /** Passes whose gradients are accumulated for one update; 1. */
  public Trainer microBatches(int value) {
    if (value < 1) throw new IllegalArgumentException("trainer: " + value + " micro-batches");
    microBatches = value;
    return this;
  }

  /** Bound on the global norm of the gradients; 1. Infinity means none. */
  public Trainer clip(double value) {
    if (!(value > 0)) {
      throw new IllegalArgumentException(
          "trainer: clip %s; give a positive bound, or infinity for none".formatted(value));
    }
    maxNorm = value;
    return this;
  }

  /**
   * Writes a checkpoint after every {@code interval} steps and after the last, and starts from the
   * newest one that is there.
   */
  public Trainer checkpoints(Checkpoints where, long interval) {
    if (interval < 1) {
      throw new IllegalArgumentException(
          "trainer: a checkpoint every %d steps; need 1 or more".formatted(interval));
    }
    checkpoints = where;
    every = interval;
    return this;
  }

  /**
   * The configuration, as any text, stored in checkpoints: resuming with another is refused,
   * because the result would be that of neither.
   */
  public Trainer config(String text) {
    config = text;
    return this;
  }

  /**
   * Whether checkpoints hold frozen parameters too; true. Without them, checkpoints are small, but
   * whoever resumes must load the same frozen weights first.
   */
  public Trainer saveFrozen(boolean value) {
    saveFrozen = value;
    return this;
  }

  public Trainer listener(TrainingListener listener) {
    listeners.add(listener);
    return this;
  }

  /**
   * Trains up to the last step.
   *
   * @throws TrainingException when a loss, the gradients or a parameter become NaN or infinite
   *     (that step is not taken, or not saved), or a checkpoint cannot be written; says at which
   *     step, and the last good checkpoint is kept
   * @throws IllegalStateException when the newest checkpoint is of another configuration or model
   */
  public void run() {
    long done = resume();
    for (TrainingListener l : listeners) l.onStart(done, steps, lastGood);
    for (long t = done; t < steps; t++) {
      StepReport report = step(t);
      for (TrainingListener l : listeners) l.onStep(report);
      if (checkpoints != null && ((t + 1) % every == 0 || t + 1 == steps)) save(t + 1);
    }
  }

  private StepReport step(long t) {
    long begin = System.nanoTime();
    try (Scope _ = Scope.open()) {
      Gradients sum = new Gradients();
      double loss = 0;
      long tokens = 0;
      for (int m = 0; m < microBatches; m++) {
        try (Scope pass = Scope.open()) {
          Tensor value = task.loss(t, m);
          double weight = task.weight(t, m, microBatches);
          if (!Float.isFinite(value.item())) {
            throw stopped(t + 1, "the loss of micro-batch %d is %s".formatted(m, value.item()));
          }
          loss += weight * value.item();
          tokens += task.tokens();
          Tensor start = Tensor.full(value.device(), weight, value.dtype(), value.shape());
          GradientSum.add(sum, value.backward(start), pass);
        }
      }
      double norm = Clip.globalNorm(optimizer.parameters().values(), sum);
      if (!Double.isFinite(norm)) {
        throw stopped(t + 1, "the loss is %s, but the gradients' norm is %s".formatted(loss, norm));
      }
      double factor = schedule.factor(t);
      StepSummary update = optimizer.step(sum, factor, Clip.scale(norm, maxNorm));
      double seconds = (System.nanoTime() - begin) * 1e-9;
      double lr = optimizer.lr() * factor;
      return new StepReport(t + 1, steps, loss, lr, norm, tokens, seconds, update);
    }
  }

  private TrainingException stopped(long step, String why) {
    String remedy = "lower the learning rate or look at the data";
    return stopped(step, why, remedy, null);
  }

  private TrainingException stopped(long step, String why, String remedy, Exception cause) {
    String left =
        lastGood == null
            ? "no checkpoint was written yet"
            : "the last good checkpoint, of step %d, is kept: %s".formatted(lastGoodStep, lastGood);
    return new TrainingException(
        "training stopped at step %d of %d: %s; %s; %s".formatted(step, steps, why, left, remedy),
        step,
        lastGood,
        cause);
  }

  private void save(long step) {
    OptionalDouble score =
        Autograd.noGrad(() -> {
          try (Scope _ = Scope.open()) {
            return task.score(step);
          }
        });
    checkFinite(step);
    boolean best;
    try (Scope _ = Scope.open()) {
      lastGood = checkpoints.write(checkpoint(step, score));
      lastGoodStep = step;
      best = checkpoints.offer(lastGood, score);
    } catch (FileException e) {
      throw stopped(step, e.getMessage(), "start again to go on from there", e);
    }
    for (TrainingListener l : listeners) l.onCheckpoint(step, lastGood, score, best);
  }

  private Checkpoint checkpoint(long step, OptionalDouble score) {
    Map<String, Tensor> weights = new LinkedHashMap<>();
    saved().forEach((path, p) -> weights.put(path, p.value()));
    Map<String, String> state = new TreeMap<>();
    stochastic().forEach((path, d) -> state.put(DROPOUT + path, Long.toString(d.position())));
    task.state().forEach((key, value) -> state.put(TASK + key, value));
    return new Checkpoint(step, score, config, state, weights, optimizer.state());
  }

  /** A checkpoint with a NaN in it would replace good ones. */
  private void checkFinite(long step) {
    optimizer
        .parameters()
        .forEach((path, p) -> {
          Gradients values = new Gradients();
          values.put(p.value(), p.value());
          double norm = Clip.globalNorm(List.of(p), values);
          if (!Double.isFinite(norm)) {
            throw stopped(step, "parameter %s holds a NaN or infinity after it".formatted(path));
          }
        });
  }

  private Map<String, Parameter> saved() {
    Map<String, Parameter> out = new LinkedHashMap<>(model.parameters());
    if (!saveFrozen) out.values().removeIf(p -> !p.trainable() && !p.isBuffer());
    return out;
  }

  private Map<String, Stochastic> stochastic() {
    Map<String, Stochastic> out = new LinkedHashMap<>();
    model
        .modules()
        .forEach((path, m) -> {
          if (m instanceof Stochastic d) out.put(path, d);
        });
    return out;
  }

  private long resume() {
    if (checkpoints == null) return 0;
    Optional<Checkpoints.Found> found = checkpoints.latest();
    checkpoints.resumeAt(found.map(f -> f.checkpoint().step()).orElse(-1L));
    if (found.isEmpty()) return 0;
    Path file = found.get().file();
    Checkpoint c = found.get().checkpoint();
    if (!c.config().equals(config)) {
      throw new IllegalStateException(
          "%s is of another configuration: it has %s, this run %s; choose another directory"
              .formatted(file, c.config(), config));
    }
    if (c.step() > steps) {
      throw new IllegalStateException(
          "%s is of step %d, this run ends at %d".formatted(file, c.step(), steps));
    }
    restore(file, c);
    lastGood = file;
    lastGoodStep = c.step();
    checkpoints.offer(file, c.score());
    return c.step();
  }

  private void restore(Path file, Checkpoint c) {
    Map<String, Parameter> mine = saved();
    if (!mine.keySet().equals(c.model().keySet())) {
      List<String> other = new ArrayList<>(mine.keySet());
      other.removeAll(c.model().keySet());
      List<String> extra = new ArrayList<>(c.model().keySet());
      extra.removeAll(mine.keySet());
      throw new IllegalStateException(
          "%s is of another model: it lacks %s and has %s besides".formatted(file, other, extra));
    }
    mine.forEach((path, p) -> {
      Tensor t = c.model().get(path);
      Tensor have = p.value();
      if (t.dtype() != have.dtype() || !t.layout().sameShape(have.layout())) {
        throw new IllegalStateException(
            "%s is of another model: parameter %s is %s%s, here %s%s"
                .formatted(file, path, t.dtype(), t.layout(), have.dtype(), have.layout()));
      }
    });
    mine.forEach((path, p) -> take(p, c.model().get(path)));
    optimizer.load(c.optimizer());
    Map<String, String> ofTask = new TreeMap<>();
    Map<String, Stochastic> stochastic = stochastic();
    c.state()
        .forEach((key, value) -> {
          if (key.startsWith(TASK)) ofTask.put(key.substring(TASK.length()), value);
          if (!key.startsWith(DROPOUT)) return;
          Stochastic drawing = stochastic.get(key.substring(DROPOUT.length()));
          if (drawing == null) {
            throw new IllegalStateException(
                "%s is of another model: here is no %s".formatted(file, key));
          }
          drawing.seek(Long.parseLong(value));
        });
    task.restore(ofTask);
  }

  /**
   * Copies a saved value unless the parameter has it already, as frozen ones mostly do, so that no
   * tensor keeps the file mapped, and on disk after its removal.
   */
  private static void take(Parameter p, Tensor saved) {
    try (Scope _ = Scope.open()) {
      Device device = p.value().device();
      Tensor have = Autograd.noGrad(() -> p.value().contiguous().to(Device.CPU));
      boolean same = bytes(have).mismatch(bytes(saved)) == -1;
      boolean mapped = device.equals(Device.CPU);
      if (!same) p.set(mapped ? ShapeFunctions.copy(saved) : saved.to(device));
      Reference.reachabilityFence(have);
      Reference.reachabilityFence(saved);
    }
  }

  private static MemorySegment bytes(Tensor t) {
    return Host.ALL.asSlice(t.strided().address(), t.size() * t.dtype().bytes());
  }
}
