package dev.theriac.bench.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The benchmark as a whole on a layer of a few numbers, without a rival. */
class DispatchBenchTest {
  @TempDir private Path temp;

  @Test
  void checksThenTimesEveryStageAndWritesWhatItFound() throws Exception {
    List<String> notes = new ArrayList<>();
    BenchReport report =
        Bench.of("dispatch")
            .run(
                new BenchOptions(
                    List.of(1), false, false, null, null, List.of("tiny"), 2, 0.002, notes::add));
    assertThat(notes).hasSize(1);
    assertThat(report.rows())
        .extracting(Row::name)
        .contains("router", "top-k", "index", "gather", "gemm1+activation", "gemm2", "combine")
        .contains("forward", "backward-dX", "backward-dW", "backward-router")
        .contains("forward+backward", "step");
    Row forward = row(report, "forward");
    assertThat(forward.others()).containsOnlyKeys("dense", "loop");
    assertThat(forward.rival()).isIn("dense", "loop");
    assertThat(report.text())
        .contains("tiny: T 24, d 16, n 24, E 4, k 2, SwiGLU", "of bound", "forward+backward")
        .contains("peak memory of forward+backward");

    Path json = temp.resolve("out/report.json");
    report.writeJson(json);
    JsonNode root = JsonMapper.builder().build().readTree(Files.readString(json));
    assertThat(root.get("benchmark").asString()).isEqualTo("dispatch");
    for (String key : List.of("machine", "cores", "system", "java", "version", "commit")) {
      assertThat(root.has(key)).as(key).isTrue();
    }
    assertThat(root.get("rows").size()).isEqualTo(report.rows().size());
    for (JsonNode row : root.get("rows")) {
      for (String key :
          List.of("name", "shape", "threads", "median_us", "rival", "rival_median_us", "ratio")) {
        assertThat(row.has(key)).as(key).isTrue();
      }
      assertThat(row.get("median_us").asDouble()).isPositive();
      assertThat(row.get("of_bound").asDouble()).isPositive();
    }
    assertThat(root.get("rows").get(0).get("median_us").asDouble())
        .isCloseTo(
            report.rows().getFirst().medianUs(),
            within(0.01 * report.rows().getFirst().medianUs()));

    Path html = temp.resolve("report.html");
    report.writeHtml(html);
    String page = Files.readString(html);
    var document = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(html.toFile());
    assertThat(document.getElementsByTagName("svg").getLength()).isEqualTo(2);
    assertThat(page).contains("forward+backward", "bench dispatch");
  }

  private static Row row(BenchReport report, String name) {
    return report.rows().stream().filter(r -> r.name().equals(name)).findFirst().orElseThrow();
  }
}
