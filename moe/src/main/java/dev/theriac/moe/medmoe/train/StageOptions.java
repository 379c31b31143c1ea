package dev.theriac.moe.medmoe.train;

import dev.theriac.vision.image.Augmentation;

/**
 * Settings of a stage.
 *
 * @param steps optimiser steps; 0 for as many as {@code epochs} take
 * @param epochs passes over the data when {@code steps} is 0
 * @param batchSize samples of an optimiser step
 * @param microBatches equal parts that a step's samples are computed in, gradients being
 *     accumulated; divides {@code batchSize}
 * @param learningRate at the peak
 * @param warmUp share of the steps over which the rate rises; it then falls to 0 along a cosine
 * @param weightDecay of matrices
 * @param beta2 decay of AdamW's second moment
 * @param clip largest global norm of the gradient
 * @param seed of the order of samples and of augmentation
 * @param trainVision trains the vision encoder in ALIGN and INSTRUCT too: for models that have no
 *     pre-trained one
 * @param trainLanguage trains the language model in ALIGN too: for models that have no pre-trained
 *     one
 * @param balanced draws equally often from the samples of each last answer, instead of each sample
 *     once
 * @param augmentation changes pictures a little each time they are shown; null for none
 * @param maxLength ids kept of a sample, where a picture counts 1
 */
public record StageOptions(
    int steps,
    int epochs,
    int batchSize,
    int microBatches,
    double learningRate,
    double warmUp,
    double weightDecay,
    double beta2,
    double clip,
    long seed,
    boolean trainVision,
    boolean trainLanguage,
    boolean balanced,
    Augmentation augmentation,
    int maxLength) {
  public StageOptions {
    if (steps < 0 || epochs < 1 || batchSize < 1 || microBatches < 1) {
      throw new IllegalArgumentException(
          "stage: %d steps, %d epochs, batches of %d in %d parts"
              .formatted(steps, epochs, batchSize, microBatches));
    }
    if (batchSize % microBatches != 0) {
      throw new IllegalArgumentException(
          "stage: a batch of %d cannot be cut into %d equal parts"
              .formatted(batchSize, microBatches));
    }
  }

  /** The published settings; global batch 64 in stages 2 and 3. */
  public static StageOptions published(Stage stage) {
    return switch (stage) {
      case ALIGN -> of(1, 32, 1e-3);
      case INSTRUCT -> of(3, 64, 2e-5);
      case MOE -> of(9, 64, 2e-5);
    };
  }

  /**
   * For small models whose encoder and decoder start from random weights, and are trained from the
   * first stage on.
   */
  public static StageOptions fromScratch(Stage stage, int steps) {
    double rate = stage == Stage.MOE ? 1e-3 : 2e-3;
    return new StageOptions(
        steps, 1, 32, 1, rate, 0.1, 0.05, 0.99, 1, 42, true, true, false, null, 2048);
  }

  private static StageOptions of(int epochs, int batch, double rate) {
    return new StageOptions(
        0, epochs, batch, 1, rate, 0.03, 0, 0.999, 1, 42, false, false, false, null, 2048);
  }

  /** The same for so many steps, whatever the size of the data. */
  public StageOptions withSteps(int newSteps) {
    return new StageOptions(
        newSteps,
        epochs,
        batchSize,
        microBatches,
        learningRate,
        warmUp,
        weightDecay,
        beta2,
        clip,
        seed,
        trainVision,
        trainLanguage,
        balanced,
        augmentation,
        maxLength);
  }

  /** Optimiser steps on a data set of {@code size} samples. */
  public int stepsFor(int size) {
    return steps > 0
        ? steps
        : Math.toIntExact((long) epochs * ((size + (long) batchSize - 1) / batchSize));
  }
}
