package dev.theriac.cli.result;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.theriac.cli.report.ReportData.ModalityScore;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.io.AtomicFile;
import dev.theriac.moe.medmoe.metrics.VqaReport;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Scores of {@code eval}, as {@code --json FILE} writes them. Shares lie in 0 to 1. What there was
 * no question for is left out.
 *
 * @param seconds wall time of the answers
 * @param closedAccuracy share of closed questions answered right
 * @param openRecall mean recall of open questions
 * @param parametersTotal parameters of the whole model
 * @param parametersActive parameters that one token meets
 * @param modalities the scores by modality
 * @param published the same answers under the names of the published script, in percent
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record EvalResult(
    double seconds,
    Double closedAccuracy,
    Double openRecall,
    long parametersTotal,
    long parametersActive,
    Map<String, ResultTable.Modality> modalities,
    Map<String, Double> published) {

  /** Takes the figures over; what is NaN is left out. */
  public static EvalResult of(Scores scores, VqaReport report, double seconds) {
    Map<String, ResultTable.Modality> modalities = new LinkedHashMap<>();
    for (ModalityScore m : scores.modalities()) {
      modalities.put(
          m.modality(),
          new ResultTable.Modality(
              m.closedQuestions(),
              orNull(m.closedAccuracy()),
              m.openQuestions(),
              orNull(m.openRecall())));
    }
    Map<String, Double> published = new LinkedHashMap<>(report.rows());
    published.values().removeIf(v -> Double.isNaN(v));
    return new EvalResult(
        seconds,
        orNull(scores.closedAccuracy()),
        orNull(scores.openRecall()),
        scores.parametersTotal(),
        scores.parametersActive(),
        modalities,
        published);
  }

  private static Double orNull(double value) {
    return Double.isNaN(value) ? null : value;
  }

  /** Writes the scores whole or not at all. */
  public void write(Path file) {
    AtomicFile.write(
        file, ResultJson.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n");
  }
}
