package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.cli.result.MetricsLog;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.result.StepMetrics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What {@code theriac train} prints, writes and refuses. */
class TrainCommandTest extends TrainedFixture {
  @Test
  void trainPrintsPlanAndTable() {
    assertThat(printed)
        .containsSubsequence(
            "parameters",
            "align",
            "trains vision encoder",
            "frozen nothing",
            "instruct",
            "router",
            "12 labelled samples",
            "moe",
            "experts",
            "frozen vision encoder",
            "dense",
            "4 steps",
            "MoE",
            "Dense",
            "closed accuracy",
            "CT",
            "open recall",
            "router accuracy",
            "parameters in all",
            "active for a token",
            "report.html");
  }

  @Test
  void trainWritesTheTableForMachines() throws IOException {
    ResultTable table = ResultTable.parse(Files.readString(json));
    assertThat(table.closedAccuracy()).isBetween(0.0, 1.0);
    assertThat(table.openRecall()).isBetween(0.0, 1.0);
    assertThat(table.routerAccuracy()).isBetween(0.0, 1.0);
    assertThat(table.parametersTotal()).isGreaterThan(table.parametersActive());
    assertThat(table.tokensPerSecond()).isPositive();
    assertThat(table.testAccuracy()).isNull();
    assertThat(table.modalities()).containsOnlyKeys("CT", "MRI", "X-ray", "pathology");
    assertThat(table.modalities().get("CT").closedQuestions()).isPositive();
    assertThat(table.dense().parametersActive()).isEqualTo(table.dense().parametersTotal());
    assertThat(table.dense().parametersTotal()).isLessThan(table.parametersTotal());
    assertThat(table.dense().routerAccuracy()).isNull();
    assertThat(table.seconds()).isGreaterThan(table.dense().seconds());
  }

  @Test
  void trainLogsEveryStepAndItsValidations() {
    var steps = MetricsLog.read(run.resolve("metrics.jsonl"));
    assertThat(steps)
        .extracting(StepMetrics::stage)
        .containsExactly(
            "align",
            "align",
            "align",
            "instruct",
            "instruct",
            "instruct",
            "router",
            "moe",
            "moe",
            "moe",
            "moe",
            "dense",
            "dense",
            "dense",
            "dense");
    assertThat(steps)
        .filteredOn(s -> s.validation() != null)
        .extracting(s -> s.stage() + s.step())
        .containsExactly("moe2", "moe4", "dense2", "dense4");
    assertThat(steps).allSatisfy(s -> assertThat(s.loss()).isPositive().isFinite());
  }

  @Test
  void theReportStandsAlone() throws IOException {
    String html = Files.readString(run.resolve("report.html"));
    assertThat(html)
        .contains("Synthetic data", "data:image/png;base64,", "<svg", "id=\"routing\"", "MRI")
        .contains("Stage 3: experts", "Router");
    assertThat(html.replace("http://www.w3.org/2000/svg", ""))
        .doesNotContain("http:", "https:", "<script", "<link");
  }

  @Test
  void aMistypedKeyIsExplained() throws IOException {
    Path wrong =
        Files.writeString(folder.resolve("wrong.json"), MICRO.replace("\"router\"", "\"ruoter\""));
    Ran ran = theriac("train", wrong.toString(), "--out", folder.resolve("no").toString());
    assertThat(ran.status()).isEqualTo(1);
    assertThat(ran.err()).contains("$.ruoter: unknown key; did you mean 'router'?");
    assertThat(folder.resolve("no")).doesNotExist();
  }

  @Test
  void refusesFoldersThatAreNotItsOwn() throws IOException {
    Path foreign = Files.createDirectories(folder.resolve("foreign"));
    Path treasure = Files.writeString(foreign.resolve("notes.txt"), "mine");
    Ran ran = theriac("train", config.toString(), "--out", foreign.toString());
    assertThat(ran.status()).isEqualTo(1);
    assertThat(ran.err()).contains("foreign: holds files that are not of a run").contains("--out");
    assertThat(treasure).hasContent("mine");
    Ran below = theriac("train", config.toString(), "--out", treasure.resolve("x").toString());
    assertThat(below.status()).isEqualTo(1);
    assertThat(below.err()).contains("cannot be written");
    Ran unwritable =
        theriac(
            "train",
            config.toString(),
            "--json",
            treasure.resolve("x.json").toString(),
            "--out",
            folder.resolve("never").toString());
    assertThat(unwritable.status()).isEqualTo(1);
    assertThat(folder.resolve("never")).doesNotExist();
  }

  @Test
  void quickstartIsConfiguredAndListed() {
    assertThat(QuickstartCommand.config().data().held()).isGreaterThanOrEqualTo(100);
    assertThat(theriac("--help").out())
        .contains("quickstart", "train", "eval", "ask", "inspect", "doctor");
    Ran help = theriac("quickstart", "--help");
    assertThat(help.out()).contains("--out", "--json", "--seed", "theriac-quickstart");
  }
}
