package dev.theriac.cli.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.cli.report.ReportData.Answer;
import dev.theriac.cli.report.ReportData.LossChart;
import dev.theriac.cli.report.ReportData.LossCurve;
import dev.theriac.cli.report.ReportData.ModalityScore;
import dev.theriac.cli.report.ReportData.Routing;
import dev.theriac.cli.report.ReportData.Sample;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.cli.report.ReportData.Setting;
import dev.theriac.cli.report.ReportData.StagePlan;
import dev.theriac.io.FileException;
import dev.theriac.moe.medmoe.data.Phantom;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.data.Question;
import dev.theriac.vision.image.Images;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class ReportTest {
  /** Text that would break a page that forgot to escape it. */
  private static final String NASTY = "<b>&\"'</b> \u0001 \uD800";

  @Test
  void hasEverySectionAndParses() throws Exception {
    Document page = parse(Report.html(sample()));
    List<String> ids = new ArrayList<>();
    for (Element section : all(page, "section")) {
      ids.add(section.getAttribute("id"));
      assertThat(all(section, "h2")).hasSize(1);
    }
    assertThat(ids).containsExactly("run", "results", "parameters", "losses", "routing", "samples");
    assertThat(all(page, "svg")).hasSize(3);
    assertThat(all(page, "article")).hasSize(12);
  }

  @Test
  void needsNothingFromElsewhere() {
    String html = Report.html(sample());
    assertThat(html.replace("http://www.w3.org/2000/svg", ""))
        .doesNotContainIgnoringCase("http:")
        .doesNotContainIgnoringCase("https:")
        .doesNotContainIgnoringCase("<script")
        .doesNotContainIgnoringCase("<link")
        .doesNotContainIgnoringCase("@import")
        .doesNotContainIgnoringCase("url(")
        .doesNotContain("file:");
  }

  @Test
  void showsTheScoresOfBothModelsAndTheTotals() throws Exception {
    Document page = parse(Report.html(sample()));
    Element results = section(page, "results");
    List<List<String>> rows = rows(results);
    assertThat(rows.get(2))
        .containsExactly("CT", "120", "95.0 %", "91.0 %", "80", "88.0 %", "81.0 %");
    assertThat(rows.getLast())
        .containsExactly("All", "480", "94.1 %", "90.2 %", "320", "87.5 %", "80.3 %");
    assertThat(rows(section(page, "parameters")))
        .contains(
            List.of("Parameters in all", "1\u202F234\u202F567", "456\u202F789"),
            List.of("Router accuracy", "98.8 %", "–"));
    assertThat(rows(section(page, "run")).get(1))
        .containsExactly(
            "ALIGN", "projector, encoder", "language model", "123\u202F456", "300", "21.5 s");
  }

  @Test
  void theHeatMapHasACellForEveryModalityLayerAndExpert() throws Exception {
    Element routing = section(parse(Report.html(sample())), "routing");
    assertThat(all(routing, "table")).hasSize(4);
    List<Element> cells = all(routing, "td");
    assertThat(cells).hasSize(4 * 2 * 4);
    assertThat(cells.getFirst().getTextContent()).isEqualTo("91");
    assertThat(cells.getFirst().getAttribute("style")).isEqualTo("--share:91%");
  }

  @Test
  void samplesShowTheirPictureAndMarkAnswers() throws Exception {
    ReportData data = sample();
    Element samples = section(parse(Report.html(data)), "samples");
    String source = all(samples, "img").getFirst().getAttribute("src");
    String prefix = "data:image/png;base64,";
    assertThat(source).startsWith(prefix);
    byte[] png = Base64.getDecoder().decode(source.substring(prefix.length()));
    assertThat(Images.decode(png, "sample")).isEqualTo(data.samples().getFirst().image());
    assertThat(samples.getTextContent()).contains("✓").contains("✗").contains("no answer");
  }

  @Test
  void textOfModelsIsEscaped() throws Exception {
    ReportData plain = sample();
    ReportData data =
        new ReportData(
            NASTY,
            NASTY,
            List.of(new Setting(NASTY, NASTY)),
            List.of(new StagePlan(NASTY, NASTY, NASTY, 1, 1, Double.NaN)),
            plain.moe(),
            Optional.empty(),
            List.of(new LossChart(NASTY, List.of(new LossCurve(NASTY, List.of(1.0, 2.0))))),
            Optional.empty(),
            List.of(
                new Sample(
                    plain.samples().getFirst().image(),
                    NASTY,
                    NASTY,
                    NASTY,
                    List.of(new Answer(NASTY, NASTY, false)))));
    Document page = parse(Report.html(data));
    assertThat(all(page, "b")).isEmpty();
    assertThat(all(page, "h1").getFirst().getTextContent()).isEqualTo("<b>&\"'</b> \uFFFD \uFFFD");
  }

  @Test
  void emptyAndOddNumbersAreDrawnOrLeftOut() throws Exception {
    ReportData plain = sample();
    Scores nothing = new Scores("MoE", List.of(), Double.NaN, Double.NaN, Double.NaN, 0, 0, 0, 0);
    List<Double> broken = List.of(Double.NaN, 2.0, Double.POSITIVE_INFINITY, 1.0);
    ReportData data =
        new ReportData(
            "t",
            "n",
            List.of(),
            List.of(),
            nothing,
            Optional.empty(),
            List.of(
                new LossChart("none", List.of()),
                new LossChart("empty", List.of(new LossCurve("a", List.of()))),
                new LossChart("one", List.of(new LossCurve("a", List.of(0.5)))),
                new LossChart("zero", List.of(new LossCurve("a", List.of(0.0, 0.0)))),
                new LossChart("broken", List.of(new LossCurve("a", broken)))),
            Optional.of(new Routing(List.of(), List.of(), List.of(), List.of())),
            List.of());
    String html = Report.html(data);
    assertThat(all(parse(html), "svg")).hasSize(5);
    assertThat(html).doesNotContain("NaN").doesNotContain("Infinity");
    assertThat(plain.losses()).isNotEmpty();
  }

  @Test
  void longRunsAreThinned() {
    List<Double> losses = new ArrayList<>();
    for (int i = 0; i < 100_000; i++) {
      losses.add(1.0 / (1 + i));
    }
    String svg = LineChart.svg(new LossChart("long", List.of(new LossCurve("a", losses))));
    assertThat(svg.length()).isLessThan(20_000);
  }

  @Test
  void axesStepByOneTwoOrFive() {
    assertThat(LineChart.niceStep(0.9)).isEqualTo(1);
    assertThat(LineChart.niceStep(1)).isEqualTo(1);
    assertThat(LineChart.niceStep(1.1)).isEqualTo(2);
    assertThat(LineChart.niceStep(37)).isEqualTo(50);
    assertThat(LineChart.niceStep(0.06)).isEqualTo(0.1);
  }

  @Test
  void numbersAreShort() {
    assertThat(Html.shortCount(999)).isEqualTo("999");
    assertThat(Html.shortCount(1234)).isEqualTo("1.23 k");
    assertThat(Html.shortCount(3_618_862_144.0)).isEqualTo("3.62 G");
    assertThat(Html.shortCount(999_600)).isEqualTo("1.00 M");
    assertThat(Html.seconds(59.96)).isEqualTo("60.0 s");
    assertThat(Html.seconds(150)).isEqualTo("2 min 30 s");
    assertThat(Html.seconds(7260)).isEqualTo("2 h 01 min");
  }

  @Test
  void wrongShapesAndPlacesAreErrors(@TempDir Path folder) throws IOException {
    assertThatThrownBy(
            () -> new Routing(List.of("CT"), List.of(0), List.of("0", "1"), List.of(List.of())))
        .hasMessageContaining("1 modalities x 1 layers x 2 experts");
    ReportData data = sample();
    Scores other = new Scores("Dense", List.of(), 1, 1, 1, 1, 1, 1, 1);
    assertThatThrownBy(() ->
            new ReportData(
                "t",
                "n",
                List.of(),
                List.of(),
                data.moe(),
                Optional.of(other),
                List.of(),
                Optional.empty(),
                List.of()))
        .hasMessageContaining("MoE has scores for [CT, MRI, X-ray, pathology], Dense for []");
    Path nowhere = Files.writeString(folder.resolve("file"), "x").resolve("report.html");
    assertThatThrownBy(() -> Report.write(sample(), nowhere))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(nowhere.toString());
  }

  /** Writes target/report.html, to be looked at in a browser. */
  @Test
  void writesTheFile() throws IOException {
    Path file = Path.of("target", "report.html");
    Files.createDirectories(file.getParent());
    Report.write(sample(), file);
    assertThat(Files.readString(file)).isEqualTo(Report.html(sample()));
  }

  /** Numbers invented for the test. */
  private static ReportData sample() {
    SplittableRandom random = new SplittableRandom(1);
    return new ReportData(
        "Quickstart: a small Med-MoE",
        "Trained from random weights on synthetic phantoms: drawn pictures, not photographs,"
            + " without any medical meaning.",
        List.of(
            new Setting("Seed", "42"),
            new Setting("Back end", "CPU, vector, 512 bits, 2 threads"),
            new Setting("Vision encoder", "ViT, 4 layers, width 128, patch 4, image 32 x 32"),
            new Setting("Language model", "4 layers, width 192, vocabulary 512"),
            new Setting("Experts", "4 + meta expert, top-1, every other layer"),
            new Setting("Data", "6 000 training, 800 test phantoms")),
        List.of(
            new StagePlan("ALIGN", "projector, encoder", "language model", 123456, 300, 21.5),
            new StagePlan("INSTRUCT", "projector, encoder, language model", "–", 456789, 600, 62),
            new StagePlan("MOE", "experts, meta expert, projector", "the rest", 345678, 400, 58)),
        scores("MoE", 0.95, 0.88, 0.941, 0.875, 0.988, 1_234_567, 567_890),
        Optional.of(scores("Dense", 0.91, 0.81, 0.902, 0.803, Double.NaN, 456_789, 456_789)),
        List.of(
            new LossChart("Stage 1: align", List.of(curve(random, "MoE", 300, 4.2, 1.1))),
            new LossChart("Stage 2: instruct", List.of(curve(random, "MoE", 600, 2.4, 0.31))),
            new LossChart(
                "Stage 3: MoE",
                List.of(
                    curve(random, "MoE", 400, 0.42, 0.11),
                    curve(random, "Dense", 400, 0.42, 0.14)))),
        Optional.of(
            new Routing(
                List.of("CT", "MRI", "X-ray", "pathology"),
                List.of(0, 2),
                List.of("E0", "E1", "E2", "E3"),
                shares())),
        samples(random));
  }

  private static Scores scores(
      String name,
      double closed,
      double open,
      double allClosed,
      double allOpen,
      double router,
      long total,
      long active) {
    List<ModalityScore> rows = new ArrayList<>();
    for (String modality : List.of("CT", "MRI", "X-ray", "pathology")) {
      rows.add(new ModalityScore(modality, 120, closed, 80, open));
    }
    return new Scores(name, rows, allClosed, allOpen, router, total, active, 18_350, 141.7);
  }

  private static LossCurve curve(
      SplittableRandom random, String name, int steps, double from, double to) {
    List<Double> losses = new ArrayList<>();
    for (int i = 0; i < steps; i++) {
      double mean = to + (from - to) * Math.exp(-5.0 * i / steps);
      losses.add(mean * random.nextDouble(0.8, 1.2));
    }
    return new LossCurve(name, losses);
  }

  private static List<List<List<Double>>> shares() {
    List<List<List<Double>>> shares = new ArrayList<>();
    for (int m = 0; m < 4; m++) {
      List<List<Double>> rows = new ArrayList<>();
      for (int l = 0; l < 2; l++) {
        List<Double> row = new ArrayList<>();
        for (int e = 0; e < 4; e++) {
          double most = l == 0 ? 0.91 : 0.58;
          row.add(e == m ? most : (1 - most) / 3);
        }
        rows.add(row);
      }
      shares.add(rows);
    }
    return shares;
  }

  private static List<Sample> samples(SplittableRandom random) {
    List<Sample> samples = new ArrayList<>();
    for (Phantom phantom : Phantoms.test(5, 12)) {
      Question question = phantom.questions().get(random.nextInt(phantom.questions().size()));
      boolean denseRight = random.nextInt(3) > 0;
      samples.add(
          new Sample(
              phantom.image(),
              phantom.modality().word(),
              question.text(),
              question.answer(),
              List.of(
                  new Answer("MoE", question.answer(), true),
                  new Answer("Dense", denseRight ? question.answer() : "", denseRight))));
    }
    return samples;
  }

  private static Document parse(String html) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(html.getBytes(StandardCharsets.UTF_8)));
  }

  private static Element section(Document page, String id) {
    return all(page, "section").stream()
        .filter(s -> s.getAttribute("id").equals(id))
        .findFirst()
        .orElseThrow();
  }

  private static List<List<String>> rows(Element section) {
    return all(section, "tr").stream()
        .map(row -> {
          List<String> texts = new ArrayList<>();
          for (int i = 0; i < row.getChildNodes().getLength(); i++) {
            if (row.getChildNodes().item(i) instanceof Element cell) {
              texts.add(cell.getTextContent());
            }
          }
          return texts;
        })
        .toList();
  }

  private static List<Element> all(org.w3c.dom.Node root, String tag) {
    NodeList nodes =
        root instanceof Document page
            ? page.getElementsByTagName(tag)
            : ((Element) root).getElementsByTagName(tag);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      elements.add((Element) nodes.item(i));
    }
    return elements;
  }
}
