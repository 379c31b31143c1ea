package dev.theriac.optim;

/**
 * A schedule: the factor by which base learning rates are multiplied at each step. Steps count from
 * 0, so the first step of a warm-up has a factor of 0, as in Hugging Face transformers.
 */
public sealed interface LearningRate {
  /** Factor of step t, from 0 to 1. */
  double factor(long t);

  /** 1 throughout. */
  static LearningRate constant() {
    return new Constant(0);
  }

  /** t/W for t &lt; W, then half a cosine down to 0 at {@code steps}; W = ceil(ratio * steps). */
  static LearningRate cosine(long steps, double warmupRatio) {
    return new Cosine(warmup(steps, warmupRatio), steps);
  }

  /** t/W for t &lt; W, then a straight line down to 0 at {@code steps}; W = ceil(ratio * steps). */
  static LearningRate linear(long steps, double warmupRatio) {
    return new Linear(warmup(steps, warmupRatio), steps);
  }

  private static long warmup(long steps, double ratio) {
    if (steps < 1 || !(ratio >= 0 && ratio <= 1)) {
      throw new IllegalArgumentException(
          "learning rate: %d steps with a warm-up ratio of %s; need at least 1 step and a ratio"
                  .formatted(steps, ratio)
              + " from 0 to 1");
    }
    return (long) Math.ceil(ratio * steps);
  }

  /**
   * @param warmup W, steps until the factor is 1
   */
  record Constant(long warmup) implements LearningRate {
    @Override
    public double factor(long t) {
      return t < warmup ? (double) t / warmup : 1;
    }
  }

  /**
   * @param warmup W, steps until the factor is 1
   * @param steps S, the step from which the factor is 0
   */
  record Cosine(long warmup, long steps) implements LearningRate {
    @Override
    public double factor(long t) {
      if (t < warmup) return (double) t / warmup;
      if (t >= steps) return 0;
      // StrictMath: a resumed run on another machine must get the same bits.
      return 0.5 * (1 + StrictMath.cos(StrictMath.PI * (t - warmup) / (steps - warmup)));
    }
  }

  /**
   * @param warmup W, steps until the factor is 1
   * @param steps S, the step from which the factor is 0
   */
  record Linear(long warmup, long steps) implements LearningRate {
    @Override
    public double factor(long t) {
      if (t < warmup) return (double) t / warmup;
      return t >= steps ? 0 : (double) (steps - t) / (steps - warmup);
    }
  }
}
