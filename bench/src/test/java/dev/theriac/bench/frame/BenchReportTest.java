package dev.theriac.bench.frame;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchReportTest {
  @TempDir private Path temp;

  @Test
  void whatFailedStandsBesideWhatWasMeasured() throws Exception {
    BenchOptions options =
        new BenchOptions(List.of(1), false, false, null, null, List.of(), 1, 0, _ -> {});
    BenchReport report = new BenchReport(Bench.of("gemm"), options);
    report.add(new Finding("rate", "small", 1, 5, null, "measured"));
    assertThat(report.failures()).isEmpty();
    assertThat(report.text()).doesNotContain("not finished");
    report.fail("small, round 2: it printed\nno <memory>\n");
    assertThat(report.text())
        .contains("measured", "not finished: small, round 2: it printed\nno <memory>");
    Path json = temp.resolve("new/report.json");
    report.writeJson(json);
    assertThat(Files.readString(json)).contains("measured", "\"failures\" : [ \"small, round 2");
    Path page = temp.resolve("report.md");
    report.writeMarkdown(page, "theriac bench");
    assertThat(Files.readString(page))
        .contains("measured", "- **Not finished**: small, round 2: it printed; no <memory>\n");
    Path html = temp.resolve("report.html");
    report.writeHtml(html);
    assertThat(Files.readString(html)).contains("measured", "no &lt;memory&gt;");
  }
}
