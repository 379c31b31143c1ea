package dev.theriac.cli.run;

import dev.theriac.cli.report.ReportData.ModalityScore;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.result.StepMetrics;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.train.Evaluation;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Puts the figures of a trained model together. */
final class RunScores {
  private RunScores() {}

  /**
   * @param last name of the model's own last stage in the log
   */
  static Scores of(
      String name,
      String last,
      MedMoe model,
      Evaluation evaluation,
      double routerAccuracy,
      List<StepMetrics> steps) {
    double tokens = 0;
    double seconds = 0;
    for (String stage : List.of("align", "instruct", last)) {
      double at = 0;
      for (StepMetrics step : steps) {
        if (!step.stage().equals(stage)) continue;
        tokens += step.tokensPerSecond() * (step.seconds() - at);
        at = step.seconds();
      }
      seconds += at;
    }
    return new Scores(
        name,
        Scored.byGroup(evaluation),
        evaluation.closedAccuracy(),
        evaluation.openRecall(),
        routerAccuracy,
        model.parameterCount(),
        model.activeParameters(),
        tokens / seconds,
        seconds);
  }

  /** The seconds of a stage by the log; NaN if it has no steps. */
  static double seconds(List<StepMetrics> steps, String stage) {
    return steps.stream()
        .filter(s -> s.stage().equals(stage))
        .mapToDouble(StepMetrics::seconds)
        .max()
        .orElse(Double.NaN);
  }

  /**
   * @param seconds of the whole run
   * @param classified whether the closed questions are those of a classification
   */
  static ResultTable table(Scores moe, Optional<Scores> dense, double seconds, boolean classified) {
    return table(
        moe,
        seconds,
        classified,
        dense.map(d -> table(d, d.seconds(), classified, null)).orElse(null));
  }

  private static ResultTable table(
      Scores s, double seconds, boolean classified, ResultTable dense) {
    Map<String, ResultTable.Modality> modalities = new LinkedHashMap<>();
    for (ModalityScore m : s.modalities()) {
      modalities.put(
          m.modality(),
          new ResultTable.Modality(
              m.closedQuestions(),
              orNull(m.closedAccuracy()),
              m.openQuestions(),
              orNull(m.openRecall())));
    }
    return new ResultTable(
        seconds,
        orNull(s.closedAccuracy()),
        orNull(s.openRecall()),
        orNull(s.routerAccuracy()),
        classified ? orNull(s.closedAccuracy()) : null,
        s.parametersTotal(),
        s.parametersActive(),
        s.tokensPerSecond(),
        modalities,
        dense);
  }

  private static Double orNull(double value) {
    return Double.isNaN(value) ? null : value;
  }
}
