package dev.theriac.llm.quantised;

import dev.theriac.llm.Decoder;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * How far the predictions of a decoder are from those of another, of which it is an approximation:
 * both read the same tokens, and the logits after each are compared, summed in float64.
 *
 * @param tokens tokens read
 * @param predicted tokens that were there to be predicted: all but the first of each row
 * @param meanRelative mean over positions of the Euclidean distance of the logits over the norm of
 *     the reference's
 * @param maxRelative largest of those
 * @param meanDivergence mean Kullback-Leibler divergence of the distributions from the reference's,
 *     in nats
 * @param maxDivergence largest of those
 * @param topAgreement share of positions at which both find the same token likeliest
 * @param loss mean cross-entropy of the reference over the tokens that were there, in nats; NaN
 *     when none was
 * @param approximateLoss that of the approximation
 */
public record AccuracyLoss(
    long tokens,
    long predicted,
    double meanRelative,
    double maxRelative,
    double meanDivergence,
    double maxDivergence,
    double topAgreement,
    double loss,
    double approximateLoss) {
  /** Perplexity of the reference. */
  public double perplexity() {
    return Math.exp(loss);
  }

  /** Perplexity of the approximation. */
  public double approximatePerplexity() {
    return Math.exp(approximateLoss);
  }

  /**
   * Tokens cut into rows.
   *
   * @param window tokens of a row
   * @param limit tokens in all; what is beyond is left out
   */
  public static List<int[]> rows(int[] tokens, int window, int limit) {
    List<int[]> rows = new ArrayList<>();
    int end = Math.min(tokens.length, limit);
    for (int at = 0; at < end; at += window) {
      rows.add(Arrays.copyOfRange(tokens, at, Math.min(end, at + window)));
    }
    return rows;
  }

  /** Tokens drawn evenly from a vocabulary, the same for the same seed. */
  public static int[] random(int count, int vocabulary, long seed) {
    int[] out = new int[count];
    try (Scope _ = Scope.open()) {
      float[] drawn = Tensor.uniform(new Rng(seed), 0, 1, count).toFloats();
      for (int i = 0; i < count; i++) {
        out[i] = (int) Math.min(vocabulary - 1, (long) (drawn[i] * (double) vocabulary));
      }
    }
    return out;
  }

  /**
   * Compares.
   *
   * @param rows token ids, one text each; empty rows are left out
   * @param done receives the number of rows done
   * @throws IllegalArgumentException when there is no token, or one of the vocabularies has not all
   */
  public static AccuracyLoss of(
      Decoder reference, Decoder approximation, List<int[]> rows, IntConsumer done) {
    Sums sums = new Sums();
    for (int i = 0; i < rows.size(); i++) {
      int[] row = rows.get(i);
      if (row.length > 0) {
        try (Scope _ = Scope.open()) {
          sums.add(logits(reference, row), logits(approximation, row), row);
        }
      }
      done.accept(i + 1);
    }
    if (sums.tokens == 0) throw new IllegalArgumentException("accuracy: no token to read");
    return sums.result();
  }

  private static Tensor logits(Decoder decoder, int[] row) {
    long[] ids = new long[row.length];
    long[] positions = new long[row.length];
    for (int i = 0; i < row.length; i++) {
      if (row[i] < 0 || row[i] >= decoder.config().vocabulary()) {
        throw new IllegalArgumentException(
            "accuracy: token %d; the vocabulary has 0 to %d"
                .formatted(row[i], decoder.config().vocabulary() - 1));
      }
      ids[i] = row[i];
      positions[i] = i;
    }
    return Autograd.noGrad(() ->
        Scope.call(() -> {
          Tensor x = decoder.embed(Tensor.of(ids, 1, row.length));
          Tensor at = Tensor.of(positions, 1, row.length);
          Tensor hidden = decoder.forward(x, at, null, null, false).hidden();
          return decoder.logits(hidden).contiguous().to(Device.CPU);
        }));
  }

  /** Sums in the order of the positions. */
  private static final class Sums {
    private long tokens;
    private long predicted;
    private double relative;
    private double maxRelative;
    private double divergence;
    private double maxDivergence;
    private long agreed;
    private double loss;
    private double approximateLoss;

    void add(Tensor reference, Tensor approximation, int[] row) {
      int vocabulary = Math.toIntExact(reference.size(-1));
      long a = reference.strided().address();
      long b = approximation.strided().address();
      for (int t = 0; t < row.length; t++) {
        long offset = 4L * t * vocabulary;
        position(a + offset, b + offset, vocabulary, t + 1 < row.length ? row[t + 1] : -1);
      }
      Reference.reachabilityFence(reference);
      Reference.reachabilityFence(approximation);
    }

    private void position(long a, long b, int vocabulary, int next) {
      double distance = 0;
      double norm = 0;
      int topA = 0;
      int topB = 0;
      for (int i = 1; i < vocabulary; i++) {
        if (value(a, i) > value(a, topA)) topA = i;
        if (value(b, i) > value(b, topB)) topB = i;
      }
      double maxA = value(a, topA);
      double maxB = value(b, topB);
      double sumA = 0;
      double sumB = 0;
      for (int i = 0; i < vocabulary; i++) {
        double x = value(a, i);
        double y = value(b, i);
        distance += (x - y) * (x - y);
        norm += x * x;
        sumA += Math.exp(x - maxA);
        sumB += Math.exp(y - maxB);
      }
      double logA = maxA + Math.log(sumA);
      double logB = maxB + Math.log(sumB);
      double kl = 0;
      for (int i = 0; i < vocabulary; i++) {
        double log = value(a, i) - logA;
        kl += Math.exp(log) * (log - (value(b, i) - logB));
      }
      kl = Math.max(0, kl);
      double far = norm == 0 ? 0 : Math.sqrt(distance / norm);
      tokens++;
      relative += far;
      maxRelative = Math.max(maxRelative, far);
      divergence += kl;
      maxDivergence = Math.max(maxDivergence, kl);
      if (topA == topB) agreed++;
      if (next < 0) return;
      predicted++;
      loss += logA - value(a, next);
      approximateLoss += logB - value(b, next);
    }

    private static double value(long logits, int i) {
      return Host.getFloat(logits + 4L * i);
    }

    AccuracyLoss result() {
      return new AccuracyLoss(
          tokens,
          predicted,
          relative / tokens,
          maxRelative,
          divergence / tokens,
          maxDivergence,
          (double) agreed / tokens,
          predicted == 0 ? Double.NaN : loss / predicted,
          predicted == 0 ? Double.NaN : approximateLoss / predicted);
    }
  }
}
