package dev.theriac.bench.fullsize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.Row;
import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** With a model that is small, and shell scripts for the two programs that are timed. */
@DisabledOnOs(OS.WINDOWS)
class FullSizeBenchTest {
  private static final String TIMES =
      """
      model loaded 1.00 s, first token 5.00 s, answer 8.10 s after the JVM's start
      picture 1.00 s; prompt of 60 positions 3.00 s, 20.0 a second; 31 more tokens 3.10 s, 10.00 a \
      second; at most 2.00 GiB resident
      """;

  @TempDir private static Path models;
  private static List<Integer> tokens;
  private static String text;

  @TempDir private Path temp;
  private final List<String> notes = new ArrayList<>();
  private Path launcher;
  private FullSizeBench.Rates rates = _ -> new Ceiling(100, 10);

  @BeforeAll
  static void ourAnswer() throws IOException {
    Path folder = FullSizeModel.TINY.in(models, Precision.BF16, _ -> {});
    Path input = Files.createDirectories(models.resolve("input"));
    Asking asking = new Asking(FullSizeModel.TINY, folder, input, 1, List.of());
    tokens = asking.tokens(folder);
    text = asking.text(tokens);
    assertThat(tokens).hasSizeGreaterThan(8);
  }

  @BeforeEach
  void launcher() throws IOException {
    Files.writeString(temp.resolve("text"), text + "\n");
    Files.writeString(temp.resolve("times"), TIMES);
    launcher = script("theriac", "cat %1$s/text; cat %1$s/times >&2".formatted(temp));
  }

  private Path script(String name, String lines) throws IOException {
    Path script = temp.resolve(name);
    Files.writeString(script, "#!/bin/sh\n" + lines + "\n");
    assertThat(script.toFile().setExecutable(true)).isTrue();
    return script;
  }

  private static String json(List<Integer> tokens) {
    return """
    {"name": "PyTorch 2", "start": 1.0, "load": 1.5, "picture": 2.0, "prompt": 6.0, "positions": 60,\
     "decode": 6.2, "steps": 31, "resident": 3221225472, "tokens": %s}\
    """
        .formatted(tokens);
  }

  /**
   * A rival.
   *
   * @param exact its tokens in F32
   * @param later what it does in BF16, where ROUND is the number of the round
   */
  private Path python(List<Integer> exact, String later) throws IOException {
    Files.writeString(temp.resolve("exact"), json(exact));
    Files.writeString(temp.resolve("half"), json(tokens.subList(0, 3)));
    return script(
        "python",
        """
        if [ "$6" = float32 ]; then cat %1$s/exact; exit; fi
        ROUND=$(($(cat %1$s/rounds 2>/dev/null || echo 0) + 1)); echo $ROUND >%1$s/rounds
        %2$s
        cat %1$s/half\
        """
            .formatted(temp, later));
  }

  private BenchReport run(Path python, int rounds, String... weights) throws IOException {
    BenchOptions options =
        new BenchOptions(
            List.of(1),
            false,
            true,
            null,
            python,
            List.of(),
            List.of(),
            rounds,
            0,
            null,
            models,
            List.of(weights),
            notes::add);
    return new FullSizeBench(List.of(FullSizeModel.TINY), List.of(launcher.toString()), rates)
        .run(options);
  }

  private static Row row(BenchReport report, String shape, String name) {
    return report.rows().stream()
        .filter(r -> r.shape().equals(shape) && r.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private static Finding finding(BenchReport report, String shape, String name) {
    return report.findings().stream()
        .filter(f -> f.shape().equals(shape) && f.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void comparesAnswersThenTimesBothProgramsAndQuantisedCopies() throws Exception {
    rates = FullSizeBench::rates;
    BenchReport report = run(python(tokens.subList(0, 4), ""), 2, "bf16", "bf16-packed", "int8");
    assertThat(report.failures()).isEmpty();
    assertThat(notes).anyMatch(n -> n.contains("first 4 tokens are PyTorch's in F32"));
    Row token = row(report, "tiny", "token");
    assertThat(token.medianUs()).isEqualTo(100_000);
    assertThat(token.ratio()).isEqualTo(2);
    assertThat(token.bound()).isEqualTo("memory");
    assertThat(row(report, "tiny", "load").ratio()).isEqualTo(2.5);
    assertThat(row(report, "tiny", "prompt-of-60").gflops()).isPositive();
    Row packed = row(report, "tiny-bf16-packed", "token");
    assertThat(packed.ratio()).isEqualTo(2);
    assertThat(packed.wanted().ratio()).isEqualTo(1.8);
    assertThat(packed.others()).containsEntry("theriac, BF16", 100_000.0);
    Row quantised = row(report, "tiny-int8", "token");
    assertThat(quantised.ratio()).isNull();
    assertThat(quantised.gigabytes()).isLessThan(token.gigabytes());
    assertThat(quantised.others())
        .containsEntry("theriac, BF16", 100_000.0)
        .containsEntry("PyTorch 2, BF16", 200_000.0);
    Finding rate = finding(report, "tiny-int8", "new tokens a second");
    assertThat(rate.value()).isEqualTo(10);
    assertThat(rate.text()).startsWith("our BF16 10.00, PyTorch's BF16 5.00; at most ");
    Finding alike = finding(report, "tiny", "first tokens as PyTorch's BF16");
    assertThat(alike.value()).isEqualTo(3);
    assertThat(alike.text()).isEqualTo("of %d; PyTorch in F32 gave the first 4", tokens.size());
    assertThat(finding(report, "tiny", "peak resident GiB").text()).endsWith("; PyTorch 3.00");
  }

  @Test
  void anAnswerThatIsNotTheRivalsIsFoundBeforeAnythingIsTimed() throws Exception {
    List<Integer> other = new ArrayList<>(tokens.subList(0, 4));
    other.set(3, tokens.get(3) + 1);
    BenchReport report = run(python(other, ""), 2);
    assertThat(report.rows()).isEmpty();
    assertThat(temp.resolve("rounds")).doesNotExist();
    assertThat(report.failures())
        .singleElement()
        .asString()
        .startsWith("tiny, before anything was timed: ")
        .contains("theriac  " + tokens, "PyTorch  " + other);
  }

  @Test
  void aRivalThatFailsLaterLeavesTheRoundsBefore() throws Exception {
    String fails = "if [ $ROUND = 2 ]; then echo 'out of luck' >&2; exit 3; fi";
    BenchReport report = run(python(tokens.subList(0, 4), fails), 3);
    assertThat(report.failures())
        .singleElement()
        .asString()
        .startsWith("tiny, round 2 of 3, PyTorch: ")
        .contains("status 3", "out of luck");
    assertThat(row(report, "tiny", "token").ratio()).isEqualTo(2);
    Path json = temp.resolve("report.json");
    report.writeJson(json);
    assertThat(Files.readString(json)).contains("out of luck", "\"ratio\" : 2.0");
  }

  @Test
  void ourOwnFailureIsToldToo() throws Exception {
    launcher = script("theriac", "echo 'no such model' >&2; exit 1");
    BenchReport report = run(null, 3);
    assertThat(report.rows()).isEmpty();
    assertThat(report.failures())
        .singleElement()
        .asString()
        .startsWith("tiny, round 1 of 3, theriac, bf16: ")
        .contains("no such model");
  }

  @Test
  void anAnswerThatChangesIsAFailure() throws Exception {
    launcher =
        script(
            "theriac",
            "cat %1$s/text; cat %1$s/times >&2; echo another >>%1$s/text".formatted(temp));
    BenchReport report = run(null, 3, "bf16");
    assertThat(row(report, "tiny", "token").rival()).isNull();
    assertThat(report.failures())
        .singleElement()
        .asString()
        .startsWith("tiny, round 2 of 3, theriac, bf16: the answer is \"")
        .contains("another\", and was \"");
  }

  @Test
  void withoutARivalACopyInAnotherOrderAnswersAsTheModelAndAQuantisedOneAsItMay() throws Exception {
    for (String odd : List.of("bf16-packed", "int8")) {
      launcher =
          script(
              "theriac",
              "case \"$*\" in *tiny-%2$s*) echo other;; *) cat %1$s/text;; esac; cat %1$s/times >&2"
                  .formatted(temp, odd));
      BenchReport report = run(null, 2, "bf16", "bf16-packed", "int8");
      if (odd.equals("int8")) {
        assertThat(report.failures()).isEmpty();
        continue;
      }
      assertThat(report.failures())
          .singleElement()
          .asString()
          .startsWith("tiny, round 1 of 2, theriac, bf16-packed: the answer is \"other\", and was");
      report = run(null, 2, "bf16-packed", "bf16");
      assertThat(report.failures())
          .singleElement()
          .asString()
          .startsWith("tiny, round 1 of 2, theriac, bf16: the answer is \"")
          .endsWith("\", and was \"other\" before");
    }
  }

  @Test
  void aRivalThatSaysSomethingElseOrNothingIsAnError() throws Exception {
    Path folder = models.resolve("tiny");
    Asking asking =
        new Asking(FullSizeModel.TINY, folder, temp, 1, List.of(), Duration.ofSeconds(2));
    for (String said : List.of("echo Hello", "echo '{\"name\": \"PyTorch\"}'", "")) {
      Path python = script("python", said);
      assertThatThrownBy(() -> asking.pytorch(python, folder, 2))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("printed no answer");
    }
    Path hangs = script("python", "sleep 600 & echo $! >%s; wait".formatted(temp.resolve("pid")));
    assertThatThrownBy(() -> asking.pytorch(hangs, folder, 2))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("did not end within 2 s");
    long pid = Long.parseLong(Files.readString(temp.resolve("pid")).strip());
    Optional<ProcessHandle> still = ProcessHandle.of(pid);
    if (still.isPresent()) still.get().onExit().get(10, TimeUnit.SECONDS);
    assertThatThrownBy(() -> asking.pytorch(temp.resolve("none"), folder, 2))
        .isInstanceOf(IOException.class);
  }
}
