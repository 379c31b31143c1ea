package dev.theriac.moe.medmoe.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.moe.medmoe.data.AnswerType;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VqaMetricsTest {
  /** The expected values are printed to four places. */
  private static final Offset<Double> PRINTED = within(5.1e-5);

  /** Values from the published metric scripts with NLTK 3.10.3. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "the left lung | left lung | 1 | 1 | 1 | 1 | .6667 | .5 | .1 | true",
        "left left lung | left lung | .6667 | 1 | 1 | 1 | .6667 | .5 | .1 | true",
        "'' | left lung | 0 | 0 | 0 | 0 | 0 | 0 | 0 | false",
        "right | left lung | 0 | 0 | 0 | 0 | 0 | 0 | 0 | false",
        "x-ray | x ray | 1 | 1 | 1 | 1 | 0 | 0 | 0 | false",
        "3,5 cm | 3.5 cm | .5 | .5 | .5 | .5 | .5 | .1 | .1 | false",
        "one nodule. | 1 nodule | 1 | 1 | 1 | 1 | 0 | 0 | 0 | false",
        "it isnt visible | it isn't visible | 1 | 1 | 1 | 1 | .6667 | .05 | .1 | false",
        "a the an | the | 0 | 0 | 0 | 0 | .3333 | .05 | .1 | true",
        "1,000 cells (a)/b | 1000 cells ab | 1 | 1 | 1 | 1 | .3333 | .05 | .1 | false",
        "left upper lobe of the lung | left lobe | .4 | .5714 | .4 | 1 | .3333 | .02 | .025 |"
            + " false",
        "right lobe | right lobe right | 1 | 1 | 1 | 1 | .6065 | .6065 | .0607 | false",
        "t2 .5 | t2 5 | .5 | .5 | .5 | .5 | .5 | .1 | .1 | false",
        "im fine | i'm fine | .5 | .5 | .5 | .5 | .5 | .1 | .1 | false",
      },
      quoteCharacter = '\0')
  void agreesWithThePublishedScripts(
      String answer,
      String reference,
      double exactMatch,
      double f1,
      double precision,
      double recall,
      double bleu1,
      double bleu2,
      double bleu3,
      boolean contained) {
    AnswerScore score = AnswerScore.of(answer.equals("''") ? "" : answer, reference);
    assertThat(score.exactMatch()).as("exact match").isCloseTo(exactMatch, PRINTED);
    assertThat(score.f1()).as("f1").isCloseTo(f1, PRINTED);
    assertThat(score.precision()).as("precision").isCloseTo(precision, PRINTED);
    assertThat(score.recall()).as("recall").isCloseTo(recall, PRINTED);
    assertThat(score.bleu1()).as("bleu 1").isCloseTo(bleu1, PRINTED);
    assertThat(score.bleu2()).as("bleu 2").isCloseTo(bleu2, PRINTED);
    assertThat(score.bleu3()).as("bleu 3").isCloseTo(bleu3, PRINTED);
    assertThat(score.contained()).as("contained").isEqualTo(contained);
  }

  @ParameterizedTest
  @CsvSource({
    "Yes, yes, true, true",
    "yes., yes, true, true",
    "normal, no, true, false",
    "not sure, no, true, false",
    "yes or no, yes, true, false",
    "No there is none, no, true, true",
    "'', no, false, false",
    "left lung, left, true, false",
    "the left, left, true, true"
  })
  void readsClosedAnswersLooselyAndStrictly(
      String answer, String reference, boolean contained, boolean strict) {
    AnswerScore score = AnswerScore.of(answer, reference);
    assertThat(score.contained()).isEqualTo(contained);
    assertThat(score.strict()).isEqualTo(strict);
  }

  @Test
  void averagesOpenAndClosedApart() {
    VqaMetrics metrics = new VqaMetrics();
    metrics.add("left lung", "left lung", AnswerType.OPEN);
    metrics.add("right", "left lung", AnswerType.OPEN);
    metrics.add("normal", "no", AnswerType.CLOSED);
    metrics.add("yes", "yes", AnswerType.CLOSED);
    metrics.add("yes", "no", AnswerType.CLOSED);
    VqaReport report = metrics.report();
    assertThat(report.open()).isEqualTo(2);
    assertThat(report.closed()).isEqualTo(3);
    assertThat(report.recall()).isEqualTo(50);
    assertThat(report.closedAccuracy()).isCloseTo(200 / 3.0, within(1e-12));
    assertThat(report.strictClosedAccuracy()).isCloseTo(100 / 3.0, within(1e-12));
    assertThat(report.closedF1()).isCloseTo(100 / 3.0, within(1e-12));
    assertThat(report.rows().keySet())
        .containsExactly(
            "Exact Match Score",
            "F1 Score",
            "Precision",
            "Recall",
            "BLEU Score (Weight 1)",
            "BLEU Score (Weight 2)",
            "BLEU Score (Weight 3)",
            "yes/no accuracy",
            "Closed F1 Score",
            "Closed Precision",
            "Closed Recall",
            "yes/no accuracy (strict)");
    assertThat(report.rows()).containsEntry("Recall", 50.0);
  }

  @Test
  void saysNaNWhereNothingWasAsked() {
    VqaMetrics metrics = new VqaMetrics();
    metrics.add("a b", "b", AnswerType.OPEN);
    assertThat(metrics.report().closedAccuracy()).isNaN();
    assertThat(new VqaMetrics().report().recall()).isNaN();
  }
}
