package dev.theriac.cli.run;

import dev.theriac.cli.report.ReportData.ModalityScore;
import dev.theriac.cli.report.ReportData.Scores;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** The table of results as text. */
public final class ResultText {
  private static final String NAME = "%-24s";
  private static final String CELL = "%12s";

  private final PrintWriter out;
  private final List<Scores> models = new ArrayList<>();

  private ResultText(PrintWriter out, Scores moe, Optional<Scores> dense) {
    this.out = out;
    models.add(moe);
    dense.ifPresent(models::add);
  }

  /**
   * Prints the scores of one or two models side by side.
   *
   * @param seconds of the whole run
   */
  static void print(PrintWriter out, Scores moe, Optional<Scores> dense, double seconds) {
    ResultText text = new ResultText(out, moe, dense);
    text.accuracies();
    text.row("router accuracy", s -> share(s.routerAccuracy()));
    text.sizes();
    text.row("training tokens/s", s -> String.format(Locale.ROOT, "%,.0f", s.tokensPerSecond()));
    text.row("training time", s -> time(s.seconds()));
    out.printf(NAME + CELL + "%n", "time of the whole run", time(seconds));
    out.flush();
  }

  /** Prints the scores of a model that was not trained here. */
  public static void print(PrintWriter out, Scores scores) {
    ResultText text = new ResultText(out, scores, Optional.empty());
    text.accuracies();
    text.sizes();
    out.flush();
  }

  private void accuracies() {
    row("", Scores::name);
    rows("closed accuracy", Scores::closedAccuracy, ModalityScore::closedAccuracy);
    rows("open recall", Scores::openRecall, ModalityScore::openRecall);
  }

  private void sizes() {
    row("parameters in all", s -> String.format(Locale.ROOT, "%,d", s.parametersTotal()));
    row("  active for a token", s -> String.format(Locale.ROOT, "%,d", s.parametersActive()));
  }

  private void rows(
      String name, ToDoubleFunction<Scores> all, ToDoubleFunction<ModalityScore> one) {
    if (models.stream().allMatch(m -> Double.isNaN(all.applyAsDouble(m)))) return;
    row(name, s -> share(all.applyAsDouble(s)));
    int groups = models.getFirst().modalities().size();
    for (int i = 0; groups > 1 && i < groups; i++) {
      int group = i;
      String label = "  " + models.getFirst().modalities().get(i).modality();
      row(label, s -> share(one.applyAsDouble(s.modalities().get(group))));
    }
  }

  private void row(String name, Function<Scores, String> value) {
    out.printf(NAME, name);
    for (Scores model : models) out.printf(CELL, value.apply(model));
    out.println();
  }

  private static String share(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.3f", value);
  }

  private static String time(double seconds) {
    return seconds < 60
        ? String.format(Locale.ROOT, "%.1f s", seconds)
        : String.format(Locale.ROOT, "%d:%02d min", (long) seconds / 60, (long) seconds % 60);
  }
}
