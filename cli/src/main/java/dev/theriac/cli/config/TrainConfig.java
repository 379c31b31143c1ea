package dev.theriac.cli.config;

import dev.theriac.llm.DecoderConfig;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.vision.VisionConfig;
import java.nio.file.Path;

/**
 * What {@code theriac train} does.
 *
 * @param seed of all randomness
 * @param out folder for the model, the log and the report; must be given here or by {@code --out}
 * @param data what to learn from
 * @param model what to train
 * @param align stage 1: pictures and captions
 * @param instruct stage 2: conversations
 * @param router between stages 2 and 3: modality from picture
 * @param moe stage 3: experts
 * @param evaluation what is measured and when
 */
public record TrainConfig(
    @Setting("0") long seed,
    @Setting(optional = true) Path out,
    Data data,
    Model model,
    Stage align,
    Stage instruct,
    Router router,
    Stage moe,
    Evaluation evaluation) {

  /** Kinds of data. */
  public enum Format {
    /** The built-in drawn pictures. */
    PHANTOMS,
    /** {@code pneumoniamnist.npz}. */
    PNEUMONIA_MNIST,
    /** JSON files of LLaVA-Med and Med-MoE. */
    VQA
  }

  /**
   * What to learn from.
   *
   * @param format which of the other keys are looked at
   * @param file the {@code .npz}, for {@code pneumonia_mnist}
   * @param images folder of pictures, for {@code vqa}
   * @param align captions, for {@code vqa}
   * @param instruct conversations of stage 2, for {@code vqa}
   * @param moe conversations of stage 3, with {@code modality} for the router, for {@code vqa}
   * @param validation questions to choose the checkpoint by, for {@code vqa}
   * @param test questions to report on, for {@code vqa}
   * @param train number of pictures to train on, for {@code phantoms}
   * @param held number of pictures to validate on, and as many to test on, for {@code phantoms}
   */
  public record Data(
      Format format,
      @Setting(optional = true) Path file,
      @Setting(optional = true) Path images,
      @Setting(optional = true) Path align,
      @Setting(optional = true) Path instruct,
      @Setting(optional = true) Path moe,
      @Setting(optional = true) Path validation,
      @Setting(optional = true) Path test,
      @Setting(value = "2000", min = 4) int train,
      @Setting(value = "200", min = 4) int held) {
    /** Checks that the format has what it needs. */
    public Data {
      switch (format) {
        case PHANTOMS -> {}
        case PNEUMONIA_MNIST -> require(file, "file", "pneumonia_mnist");
        case VQA -> {
          require(images, "images", "vqa");
          require(align, "align", "vqa");
          require(instruct, "instruct", "vqa");
          require(moe, "moe", "vqa");
          require(test, "test", "vqa");
        }
      }
    }

    private static void require(Path path, String key, String format) {
      if (path == null) {
        throw new IllegalArgumentException(
            "format \"%s\" needs the key '%s', a path".formatted(format, key));
      }
    }
  }

  /**
   * What to train, from random weights.
   *
   * @param imageSize edge of the square input of the vision encoder in pixels
   * @param template how prompts are written
   * @param vision the vision encoder
   * @param language the language model
   * @param experts the mixture
   */
  public record Model(
      @Setting(value = "32", min = 1, max = 4096) int imageSize,
      @Setting("phi") Template template,
      Vision vision,
      Language language,
      Experts experts) {
    /** Checks that the parts fit. */
    public Model {
      if (template == Template.PLAIN) {
        throw new IllegalArgumentException("template must be \"phi\" or \"stablelm\"");
      }
      vision.config(imageSize);
      language.config(1);
    }

    /** Shape of the vision encoder. */
    public VisionConfig visionConfig() {
      return vision.config(imageSize);
    }
  }

  /**
   * The vision encoder.
   *
   * @param patchSize edge of a patch, divides the image size
   * @param dim width
   * @param layers blocks
   * @param heads attention heads
   * @param intermediate width inside the MLP
   * @param selectLayer hidden state that is the feature: -1 the last, -2 the one before
   */
  public record Vision(
      @Setting(value = "8", min = 1) int patchSize,
      @Setting(value = "64", min = 1) int dim,
      @Setting(value = "2", min = 1) int layers,
      @Setting(value = "4", min = 1) int heads,
      @Setting(value = "256", min = 1) int intermediate,
      @Setting(value = "-1", max = -1) int selectLayer) {
    VisionConfig config(int imageSize) {
      return new VisionConfig(
          imageSize, patchSize, dim, layers, heads, intermediate, 1e-5, selectLayer, 0.02);
    }
  }

  /**
   * The language model.
   *
   * @param family which block
   * @param dim width
   * @param layers blocks
   * @param heads attention heads
   * @param kvHeads key-value heads; 0 for as many as heads
   * @param intermediate width inside the feed-forward
   * @param rotaryDims rotated dimensions of a head
   * @param maxPositions longest sequence, pictures included
   * @param residualDropout dropout while training
   */
  public record Language(
      @Setting("phi") DecoderConfig.Family family,
      @Setting(value = "64", min = 1) int dim,
      @Setting(value = "2", min = 1) int layers,
      @Setting(value = "4", min = 1) int heads,
      @Setting(value = "0", min = 0) int kvHeads,
      @Setting(value = "256", min = 1) int intermediate,
      @Setting(value = "8", min = 0) int rotaryDims,
      @Setting(value = "512", min = 1) int maxPositions,
      @Setting(value = "0", min = 0, max = 0.99) double residualDropout) {
    /** Shape of the decoder over a vocabulary of so many tokens. */
    public DecoderConfig config(int vocabulary) {
      return new DecoderConfig(
          family,
          vocabulary,
          dim,
          intermediate,
          layers,
          heads,
          kvHeads == 0 ? heads : kvHeads,
          rotaryDims,
          10000,
          maxPositions,
          1e-5,
          residualDropout,
          0.02);
    }
  }

  /**
   * The mixture of stage 3.
   *
   * @param count experts of a layer
   * @param topK experts that a token visits
   * @param meta whether a meta expert runs beside them
   */
  public record Experts(
      @Setting(value = "4", min = 1, max = 256) int count,
      @Setting(value = "1", min = 1, max = 256) int topK,
      @Setting("true") boolean meta) {
    /** Checks that a token can visit so many. */
    public Experts {
      if (topK > count) {
        throw new IllegalArgumentException(
            "top_k %d of %d experts: a token cannot visit more than there are"
                .formatted(topK, count));
      }
    }
  }

  /**
   * One stage. Defaults are those of a small model from random weights.
   *
   * @param epochs passes over the data; looked at if {@code steps} is 0
   * @param steps optimiser steps, or 0
   * @param batchSize samples per step
   * @param accumulate micro-batches that a step is cut into
   * @param learningRate at the peak
   * @param warmUp share of the steps over which the learning rate rises
   * @param weightDecay of AdamW
   * @param clip largest global norm of the gradient
   * @param trainVision also trains the vision encoder; for models without a pre-trained one
   * @param trainLanguage also trains the language model in the alignment stage; for models without
   *     a pre-trained one
   */
  public record Stage(
      @Setting(value = "1", min = 1) int epochs,
      @Setting(value = "0", min = 0) int steps,
      @Setting(value = "32", min = 1) int batchSize,
      @Setting(value = "1", min = 1) int accumulate,
      @Setting(value = "0.001", min = 0, max = 10) double learningRate,
      @Setting(value = "0.03", min = 0, max = 1) double warmUp,
      @Setting(value = "0", min = 0, max = 1) double weightDecay,
      @Setting(value = "1", min = 0) double clip,
      @Setting("false") boolean trainVision,
      @Setting("false") boolean trainLanguage) {
    /** Checks that a batch can be cut. */
    public Stage {
      if (accumulate > batchSize) {
        throw new IllegalArgumentException(
            "accumulate %d cuts a batch of %d into empty parts".formatted(accumulate, batchSize));
      }
    }
  }

  /**
   * The router's training.
   *
   * @param epochs passes over the labelled samples
   * @param batchSize samples per step
   * @param learningRate of Adam
   */
  public record Router(
      @Setting(value = "10", min = 1) int epochs,
      @Setting(value = "32", min = 1) int batchSize,
      @Setting(value = "0.001", min = 0, max = 10) double learningRate) {}

  /**
   * What is measured.
   *
   * @param every steps between validations in stage 3, or 0 for once per epoch
   * @param maxNewTokens longest answer
   * @param dense whether a dense model is trained for the same steps, to stand beside the mixture
   */
  public record Evaluation(
      @Setting(value = "0", min = 0) int every,
      @Setting(value = "16", min = 1) int maxNewTokens,
      @Setting("true") boolean dense) {}
}
