package dev.theriac.train;

import dev.theriac.backend.UnaryKind;
import dev.theriac.nn.Dropout;
import dev.theriac.nn.Embedding;
import dev.theriac.nn.LayerNorm;
import dev.theriac.nn.Linear;
import dev.theriac.nn.Mlp;
import dev.theriac.nn.Module;
import dev.theriac.nn.SelfAttention;
import dev.theriac.op.Loss;
import dev.theriac.optim.AdamW;
import dev.theriac.optim.LearningRate;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * A run with everything that a resume could get wrong: two dropouts on one generator, data drawn
 * from a generator, a half parameter with its master, a frozen one, micro-batches and a schedule.
 * The task is to map each token to another.
 */
final class TinyRun {
  static final int VOCABULARY = 61;
  private static final int BATCH = 3;
  private static final int LENGTH = 17;

  private TinyRun() {}

  /** One pre-norm block of a causal transformer. */
  static final class Net extends Module {
    final Embedding embedding;
    final Linear head;
    private final Embedding ballast;
    private final Dropout first;
    private final Dropout second;
    private final LayerNorm norm1;
    private final LayerNorm norm2;
    private final SelfAttention attention;
    private final Mlp mlp;

    Net(int dim, int ballastRows) {
      Rng rng = new Rng(7);
      Rng drops = new Rng(7, 1, 0);
      embedding = part("embedding", new Embedding(VOCABULARY, dim, rng, 0.5));
      first = part("dropout1", new Dropout(0.1, drops));
      second = part("dropout2", new Dropout(0.2, drops));
      norm1 = part("norm1", new LayerNorm(dim, 1e-5));
      norm2 = part("norm2", new LayerNorm(dim, 1e-5));
      var config =
          new SelfAttention.Config(dim, 2, 2, dim / 2, true, true, "dense", true, dim / 4, 10_000);
      attention = part("attention", new SelfAttention(config, rng, 0.2, 0.1));
      mlp = part("mlp", new Mlp(dim, 3 * dim + 1, UnaryKind.GELU, rng, 0.2, 0.1));
      head = part("head", new Linear(dim, VOCABULARY, true, rng, 0.2));
      head.weight().set(head.weight().value().to(DType.BF16));
      // Rows that no token reaches: they make checkpoints large.
      ballast = ballastRows == 0 ? null : part("ballast", new Embedding(ballastRows, dim, rng, 1));
      train(path -> !path.startsWith("norm2"));
    }

    Tensor logits(Tensor ids, Tensor positions) {
      Tensor x = first.forward(embedding.forward(ids));
      if (ballast != null) x = x.add(ballast.forward(ids));
      x = x.add(attention.forward(norm1.forward(x), positions, null, null, 0));
      x = x.add(second.forward(mlp.forward(norm2.forward(x))));
      return head.forward(x).reshape(-1, VOCABULARY);
    }
  }

  /** Random tokens; the target of t is 3 t + 1 modulo the vocabulary. */
  static final class Task implements TrainingTask {
    final Net net;
    final Rng data = new Rng(11);
    long nanAt = -1;

    Task(Net net) {
      this.net = net;
    }

    @Override
    public Tensor loss(long step, int microBatch) {
      long[] ids = new long[BATCH * LENGTH];
      long[] positions = new long[ids.length];
      long[] targets = new long[ids.length];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = data.nextInt(VOCABULARY);
        positions[i] = i % LENGTH;
        targets[i] = i % 5 == 0 ? Loss.IGNORE_INDEX : (3 * ids[i] + 1) % VOCABULARY;
      }
      Tensor logits =
          net.logits(Tensor.of(ids, BATCH, LENGTH), Tensor.of(positions, BATCH, LENGTH));
      Tensor loss = Loss.crossEntropy(logits, Tensor.of(targets));
      return step == nanAt ? loss.mul(Double.NaN) : loss;
    }

    @Override
    public long tokens() {
      return BATCH * LENGTH;
    }

    @Override
    public OptionalDouble score(long step) {
      return OptionalDouble.of(step == 4 ? 10 : -step);
    }

    @Override
    public Map<String, String> state() {
      return Map.of("data", RngState.save(data));
    }

    @Override
    public void restore(Map<String, String> state) {
      RngState.restore(data, state.get("data"));
    }
  }

  static Trainer trainer(Task task, Path directory, long steps, long every) {
    AdamW optimizer = AdamW.builder().lr(0.01).weightDecay(0.01).add(task.net.parameters()).build();
    return Trainer.of(task.net, task, optimizer, steps)
        .schedule(LearningRate.cosine(steps, 0.2))
        .microBatches(2)
        .config("{\"dim\": 16}")
        .checkpoints(new Checkpoints(directory, 2), every);
  }

  /** Runs or resumes in {@code directory}: the program of the processes that are killed. */
  public static void main(String[] args) {
    Task task = new Task(new Net(16, Integer.parseInt(args[2])));
    trainer(task, Path.of(args[0]), Long.parseLong(args[1]), 1).run();
  }
}
