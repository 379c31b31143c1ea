package dev.theriac.moe;

import dev.theriac.nn.Parameter;
import dev.theriac.op.RecomputeOp;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.StepReport;
import dev.theriac.train.TrainingListener;
import java.util.Arrays;

/**
 * Keeps the load of a router's experts even without a loss (Wang et al. 2024, "Auxiliary-loss-free
 * load balancing strategy for mixture-of-experts", algorithm 1): after each optimiser step the bias
 * of an expert with fewer tokens than the mean rises by a fixed rate, that of one with more falls;
 * then the mean bias is taken away from all, which changes no choice.
 *
 * <p>Counts of a step are collected from its routings, all micro-batches of it, before anything is
 * dropped; filling does not count. Routings made in evaluation are left out, and so is what a
 * recomputed block counts when it runs for the second time. The bias itself is a buffer of the
 * router, so that it is in its checkpoints; between two steps there is nothing else to save. Not
 * thread-safe.
 */
public final class CorrectionBias {
  private final Parameter bias;
  private final double rate;
  private final long[] counts;

  /**
   * @param rate added or taken at each step; 0.001 in DeepSeek-V3
   * @throws IllegalArgumentException when the router has no correction bias
   */
  public CorrectionBias(Router router, double rate) {
    if (router.correctionBias() == null) {
      throw new IllegalArgumentException(
          "correction bias: the router has none; build it with correctionBias(true)");
    }
    if (!(rate >= 0) || Double.isInfinite(rate)) {
      throw new IllegalArgumentException("correction bias: rate %s".formatted(rate));
    }
    this.bias = router.correctionBias();
    this.rate = rate;
    counts = new long[router.experts()];
  }

  /**
   * Counts the choices of one micro-batch; nothing for a routing made in evaluation, nor
   * {@linkplain RecomputeOp#isRecomputing while a block is recomputed}, so that it may be called
   * inside one.
   */
  public void count(Routing routing) {
    if (!routing.training() || RecomputeOp.isRecomputing()) return;
    long[] more = Losses.counts(routing);
    for (int e = 0; e < counts.length; e++) counts[e] += more[e];
  }

  /** Choices counted since the last {@link #step}, by expert. */
  public long[] counts() {
    return counts.clone();
  }

  /** Moves the bias and starts counting anew; leaves it alone when nothing was counted. */
  public void step() {
    long total = Arrays.stream(counts).sum();
    if (total > 0) {
      float[] values = bias.value().toFloats();
      double[] moved = new double[values.length];
      for (int e = 0; e < moved.length; e++) {
        // sign(mean - count), without a division
        moved[e] = values[e] + rate * Long.signum(total - counts[e] * counts.length);
      }
      double mean = Arrays.stream(moved).sum() / moved.length;
      for (int e = 0; e < moved.length; e++) values[e] = (float) (moved[e] - mean);
      bias.set(Tensor.of(bias.device(), values));
    }
    Arrays.fill(counts, 0);
  }

  /** Calls {@link #step} after each optimiser step of a trainer, before its checkpoint. */
  public TrainingListener afterEachStep() {
    return new TrainingListener() {
      @Override
      public void onStep(StepReport report) {
        step();
      }
    };
  }
}
