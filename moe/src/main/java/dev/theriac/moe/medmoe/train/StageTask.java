package dev.theriac.moe.medmoe.train;

import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.Batches;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.ImageSource;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.TrainingTask;
import dev.theriac.vision.image.Image;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;

/** The loss of a stage on its data: encodes samples, prepares pictures, runs the model. */
final class StageTask implements TrainingTask {
  private static final long AUGMENTATION = 0x4155_474d_0000_0000L;

  private final MedMoe model;
  private final StageOptions options;
  private final Batches batches;
  private final PromptEncoder encoder;
  private final ToDoubleFunction<MedMoe> score;
  private long tokens;

  StageTask(
      Stage stage,
      MedMoe model,
      Dataset data,
      StageOptions options,
      ToDoubleFunction<MedMoe> score) {
    this.model = model;
    this.options = options;
    this.score = score;
    int micro = options.batchSize() / options.microBatches();
    batches =
        options.balanced()
            ? Batches.balanced(data, micro, options.seed(), s -> s.conversation().answer())
            : Batches.shuffled(data, micro, options.seed());
    encoder = new PromptEncoder(model.tokenizer(), stage.template(), options.maxLength());
  }

  @Override
  public Tensor loss(long step, int microBatch) {
    List<Sample> samples = batches.next();
    Rng rng = new Rng(options.seed(), AUGMENTATION + step * options.microBatches() + microBatch, 0);
    List<Example> examples = new ArrayList<>();
    List<float[]> pixels = new ArrayList<>();
    for (Sample sample : samples) {
      Example example = encoder.training(sample.conversation());
      examples.add(example);
      if (example.images() > 0) pixels.add(pixels(sample, rng));
    }
    MedMoe.Forward out = model.forward(examples, pixels.toArray(float[][]::new));
    tokens = out.tokens();
    return out.loss();
  }

  private float[] pixels(Sample sample, Rng rng) {
    if (sample.image() instanceof ImageSource.None) {
      throw new IllegalArgumentException(
          "sample %s speaks of an image and has none".formatted(sample.id()));
    }
    Image image = sample.image().load();
    return model.preprocess(
        options.augmentation() == null ? image : options.augmentation().apply(image, rng));
  }

  @Override
  public long tokens() {
    return tokens;
  }

  @Override
  public OptionalDouble score(long step) {
    if (score == null) return OptionalDouble.empty();
    model.train(false); // no dropout while the model is measured
    try {
      return OptionalDouble.of(score.applyAsDouble(model));
    } finally {
      model.train(true);
    }
  }

  @Override
  public Map<String, String> state() {
    Batches.State s = batches.state();
    return Map.of("data", s.seed() + ":" + s.epoch() + ":" + s.position());
  }

  @Override
  public void restore(Map<String, String> state) {
    String[] parts = state.getOrDefault("data", "").split(":");
    if (parts.length != 3) {
      throw new IllegalArgumentException("checkpoint without a position in the data: " + state);
    }
    batches.restore(
        new Batches.State(
            Long.parseLong(parts[0]), Integer.parseInt(parts[1]), Integer.parseInt(parts[2])));
  }
}
