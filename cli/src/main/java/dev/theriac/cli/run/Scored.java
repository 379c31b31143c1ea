package dev.theriac.cli.run;

import dev.theriac.cli.report.ReportData.ModalityScore;
import dev.theriac.moe.medmoe.train.Evaluation;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.DoubleStream;

/** Figures of an evaluation. */
public final class Scored {
  private Scored() {}

  /** The scores of each group of samples, in the order of their first ones. */
  public static List<ModalityScore> byGroup(Evaluation evaluation) {
    return evaluation.answers().stream()
        .map(a -> RunData.group(a.sample()))
        .distinct()
        .map(group -> {
          Predicate<Evaluation.Answered> in = a -> RunData.group(a.sample()).equals(group);
          long closed = evaluation.answers().stream().filter(a -> in.test(a) && a.closed()).count();
          long all = evaluation.answers().stream().filter(in).count();
          return new ModalityScore(
              group,
              (int) closed,
              evaluation.closedAccuracy(in),
              (int) (all - closed),
              evaluation.openRecall(in));
        })
        .toList();
  }

  /**
   * One number to choose a model by: the mean of the closed accuracy, in which every answer counts
   * the same however often it is the right one, and the open recall; of those that there are.
   */
  static double quality(Evaluation evaluation) {
    Evaluation closed =
        new Evaluation(evaluation.answers().stream().filter(Evaluation.Answered::closed).toList());
    return DoubleStream.of(closed.balancedAccuracy(), evaluation.openRecall())
        .filter(v -> !Double.isNaN(v))
        .average()
        .orElse(Double.NaN);
  }
}
