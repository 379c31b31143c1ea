package dev.theriac.moe.medmoe.metrics;

import dev.theriac.moe.medmoe.data.AnswerType;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * Gathers scored answers and averages them.
 *
 * <p>For one thread. Averages are taken in the order in which answers were added, so the same
 * answers give the same bits.
 */
public final class VqaMetrics {
  private final List<AnswerScore> open = new ArrayList<>();
  private final List<AnswerScore> closed = new ArrayList<>();

  /** Scores one answer and returns its scores. */
  public AnswerScore add(String answer, String reference, AnswerType type) {
    AnswerScore score = AnswerScore.of(answer, reference);
    switch (type) {
      case OPEN -> open.add(score);
      case CLOSED -> closed.add(score);
    }
    return score;
  }

  /** Averages over what was added so far. */
  public VqaReport report() {
    return new VqaReport(
        open.size(),
        closed.size(),
        percent(open, AnswerScore::exactMatch),
        percent(open, AnswerScore::f1),
        percent(open, AnswerScore::precision),
        percent(open, AnswerScore::recall),
        percent(open, AnswerScore::bleu1),
        percent(open, AnswerScore::bleu2),
        percent(open, AnswerScore::bleu3),
        percent(closed, score -> score.contained() ? 1 : 0),
        percent(closed, AnswerScore::f1),
        percent(closed, AnswerScore::precision),
        percent(closed, AnswerScore::recall),
        percent(closed, score -> score.strict() ? 1 : 0));
  }

  private static double percent(List<AnswerScore> scores, ToDoubleFunction<AnswerScore> value) {
    double sum = 0;
    for (AnswerScore score : scores) {
      sum += value.applyAsDouble(score);
    }
    return 100 * sum / scores.size();
  }
}
