package dev.theriac.moe.medmoe.metrics;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Averages over a test set, in percent; NaN where there is no question of the kind.
 *
 * @param open number of open questions
 * @param closed number of closed questions
 * @param exactMatch open questions, {@link AnswerScore#exactMatch}
 * @param f1 open questions, {@link AnswerScore#f1}
 * @param precision open questions, {@link AnswerScore#precision}
 * @param recall open questions, {@link AnswerScore#recall}; the published tables' "open" column
 * @param bleu1 open questions, {@link AnswerScore#bleu1}
 * @param bleu2 open questions, {@link AnswerScore#bleu2}
 * @param bleu3 open questions, {@link AnswerScore#bleu3}
 * @param closedAccuracy closed questions, {@link AnswerScore#contained}; the published tables'
 *     "closed" column
 * @param closedF1 closed questions, {@link AnswerScore#f1}
 * @param closedPrecision closed questions, {@link AnswerScore#precision}
 * @param closedRecall closed questions, {@link AnswerScore#recall}
 * @param strictClosedAccuracy closed questions, {@link AnswerScore#strict}
 */
public record VqaReport(
    int open,
    int closed,
    double exactMatch,
    double f1,
    double precision,
    double recall,
    double bleu1,
    double bleu2,
    double bleu3,
    double closedAccuracy,
    double closedF1,
    double closedPrecision,
    double closedRecall,
    double strictClosedAccuracy) {

  /** Values by the names and in the order of the published script, the strict accuracy last. */
  public Map<String, Double> rows() {
    Map<String, Double> rows = new LinkedHashMap<>();
    rows.put("Exact Match Score", exactMatch);
    rows.put("F1 Score", f1);
    rows.put("Precision", precision);
    rows.put("Recall", recall);
    rows.put("BLEU Score (Weight 1)", bleu1);
    rows.put("BLEU Score (Weight 2)", bleu2);
    rows.put("BLEU Score (Weight 3)", bleu3);
    rows.put("yes/no accuracy", closedAccuracy);
    rows.put("Closed F1 Score", closedF1);
    rows.put("Closed Precision", closedPrecision);
    rows.put("Closed Recall", closedRecall);
    rows.put("yes/no accuracy (strict)", strictClosedAccuracy);
    return rows;
  }
}
