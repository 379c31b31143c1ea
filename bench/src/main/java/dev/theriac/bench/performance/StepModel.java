package dev.theriac.bench.performance;

import dev.theriac.io.SafeTensors;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.ImageTokens;
import dev.theriac.op.Gradients;
import dev.theriac.optim.AdamW;
import dev.theriac.optim.Clip;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;

/**
 * A Med-MoE with a fixed batch that takes one training step after another: forward, backward,
 * clipping, AdamW. All is trained but the routers, as stage 3 leaves them.
 */
final class StepModel implements AutoCloseable {
  /** Where the picture stands in each row of ids. */
  static final int MARK = 1;

  /** Ids at the end of each row that are learnt. */
  static final int LEARNED = 16;

  static final double RATE = 1e-3;
  static final double DECAY = 0.05;

  /**
   * A model and its batch.
   *
   * @param batch rows
   * @param ids in a row, one of them the picture
   */
  record Shape(DecoderConfig language, VisionConfig vision, int batch, int ids) {
    private static final int VOCABULARY = BuiltInTokenizer.load().vocabSize();

    static Shape of(String name) {
      VisionConfig vision = new VisionConfig(32, 8, 64, 3, 4, 256, 1e-5, -1, 0.1);
      return switch (name) {
        case "quickstart" -> new Shape(decoder(VOCABULARY, 64, 256, 3, 4, 6), vision, 32, 33);
        case "d512-8-layers" -> new Shape(decoder(VOCABULARY, 512, 2048, 8, 8, 32), vision, 8, 113);
        default -> throw new IllegalArgumentException("no model " + name);
      };
    }

    private static DecoderConfig decoder(
        int vocabulary, int dim, int hidden, int layers, int heads, int rotary) {
      double std = dim < 512 ? 0.1 : 0.02;
      return new DecoderConfig(
          DecoderConfig.Family.PHI,
          vocabulary,
          dim,
          hidden,
          layers,
          heads,
          heads,
          rotary,
          10000,
          256,
          1e-5,
          0,
          std);
    }

    /**
     * Multiply-adds, counted twice, of a step's linear layers and attention; of the experts only
     * the chosen ones.
     */
    double flops() {
      double d = language.dim();
      double layers = language.layers();
      double hidden = language.intermediate();
      double mixtures = MoeOptions.medMoe().layersOf(language.layers()).size();
      double each = layers * (4 * d * d + 2 * d * hidden) + mixtures * 2 * d * hidden;
      double head = d * language.vocabulary() * batch * LEARNED;
      double v = vision.dim();
      double seen = batch * (vision.patches() + 1.0);
      double encoder = vision.layers() * (4 * v * v + 2 * v * vision.intermediate()) * seen;
      double length = tokens() / (double) batch;
      return 6 * (each * tokens() + head + encoder) + 3.5 * 2 * tokens() * length * d * layers;
    }

    /** Positions of a batch: the picture becomes its patches. */
    long tokens() {
      return (long) batch * (ids - 1 + vision.patches());
    }
  }

  private final Shape shape;
  private final MedMoe model;
  private final AdamW optimiser;
  private final List<Example> examples = new ArrayList<>();
  private final float[][] pixels;
  private final List<Double> losses = new ArrayList<>();

  StepModel(String name) {
    shape = Shape.of(name);
    Rng rng = new Rng(7);
    Tokenizer tokenizer = BuiltInTokenizer.load();
    MedMoe dense =
        MedMoe.builder()
            .vision(new VisionTransformer(shape.vision, rng.split(1)))
            .language(new Decoder(shape.language, rng.split(2)))
            .tokenizer(tokenizer)
            .seed(7)
            .build();
    MoeOptions options = MoeOptions.medMoe();
    Router router =
        new Router(
            shape.language.dim(),
            options.experts(),
            options.topK(),
            options.weighting(),
            rng.split(3));
    model = dense.upcycle(router, options);
    model.train(path -> !path.contains(".mlp.gate."));
    model.train(true);
    optimiser =
        AdamW.builder()
            .lr(RATE)
            .betas(0.9, 0.99)
            .weightDecay(DECAY)
            .add(model.parameters())
            .build();
    Random random = new Random(7);
    int size = shape.vision.imageSize();
    pixels = new float[shape.batch][3 * size * size];
    for (int b = 0; b < shape.batch; b++) {
      int[] ids = random.ints(shape.ids, 0, shape.language.vocabulary()).toArray();
      ids[MARK] = ImageTokens.ID;
      int[] labels = ids.clone();
      for (int i = 0; i < shape.ids - LEARNED; i++) labels[i] = Example.IGNORE;
      examples.add(new Example(ids, labels));
      for (int i = 0; i < pixels[b].length; i++) pixels[b][i] = (float) random.nextGaussian();
    }
  }

  /** One training step. */
  void step() {
    try (Scope _ = Scope.open()) {
      Tensor loss = model.forward(examples, pixels).loss();
      losses.add((double) loss.item());
      Gradients gradients = loss.backward();
      double norm = Clip.globalNorm(optimiser.parameters().values(), gradients);
      optimiser.step(gradients, 1, Clip.scale(norm, 1));
    }
  }

  /** Losses of the first steps, which are taken if they were not yet. */
  double loss(int index) {
    while (losses.size() <= index) step();
    return losses.get(index);
  }

  /** Writes parameters, ids, labels and pixels for another program. */
  void write(Path file) {
    SequencedMap<String, Tensor> all = new LinkedHashMap<>();
    model.parameters().forEach((name, p) -> all.put(name, p.value()));
    long[] ids = new long[shape.batch * shape.ids];
    float[] flat = new float[pixels.length * pixels[0].length];
    for (int b = 0; b < shape.batch; b++) {
      for (int i = 0; i < shape.ids; i++) ids[b * shape.ids + i] = examples.get(b).ids()[i];
      System.arraycopy(pixels[b], 0, flat, b * pixels[b].length, pixels[b].length);
    }
    int size = shape.vision.imageSize();
    all.put("batch.ids", Tensor.of(ids, shape.batch, shape.ids));
    all.put("batch.pixels", Tensor.of(flat, shape.batch, 3, size, size));
    SafeTensors.write(file, all, Map.of());
  }

  @Override
  public void close() {
    optimiser.close();
    model.parameters().values().forEach(p -> p.value().close());
  }
}
