package dev.theriac.cli;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Runs a benchmark, or says which there are. */
@Command(
    name = "bench",
    description = {
      "Times parts of the engine beside other engines, each in processes of its own, after a check"
          + " of the results. Without NAME: lists what there is.",
      "The launcher fetches libtorch and OpenBLAS (Linux on x86-64, about 140 MB) the first time;"
          + " without them the rivals are baselines of our own."
    })
final class BenchCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", arity = "0..1", paramLabel = "NAME", description = "Which one.")
  private String name;

  @Option(names = "--json", paramLabel = "FILE", description = "Write the rows there too.")
  private Path json;

  @Option(names = "--html", paramLabel = "FILE", description = "Write a page with plots there too.")
  private Path html;

  @Option(
      names = "--threads",
      split = ",",
      defaultValue = "1,2",
      paramLabel = "N",
      description = "Thread counts (default: ${DEFAULT-VALUE}).")
  private List<Integer> threads;

  @Option(
      names = {"--shape", "--family"},
      split = ",",
      paramLabel = "S",
      description = "Only these shapes, or families of performance; without NAME they are listed.")
  private List<String> shapes = List.of();

  @Option(
      names = "--case",
      split = ",",
      paramLabel = "C",
      description = "Only cases whose names contain one of these (performance).")
  private List<String> cases = List.of();

  @Option(
      names = "--markdown",
      paramLabel = "FILE",
      description = "Write the table there too, or into it between its two marks.")
  private Path markdown;

  @Option(
      names = "--catalogue",
      paramLabel = "FILE",
      description =
          "Write there which kernels ran on this card with the right results, in the form of the"
              + " catalogue in theriac-cuda (gpu).")
  private Path catalogue;

  @Option(
      names = "--full",
      description = "Every shape, more and longer rounds. Otherwise a run takes a few minutes.")
  private boolean full;

  @Option(names = "--no-rival", description = "Only our own engine and its baselines.")
  private boolean noRival;

  @Option(
      names = "--python",
      paramLabel = "PATH",
      description =
          "A Python with torch whose loop and grouped_mm (dispatch), training steps (performance),"
              + " answers (full-size, with transformers) or kernels (gpu) run as well.")
  private Path python;

  @Option(
      names = "--quickstart",
      paramLabel = "DIR",
      description = "A quickstart's folder, to time a start up to the first token (performance).")
  private Path quickstart;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description =
          "Where models of full size are, or are to be written: 10 GB for both, 10 GB more for"
              + " their copies in bf16-packed, 7 GB in int8, 5 GB in int4 (full-size).")
  private Path models;

  @Option(
      names = "--weights",
      split = ",",
      paramLabel = "bf16|bf16-packed|int8|int4",
      description =
          "In what the weights of models of full size are (default: bf16, as models are published,"
              + " and bf16-packed, in the order of the kernels); copies are made in --dir"
              + " (full-size).")
  private List<String> weights = List.of();

  @Option(names = "--rounds", defaultValue = "0", description = "Rounds (default: by benchmark).")
  private int rounds;

  @Option(
      names = "--seconds",
      defaultValue = "0",
      description = "Seconds of a measurement in a round (default: by benchmark).")
  private double seconds;

  @Override
  public Integer call() throws IOException {
    if (name == null) {
      for (Bench bench : Bench.all()) {
        theriac.out().printf("%-12s%s%n", bench.name(), bench.description());
        theriac.out().printf("%-12sshapes: %s%n", "", String.join(", ", bench.shapes()));
      }
      return 0;
    }
    BenchReport report;
    try {
      BenchOptions options =
          new BenchOptions(
              threads,
              full,
              !noRival,
              System.getProperty("theriac.bench.rival"),
              python,
              shapes,
              cases,
              rounds,
              seconds,
              quickstart,
              models,
              weights,
              line -> {
                if (!theriac.quiet()) theriac.err().println(line);
              });
      report = Bench.of(name).run(options);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage(), e);
    }
    theriac.out().print(report.text());
    theriac.out().flush();
    if (json != null) report.writeJson(json);
    if (html != null) report.writeHtml(html);
    if (catalogue != null) Files.writeString(catalogue, report.figures("catalogue").lines());
    if (markdown != null) {
      List<String> words = spec.root().commandLine().getParseResult().originalArgs();
      report.writeMarkdown(markdown, "./theriac " + String.join(" ", words));
    }
    if (report.failures().isEmpty()) return 0;
    theriac.err().println("theriac: bench " + name + " did not finish:");
    report.failures().forEach(theriac.err()::println);
    return 1;
  }
}
