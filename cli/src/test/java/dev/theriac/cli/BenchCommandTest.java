package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchCommandTest {
  @TempDir private Path temp;

  private record Ran(int status, String out, String err) {}

  private static Ran bench(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Ran(status, out.toString(), err.toString());
  }

  @Test
  void whatDoesNotFinishIsWrittenAndEndsWithOne() throws Exception {
    Path model = Files.createDirectories(temp.resolve("stablelm-2"));
    Files.writeString(model.resolve("config.json"), "{}");
    Path json = temp.resolve("report.json");
    Path page = temp.resolve("report.md");
    Ran ran =
        bench(
            "bench",
            "full-size",
            "--shape",
            "stablelm-2",
            "--weights",
            "bf16",
            "--dir",
            temp.toString(),
            "--json",
            json.toString(),
            "--markdown",
            page.toString());
    assertThat(ran.status).as(ran.err).isEqualTo(1);
    String what = "stablelm-2, before anything was timed: ";
    assertThat(ran.err).contains("theriac: bench full-size did not finish:", what, "tokenizer");
    assertThat(ran.out).contains("not finished: " + what);
    assertThat(Files.readString(json)).contains("\"failures\" : [ \"" + what);
    assertThat(Files.readString(page)).contains("- **Not finished**: " + what);
  }

  @Test
  void refusesWeightsThatThereAreNot() {
    Ran ran = bench("bench", "full-size", "--dir", temp.toString(), "--weights", "int8,int3");
    assertThat(ran.status).isEqualTo(2);
    assertThat(ran.err).contains("no weights \"int3\"", "[bf16, bf16-packed, int8, int4]");
    assertThat(temp).isEmptyDirectory();
  }
}
