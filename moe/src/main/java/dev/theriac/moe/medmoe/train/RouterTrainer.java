package dev.theriac.moe.medmoe.train;

import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.Modality;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.op.Autograd;
import dev.theriac.op.Loss;
import dev.theriac.op.Reduce;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.Trainer;
import dev.theriac.train.TrainingListener;
import dev.theriac.train.TrainingTask;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToIntFunction;

/**
 * Trains the router that knows the imaging modality (Med-MoE, equation 3, and its published
 * notebook): the frozen stage-2 model reads image and question; all hidden states are averaged over
 * layers and positions to one vector, from which a linear layer tells the modality. Class i is
 * {@code Modality.values()[i]} and becomes expert i, unless {@link #classes} says otherwise.
 */
public final class RouterTrainer {
  private final MedMoe model;
  private final Dataset labelled;
  private int epochs = 10;
  private int batchSize = 32;
  private double learningRate = 1e-3;
  private long seed = 42;
  private int experts = Modality.values().length;
  private ToIntFunction<Sample> classOf = RouterTrainer::modality;
  private TrainingListener listener = new TrainingListener() {};

  private RouterTrainer(MedMoe model, Dataset labelled) {
    this.model = model;
    this.labelled = labelled;
  }

  /**
   * A trainer with the published settings: Adam 1e-3, 32 features a step, 10 epochs.
   *
   * @param labelled samples whose modality is known
   */
  public static RouterTrainer on(MedMoe model, Dataset labelled) {
    return new RouterTrainer(model, labelled);
  }

  public RouterTrainer epochs(int count) {
    epochs = count;
    return this;
  }

  public RouterTrainer batchSize(int count) {
    batchSize = count;
    return this;
  }

  public RouterTrainer learningRate(double rate) {
    learningRate = rate;
    return this;
  }

  /**
   * Tells other classes apart than the modalities, such as findings; class i becomes expert i.
   *
   * @param count experts of the router, at least as many as there are classes
   * @param of class of a sample, from 0
   */
  public RouterTrainer classes(int count, ToIntFunction<Sample> of) {
    experts = count;
    classOf = of;
    return this;
  }

  public RouterTrainer seed(long value) {
    seed = value;
    return this;
  }

  public RouterTrainer onProgress(TrainingListener wanted) {
    listener = wanted;
    return this;
  }

  /** Trains a router for top-1 routing by probability, on the model's device. */
  public Router run() {
    if (labelled.size() == 0) {
      throw new IllegalArgumentException("router training: no labelled sample");
    }
    Device device = model.language().device();
    int dim = model.language().config().dim();
    Router router =
        Device.with(
            device, () -> new Router(dim, experts, 1, Router.Weighting.PROBABILITY, new Rng(seed)));
    long[] classes = classes(labelled, experts, classOf);
    float[][] features = features(model, labelled);
    int perEpoch = (features.length + batchSize - 1) / batchSize;
    TrainingTask task =
        new TrainingTask() {
          @Override
          public Tensor loss(long step, int microBatch) {
            int[] order = new Rng(seed, 1 + step / perEpoch, 0).permutation(features.length);
            int from = (int) (step % perEpoch) * batchSize;
            int[] rows = Arrays.copyOfRange(order, from, Math.min(from + batchSize, order.length));
            long[] targets = Arrays.stream(rows).mapToLong(r -> classes[r]).toArray();
            return Loss.crossEntropy(
                router.logits(stack(device, features, rows)), Tensor.of(device, targets));
          }

          @Override
          public long tokens() {
            return batchSize;
          }
        };
    try (AdamW optimizer = AdamW.of(router.parameters(), learningRate)) {
      Trainer.of(router, task, optimizer, (long) epochs * perEpoch)
          .clip(Double.POSITIVE_INFINITY)
          .listener(listener)
          .run();
    }
    return router;
  }

  /** Share of samples whose modality the router tells from the model's features; NaN of none. */
  public static double accuracy(Router router, MedMoe model, Dataset labelled) {
    return accuracy(router, model, labelled, RouterTrainer::modality);
  }

  /** The same for a router that was trained on other {@link #classes}. */
  public static double accuracy(
      Router router, MedMoe model, Dataset labelled, ToIntFunction<Sample> classOf) {
    if (labelled.size() == 0) return Double.NaN;
    long[] classes = classes(labelled, router.experts(), classOf);
    float[][] features = features(model, labelled);
    int[] all = new int[features.length];
    for (int i = 0; i < all.length; i++) all[i] = i;
    try (Scope _ = Scope.open()) {
      long[] told =
          Autograd.noGrad(
              () -> Reduce.argmax(router.logits(stack(router.device(), features, all))).toLongs());
      int right = 0;
      for (int i = 0; i < told.length; i++) if (told[i] == classes[i]) right++;
      return (double) right / told.length;
    }
  }

  private static Tensor stack(Device device, float[][] features, int[] rows) {
    int dim = features[0].length;
    float[] all = new float[rows.length * dim];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(features[rows[i]], 0, all, i * dim, dim);
    }
    return Tensor.of(device, all, rows.length, dim);
  }

  private static long[] classes(Dataset data, int experts, ToIntFunction<Sample> classOf) {
    long[] out = new long[data.size()];
    for (int i = 0; i < out.length; i++) {
      int c = classOf.applyAsInt(data.get(i));
      if (c < 0 || c >= experts) {
        throw new IllegalArgumentException(
            "router training: sample %s is of class %d, there are %d experts; every class needs one"
                .formatted(data.get(i).id(), c, experts));
      }
      out[i] = c;
    }
    return out;
  }

  private static int modality(Sample sample) {
    if (sample.modality() == null) {
      throw new IllegalArgumentException(
          "router training: sample %s has no modality; label it with one of %s"
              .formatted(sample.id(), Arrays.toString(Modality.values())));
    }
    return sample.modality().ordinal();
  }

  /** One vector for each sample: hidden states averaged over layers and real positions. */
  static float[][] features(MedMoe model, Dataset data) {
    PromptEncoder encoder = new PromptEncoder(model.tokenizer(), Template.PHI, Integer.MAX_VALUE);
    float[][] out = new float[data.size()][];
    int chunk = 64;
    for (int from = 0; from < data.size(); from += chunk) {
      int to = Math.min(from + chunk, data.size());
      List<Example> examples = new ArrayList<>();
      float[][] pixels = new float[to - from][];
      for (int i = from; i < to; i++) {
        Sample s = data.get(i);
        Conversation asked = s.conversation().asQuestion();
        int[] ids = encoder.inference(asked);
        int[] labels = new int[ids.length];
        Arrays.fill(labels, Example.IGNORE);
        examples.add(new Example(ids, labels));
        pixels[i - from] = model.preprocess(s.image().load());
      }
      float[] pooled = Autograd.noGrad(() -> model.pooledStates(examples, pixels));
      int dim = pooled.length / (to - from);
      for (int i = from; i < to; i++) {
        out[i] = Arrays.copyOfRange(pooled, (i - from) * dim, (i - from + 1) * dim);
      }
    }
    return out;
  }
}
