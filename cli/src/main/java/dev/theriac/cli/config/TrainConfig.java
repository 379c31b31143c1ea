package dev.theriac.cli.config;

import dev.theriac.llm.DecoderConfig;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.moe.medmoe.train.StageOptions;
import dev.theriac.optim.Untouched;
import dev.theriac.tensor.Device;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.image.Augmentation;
import dev.theriac.vision.image.Preprocessing;
import java.nio.file.Path;

/**
 * What {@code theriac train} does.
 *
 * @param seed of all randomness
 * @param device where the model computes, unless {@code --device} says otherwise: cpu, cuda or
 *     cuda:N; left out, the CPU
 * @param out folder for the model, the log and the report; must be given here or by {@code --out}
 * @param checkpointEvery steps between checkpoints in stages 1 and 2
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
    @Setting(optional = true) Device device,
    @Setting(optional = true) Path out,
    @Setting(value = "100", min = 1) int checkpointEvery,
    Data data,
    Model model,
    Stage align,
    Stage instruct,
    Router router,
    Stage moe,
    Evaluation evaluation) {

  /** The same with another seed. */
  public TrainConfig withSeed(long newSeed) {
    return new TrainConfig(
        newSeed,
        device,
        out,
        checkpointEvery,
        data,
        model,
        align,
        instruct,
        router,
        moe,
        evaluation);
  }

  /** What the results follow from, which the device is not: a run may go on on another one. */
  public String identity() {
    TrainConfig anywhere =
        new TrainConfig(
            seed,
            null,
            out,
            checkpointEvery,
            data,
            model,
            align,
            instruct,
            router,
            moe,
            evaluation);
    return anywhere.toString().replace(", device=null", "");
  }

  /** Kinds of data. */
  public enum Format {
    /** The built-in drawn pictures. */
    PHANTOMS,
    /** {@code pneumoniamnist.npz}. */
    PNEUMONIA_MNIST,
    /** JSON files of LLaVA-Med and Med-MoE. */
    VQA
  }

  /** Wordings of captions. */
  public enum Captions {
    /** Sentences of several forms. */
    FULL,
    /** One form, so that nothing varies but what the picture shows. */
    SHORT
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
   * @param conversations whether stages 2 and 3 take all questions about a picture in one
   *     conversation, or else one by one, for {@code phantoms}
   * @param captions how stage 1 describes pictures, for {@code phantoms} and {@code
   *     pneumonia_mnist}
   * @param varied whether stages 2 and 3 ask in several ways, or else the question of the
   *     evaluation alone, for {@code pneumonia_mnist}
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
      @Setting(value = "200", min = 4) int held,
      @Setting("true") boolean conversations,
      @Setting("full") Captions captions,
      @Setting("true") boolean varied) {
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
   * What to train.
   *
   * @param from directory of a dense model that training goes on with; its shape and preprocessing
   *     then stand there, and the keys for them are not looked at
   * @param imageSize edge of the square input of the vision encoder in pixels
   * @param template how prompts are written
   * @param pixels how values of pixels are scaled
   * @param vision the vision encoder
   * @param language the language model
   * @param experts the mixture
   */
  public record Model(
      @Setting(optional = true) Path from,
      @Setting(value = "32", min = 1, max = 4096) int imageSize,
      @Setting("phi") Template template,
      Pixels pixels,
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
   * Preprocessing: the mean is subtracted from values between 0 and 1, the deviation divides.
   *
   * @param pad whether a picture that is no square is padded to one, or else cropped
   * @param mean of all three channels; left out, CLIP's for each
   * @param std of all three channels; left out, CLIP's for each
   */
  public record Pixels(
      @Setting("true") boolean pad,
      @Setting(optional = true, min = 0, max = 1) Double mean,
      @Setting(optional = true, min = 0.001, max = 1000) Double std) {
    /** Checks that both or none are given. */
    public Pixels {
      if ((mean == null) != (std == null)) {
        throw new IllegalArgumentException("give both 'mean' and 'std', or neither");
      }
    }

    /** The same for pictures of a size. */
    public Preprocessing preprocessing(int imageSize) {
      if (mean == null) {
        return Preprocessing.clip(imageSize, pad);
      }
      float m = mean.floatValue();
      float s = std.floatValue();
      return new Preprocessing(imageSize, pad, new float[] {m, m, m}, new float[] {s, s, s});
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
   * @param initStd standard deviation of fresh weights
   */
  public record Vision(
      @Setting(value = "8", min = 1) int patchSize,
      @Setting(value = "64", min = 1) int dim,
      @Setting(value = "2", min = 1) int layers,
      @Setting(value = "4", min = 1) int heads,
      @Setting(value = "256", min = 1) int intermediate,
      @Setting(value = "-1", max = -1) int selectLayer,
      @Setting(value = "0.02", min = 0, max = 10) double initStd) {
    VisionConfig config(int imageSize) {
      // Published encoders may leave a rim of pixels out; a new one has no reason to.
      if (imageSize % patchSize != 0) {
        throw new IllegalArgumentException(
            "vision: image size %d is not a multiple of patch %d".formatted(imageSize, patchSize));
      }
      return new VisionConfig(
          imageSize, patchSize, dim, layers, heads, intermediate, 1e-5, selectLayer, initStd);
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
   * @param initStd standard deviation of fresh weights
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
      @Setting(value = "0", min = 0, max = 0.99) double residualDropout,
      @Setting(value = "0.02", min = 0, max = 10) double initStd) {
    /** Checks that Med-MoE knows the family. */
    public Language {
      if (family == DecoderConfig.Family.LLAMA) {
        throw new IllegalArgumentException("family must be \"phi\" or \"stablelm\"");
      }
    }

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
          initStd);
    }
  }

  /**
   * The mixture of stage 3.
   *
   * @param count experts of a layer
   * @param topK experts that a token visits
   * @param meta whether a meta expert runs beside them
   * @param auxiliary factor of the load-balance loss
   * @param untouched what the optimiser does with experts that saw no token in a step: step, skip
   *     or decay
   */
  public record Experts(
      @Setting(value = "4", min = 1, max = 256) int count,
      @Setting(value = "1", min = 1, max = 256) int topK,
      @Setting("true") boolean meta,
      @Setting(value = "0", min = 0, max = 10) double auxiliary,
      @Setting("step") Untouched untouched) {
    /** Checks that a token can visit so many. */
    public Experts {
      if (topK > count) {
        throw new IllegalArgumentException(
            "top_k %d of %d experts: a token cannot visit more than there are"
                .formatted(topK, count));
      }
    }

    /**
     * Every other layer gets experts; one chosen expert counts by its probability, several by
     * theirs divided by their sum.
     */
    public MoeOptions options() {
      var weighting =
          topK == 1
              ? dev.theriac.moe.Router.Weighting.PROBABILITY
              : dev.theriac.moe.Router.Weighting.RENORMALISED;
      return new MoeOptions(count, topK, weighting, meta, null, auxiliary);
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
   * @param beta2 decay of AdamW's second moment
   * @param clip largest global norm of the gradient; 0 for no bound
   * @param balanced draws equally often from the samples of each last answer
   * @param maxLength ids kept of a sample
   * @param trainVision also trains the vision encoder; for models without a pre-trained one
   * @param trainLanguage also trains the language model in the alignment stage; for models without
   *     a pre-trained one
   * @param augmentation changes pictures at random; left out, none
   */
  public record Stage(
      @Setting(value = "1", min = 1) int epochs,
      @Setting(value = "0", min = 0) int steps,
      @Setting(value = "32", min = 1) int batchSize,
      @Setting(value = "1", min = 1) int accumulate,
      @Setting(value = "0.001", min = 0, max = 10) double learningRate,
      @Setting(value = "0.03", min = 0, max = 1) double warmUp,
      @Setting(value = "0", min = 0, max = 1) double weightDecay,
      @Setting(value = "0.999", min = 0, max = 0.999999) double beta2,
      @Setting(value = "1", min = 0) double clip,
      @Setting("false") boolean balanced,
      @Setting(value = "2048", min = 1) int maxLength,
      @Setting("false") boolean trainVision,
      @Setting("false") boolean trainLanguage,
      @Setting(optional = true) Augment augmentation) {
    /** Checks that a batch can be cut. */
    public Stage {
      if (batchSize % accumulate != 0) {
        throw new IllegalArgumentException(
            "batch_size %d cannot be cut into %d equal parts (accumulate)"
                .formatted(batchSize, accumulate));
      }
    }

    /** The same as the trainer takes it. */
    public StageOptions options(long seed) {
      return new StageOptions(
          steps,
          epochs,
          batchSize,
          accumulate,
          learningRate,
          warmUp,
          weightDecay,
          beta2,
          clip == 0 ? Double.POSITIVE_INFINITY : clip,
          seed,
          trainVision,
          trainLanguage,
          balanced,
          augmentation == null ? null : augmentation.augmentation(),
          maxLength);
    }
  }

  /**
   * Random changes of pictures; see {@link Augmentation}.
   *
   * @param shift share of the edge
   * @param rotation degrees
   * @param scale relative
   * @param flip whether left and right may be swapped
   * @param gamma exponent's logarithm
   * @param contrast relative
   * @param brightness of values from 0 to 1
   */
  public record Augment(
      @Setting("0") double shift,
      @Setting("0") double rotation,
      @Setting("0") double scale,
      @Setting("false") boolean flip,
      @Setting("0") double gamma,
      @Setting("0") double contrast,
      @Setting("0") double brightness) {
    /** Checks the bounds. */
    public Augment {
      new Augmentation(shift, rotation, scale, flip, gamma, contrast, brightness);
    }

    Augmentation augmentation() {
      return new Augmentation(shift, rotation, scale, flip, gamma, contrast, brightness);
    }
  }

  /** What the router learns to tell, and thus what experts come to be experts in. */
  public enum Labels {
    /** The imaging modality of the picture, as published. Needs at least two in the data. */
    MODALITY,
    /** The answer to the question; for data of one modality. */
    ANSWER
  }

  /**
   * The router's training.
   *
   * @param labels what it learns to tell
   * @param samples number of labelled samples taken at random, or 0 for all
   * @param epochs passes over the labelled samples
   * @param batchSize samples per step
   * @param learningRate of Adam
   */
  public record Router(
      @Setting("modality") Labels labels,
      @Setting(value = "0", min = 0) int samples,
      @Setting(value = "10", min = 1) int epochs,
      @Setting(value = "32", min = 1) int batchSize,
      @Setting(value = "0.001", min = 0, max = 10) double learningRate) {}

  /**
   * What is measured.
   *
   * @param every steps between validations in stage 3, or 0 for once per epoch; the model that
   *     scores highest is kept
   * @param validation number of validation questions asked each time, or 0 for all
   * @param batchSize questions computed together
   * @param maxNewTokens longest answer
   * @param dense whether a dense model is trained for the same steps, to stand beside the mixture
   */
  public record Evaluation(
      @Setting(value = "0", min = 0) int every,
      @Setting(value = "0", min = 0) int validation,
      @Setting(value = "64", min = 1) int batchSize,
      @Setting(value = "16", min = 1) int maxNewTokens,
      @Setting("true") boolean dense) {}
}
