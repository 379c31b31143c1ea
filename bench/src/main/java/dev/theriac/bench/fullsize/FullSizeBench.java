package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Ceilings;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.Row;
import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.bench.frame.Stats;
import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * {@code theriac ask} with models of the published sizes and random BF16 weights, beside PyTorch
 * and transformers on the same files. Every round has each program in a fresh process.
 */
public final class FullSizeBench implements Bench {
  private static final int ROUNDS = 2;
  private static final int FULL_ROUNDS = 4;
  private static final double GIBI = 1L << 30;
  private static final double MOST_GIBI = 10;
  private static final double MOST_LOAD_MICROS = 5e6;
  private static final double WANTED_RATIO = 1.8;

  /** Of an answer in F32, which takes PyTorch minutes. */
  private static final int COMPARED = 8;

  @Override
  public String name() {
    return "full-size";
  }

  @Override
  public String description() {
    return "an answer of Phi-2 and of StableLM-2 with CLIP-L/336, beside PyTorch's BF16;"
        + " needs --dir";
  }

  @Override
  public List<String> shapes() {
    return FullSizeModel.published().stream().map(FullSizeModel::id).toList();
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    if (options.models() == null) {
      throw new IllegalArgumentException(
          "full-size: --dir DIR is needed, a folder for two models of 10 GB together");
    }
    BenchReport report = new BenchReport(this, options);
    int threads = Collections.max(options.threads());
    for (String id : chosen(options, shapes())) {
      FullSizeModel model = FullSizeModel.of(id);
      Path folder = model.in(options.models(), options.note());
      Path input = Files.createTempDirectory("bench");
      try {
        measure(options, report, model, new Asking(model, folder, input, threads), threads);
      } finally {
        try (var files = Files.walk(input)) {
          for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        }
      }
    }
    return report;
  }

  /** Both programs' answers of each round. */
  private record Answers(List<Answer> ours, List<Answer> theirs) {
    double micros(ToDoubleFunction<Answer> part) {
      return median(ours.stream().mapToDouble(part).toArray());
    }

    Double rivalMicros(ToDoubleFunction<Answer> part) {
      if (theirs.isEmpty()) return null;
      return median(theirs.stream().mapToDouble(part).toArray());
    }

    /** Theirs over ours within each round, ascending. */
    double[] ratios(ToDoubleFunction<Answer> part) {
      double[] out = new double[theirs.size()];
      for (int i = 0; i < out.length; i++) {
        out[i] = part.applyAsDouble(theirs.get(i)) / part.applyAsDouble(ours.get(i));
      }
      Arrays.sort(out);
      return out;
    }

    private static double median(double[] values) {
      Arrays.sort(values);
      return Stats.median(values);
    }
  }

  private void measure(
      BenchOptions options, BenchReport report, FullSizeModel model, Asking asking, int threads)
      throws IOException {
    int rounds = options.rounds() > 0 ? options.rounds() : options.full() ? FULL_ROUNDS : ROUNDS;
    boolean rival = options.python() != null && options.rivals();
    Answers answers = new Answers(new ArrayList<>(), new ArrayList<>());
    for (int round = 0; round < rounds; round++) {
      ceiling(report, threads);
      answers.ours.add(asking.theriac());
      note(options, answers.ours.getLast());
      if (!rival) continue;
      answers.theirs.add(asking.pytorch(options.python(), Asking.NEW_TOKENS));
      note(options, answers.theirs.getLast());
    }
    ceiling(report, threads);
    rows(report, model, answers, threads);
    if (rival && options.full()) {
      compare(model, answers, asking.pytorch(options.python(), COMPARED, "float32"));
    }
  }

  private static void ceiling(BenchReport report, int threads) throws IOException {
    try {
      report.ceiling(threads, new Ceiling(Ceilings.fma(threads, 200), Ceilings.read(threads, 300)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
  }

  private static void note(BenchOptions options, Answer a) {
    options
        .note()
        .accept(
            String.format(
                Locale.ROOT,
                "  %s: loaded %.2f s, picture %.2f s, %d positions %.2f s, %d steps %.2f s",
                a.name(),
                a.load(),
                a.picture(),
                a.positions(),
                a.prompt(),
                a.steps(),
                a.decode()));
  }

  private void rows(BenchReport report, FullSizeModel model, Answers answers, int threads) {
    Ceiling ceiling = report.ceiling(threads);
    Answer one = answers.ours.getFirst();
    Wanted soon = new Wanted(null, null, MOST_LOAD_MICROS);
    report.add(row("load", model, answers, a -> 1e6 * a.load(), threads, soon, null, null));
    report.add(
        row(
            "picture",
            model,
            answers,
            a -> 1e6 * a.picture(),
            threads,
            Wanted.NOTHING,
            null,
            null));
    double flops = model.promptFlops(one.positions());
    report.add(
        row(
            "prompt-of-" + one.positions(),
            model,
            answers,
            a -> 1e6 * a.prompt(),
            threads,
            Wanted.NOTHING,
            flops / ceiling.gflops() / 1e3,
            flops / 1e3));
    double bound = model.bytesPerToken() / ceiling.gigabytes() / 1e3;
    Row step =
        row(
            "token",
            model,
            answers,
            Answer::stepMicros,
            threads,
            new Wanted(WANTED_RATIO, null, null),
            bound,
            null);
    report.add(
        step.against(
            "token",
            null,
            model.bytesPerToken() / step.medianUs() / 1e3,
            bound / step.medianUs(),
            "memory",
            step.wanted()));
    rates(report, model, answers, threads, 1e6 / bound);
    double most = answers.ours.stream().mapToDouble(Answer::resident).max().orElseThrow() / GIBI;
    String theirs =
        answers.theirs.isEmpty()
            ? ""
            : String.format(
                Locale.ROOT,
                "; PyTorch %.2f",
                answers.theirs.stream().mapToDouble(Answer::resident).max().orElseThrow() / GIBI);
    report.add(
        new Finding(
            "peak resident GiB",
            model.id(),
            threads,
            most,
            MOST_GIBI,
            String.format(Locale.ROOT, "%.2f GiB of it weights%s", model.bytes() / GIBI, theirs)));
  }

  private static void rates(
      BenchReport report, FullSizeModel model, Answers answers, int threads, double bound) {
    double ours = 1e6 / answers.micros(Answer::stepMicros);
    double prompt = 1 / answers.micros(a -> a.prompt() / a.positions());
    Double theirs = answers.rivalMicros(Answer::stepMicros);
    Double theirPrompt = answers.rivalMicros(a -> a.prompt() / a.positions());
    report.add(
        new Finding(
            "prompt tokens a second",
            model.id(),
            threads,
            prompt,
            null,
            theirPrompt == null
                ? "not compared"
                : String.format(Locale.ROOT, "PyTorch %.1f", 1 / theirPrompt)));
    report.add(
        new Finding(
            "new tokens a second",
            model.id(),
            threads,
            ours,
            null,
            String.format(
                Locale.ROOT,
                "%s; at most %.2f, as %.2f GB of weights are read for each",
                theirs == null ? "not compared" : "PyTorch %.2f".formatted(1e6 / theirs),
                bound,
                model.bytesPerToken() / 1e9)));
  }

  private static Row row(
      String name,
      FullSizeModel model,
      Answers answers,
      ToDoubleFunction<Answer> micros,
      int threads,
      Wanted wanted,
      Double bound,
      Double operations) {
    double ours = answers.micros(micros);
    double[] ratios = answers.ratios(micros);
    boolean alone = ratios.length == 0;
    return new Row(
        name,
        model.id(),
        threads,
        ours,
        alone ? null : answers.theirs.getFirst().name(),
        answers.rivalMicros(micros),
        alone ? null : Stats.median(ratios),
        alone ? null : ratios[0],
        alone ? null : ratios[ratios.length - 1],
        operations == null ? null : operations / ours,
        bound == null ? null : bound / ours,
        "compute",
        Map.of(),
        null,
        wanted);
  }

  /** BF16 changes an answer after some tokens; PyTorch's F32 is to give ours. */
  private static void compare(FullSizeModel model, Answers answers, Answer exact) {
    String ours = answers.ours.getFirst().text();
    if (ours.startsWith(exact.text())) return;
    throw new IllegalStateException(
        "%s: the answer is \"%s\", PyTorch's in F32 begins \"%s\""
            .formatted(model.id(), ours, exact.text()));
  }
}
