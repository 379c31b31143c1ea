package dev.theriac.cli.report;

import dev.theriac.cli.report.ReportData.Answer;
import dev.theriac.cli.report.ReportData.LossChart;
import dev.theriac.cli.report.ReportData.ModalityScore;
import dev.theriac.cli.report.ReportData.Routing;
import dev.theriac.cli.report.ReportData.Sample;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.cli.report.ReportData.Setting;
import dev.theriac.cli.report.ReportData.StagePlan;
import dev.theriac.io.AtomicFile;
import dev.theriac.vision.image.Images;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.function.Function;

/**
 * Writes what a training run did and reached as one HTML file that needs nothing else: no script,
 * no font, no picture from elsewhere. It follows the reader's light or dark scheme and prints on
 * paper.
 */
public final class Report extends PageWriter {
  private final ReportData data;
  private final List<Scores> models = new ArrayList<>();

  private Report(ReportData data) {
    this.data = data;
    models.add(data.moe());
    data.dense().ifPresent(models::add);
  }

  /**
   * Writes the report, replacing a file that is there.
   *
   * @throws dev.theriac.io.FileException if the file cannot be written; an earlier one is intact
   */
  public static void write(ReportData data, Path file) {
    AtomicFile.write(file, html(data));
  }

  /** The report as text. */
  public static String html(ReportData data) {
    return new Report(data).text();
  }

  @Override
  void page() {
    head(data.title());
    add("<style>" + styleSheet("report.css") + "</style></head><body><main>");
    add("<header><h1>%s</h1>", Html.escape(data.title()));
    add("<p class=\"note\">%s</p></header>", Html.escape(data.note()));
    tiles();
    summary();
    results();
    parameters();
    losses();
    data.routing().ifPresent(this::routing);
    samples();
    add("</main></body></html>");
  }

  private void tiles() {
    add("<div class=\"tiles\">");
    tile("Closed accuracy", s -> Html.percent(s.closedAccuracy()));
    tile("Open recall", s -> Html.percent(s.openRecall()));
    tile("Router accuracy", s -> Html.percent(s.routerAccuracy()));
    tile("Parameters per token", s -> Html.shortCount(s.parametersActive()));
    tile("Training time", s -> Html.seconds(s.seconds()));
    add("</div>");
  }

  private void tile(String name, Function<Scores, String> value) {
    add("<div class=\"tile\"><div class=\"name\">%s</div>", Html.escape(name));
    add("<div class=\"value\">%s</div>", value.apply(data.moe()));
    for (Scores other : models.subList(1, models.size())) {
      String text = value.apply(other);
      if (!text.equals(Html.DASH)) {
        add("<div class=\"other\">%s %s</div>", Html.escape(other.name()), text);
      }
    }
    add("</div>");
  }

  private void summary() {
    section("run", "The run");
    add("<div class=\"wide\"><table><thead><tr><th>Stage</th><th>Trains</th><th>Frozen</th>");
    add("<th class=\"n\">Trainable</th><th class=\"n\">Steps</th><th class=\"n\">Time</th>");
    add("</tr></thead><tbody>");
    for (StagePlan stage : data.plan()) {
      add(
          "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td>"
              + "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>",
          Html.escape(stage.stage()),
          Html.escape(stage.trains()),
          Html.escape(stage.frozen()),
          Html.count(stage.trainable()),
          Html.count(stage.steps()),
          Html.seconds(stage.seconds()));
    }
    add("</tbody></table></div>");
    add("<dl>");
    for (Setting setting : data.configuration()) {
      add(
          "<div><dt>%s</dt><dd>%s</dd></div>",
          Html.escape(setting.name()), Html.escape(setting.value()));
    }
    add("</dl></section>");
  }

  private void results() {
    section("results", "Results by modality");
    add("<div class=\"wide\"><table><thead><tr><th rowspan=\"2\">Modality</th>");
    add("<th class=\"g\" colspan=\"%d\">Closed accuracy</th>", models.size() + 1);
    add("<th class=\"g\" colspan=\"%d\">Open recall</th></tr><tr>", models.size() + 1);
    for (int half = 0; half < 2; half++) {
      add("<th class=\"n g\">Questions</th>");
      for (Scores model : models) {
        add("<th class=\"n\">%s</th>", Html.escape(model.name()));
      }
    }
    add("</tr></thead><tbody>");
    for (int i = 0; i < data.moe().modalities().size(); i++) {
      int row = i;
      List<ModalityScore> scores = models.stream().map(m -> m.modalities().get(row)).toList();
      ModalityScore first = scores.getFirst();
      add("<tr><th scope=\"row\">%s</th>", Html.escape(first.modality()));
      cells(first.closedQuestions(), scores.stream().map(ModalityScore::closedAccuracy).toList());
      cells(first.openQuestions(), scores.stream().map(ModalityScore::openRecall).toList());
      add("</tr>");
    }
    List<ModalityScore> all = data.moe().modalities();
    add("</tbody><tfoot><tr><th scope=\"row\">All</th>");
    cells(
        all.stream().mapToInt(ModalityScore::closedQuestions).sum(),
        models.stream().map(Scores::closedAccuracy).toList());
    cells(
        all.stream().mapToInt(ModalityScore::openQuestions).sum(),
        models.stream().map(Scores::openRecall).toList());
    add("</tr></tfoot></table></div></section>");
  }

  /** The number of questions and the score of each model; the best is marked. */
  private void cells(long questions, List<Double> scores) {
    add("<td class=\"n g\">%s</td>", Html.count(questions));
    double best = scores.stream().filter(s -> !s.isNaN()).max(Double::compare).orElse(2.0);
    for (double score : scores) {
      boolean mark = scores.size() > 1 && score == best;
      add("<td class=\"n%s\">%s</td>", mark ? " best" : "", Html.percent(score));
    }
  }

  private void parameters() {
    section("parameters", "Models");
    add("<div class=\"wide\"><table><thead><tr><th></th>");
    models.forEach(m -> add("<th class=\"n\">%s</th>", Html.escape(m.name())));
    add("</tr></thead><tbody>");
    row("Parameters in all", m -> Html.count(m.parametersTotal()));
    row("Parameters activated per token", m -> Html.count(m.parametersActive()));
    row("Router accuracy", m -> Html.percent(m.routerAccuracy()));
    row("Training tokens per second", m -> Html.shortCount(m.tokensPerSecond()));
    row("Training time", m -> Html.seconds(m.seconds()));
    add("</tbody></table></div></section>");
  }

  private void row(String name, Function<Scores, String> value) {
    add("<tr><th scope=\"row\">%s</th>", name);
    models.forEach(m -> add("<td class=\"n\">%s</td>", value.apply(m)));
    add("</tr>");
  }

  private void losses() {
    section("losses", "Loss curves");
    add("<div class=\"charts\">");
    for (LossChart chart : data.losses()) {
      add("<figure><figcaption>%s", Html.escape(chart.title()));
      if (chart.curves().size() > 1) {
        for (int i = 0; i < chart.curves().size(); i++) {
          add(
              "<span class=\"key k%d\">%s</span>",
              i % 4 + 1, Html.escape(chart.curves().get(i).name()));
        }
      }
      add("</figcaption>");
      add(LineChart.svg(chart) + "</figure>");
    }
    add("</div></section>");
  }

  private void routing(Routing routing) {
    section("routing", "Routing");
    add(
        "<p>Share of the tokens of each modality that each expert gets, layer by layer, in"
            + " %.</p>");
    add("<div class=\"maps\">");
    for (int m = 0; m < routing.modalities().size(); m++) {
      add("<table class=\"map\"><caption>%s</caption>", Html.escape(routing.modalities().get(m)));
      add("<thead><tr><th>Layer</th>");
      routing.experts().forEach(e -> add("<th>%s</th>", Html.escape(e)));
      add("</tr></thead><tbody>");
      for (int l = 0; l < routing.layers().size(); l++) {
        add("<tr><th scope=\"row\">%d</th>", routing.layers().get(l));
        for (double share : routing.shares().get(m).get(l)) {
          boolean strong = share > 0.7;
          add(
              "<td%s style=\"--share:%.0f%%\">%.0f</td>",
              strong ? " class=\"strong\"" : "", share * 100, share * 100);
        }
        add("</tr>");
      }
      add("</tbody></table>");
    }
    add("</div></section>");
  }

  private void samples() {
    section("samples", "Sample questions");
    add("<div class=\"cards\">");
    for (Sample sample : data.samples()) {
      String png = Base64.getEncoder().encodeToString(Images.encodePng(sample.image()));
      add(
          "<article><img alt=\"%s\" src=\"data:image/png;base64,%s\"/>",
          Html.escape(sample.modality()), png);
      add("<div><p class=\"name\">%s</p>", Html.escape(sample.modality()));
      add("<p class=\"question\">%s</p><dl>", Html.escape(sample.question()));
      add("<dt>Reference</dt><dd>%s</dd>", Html.escape(sample.reference()));
      for (Answer answer : sample.answers()) {
        add(
            "<dt>%s</dt><dd class=\"%s\"><span class=\"mark\">%s</span> %s</dd>",
            Html.escape(answer.model()),
            answer.right() ? "right" : "wrong",
            answer.right() ? "✓" : "✗",
            answer.text().isBlank() ? "<em>no answer</em>" : Html.escape(answer.text()));
      }
      add("</dl></div></article>");
    }
    add("</div></section>");
  }
}
