package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.Bench;
import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Ceilings;
import dev.theriac.bench.frame.SourceTree;
import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;

/**
 * {@code theriac ask} with models of the published sizes and random weights, beside PyTorch and
 * transformers on the same BF16 files. Every round has each program in a fresh process. Before
 * anything is timed, the first tokens must be those of PyTorch in F32; what fails later leaves the
 * figures of the rounds before it in the report, which then says what failed.
 */
public final class FullSizeBench implements Bench {
  private static final int ROUNDS = 2;
  private static final int FULL_ROUNDS = 4;

  /** Of an answer in F32, of which each takes PyTorch some seconds. */
  private static final int COMPARED = 4;

  private static final int FULL_COMPARED = 8;

  private final List<FullSizeModel> models;
  private final List<String> launcher;
  private final Rates rates;

  public FullSizeBench() {
    this(FullSizeModel.published(), null, FullSizeBench::rates);
  }

  /**
   * @param launcher what asks a model, or null for the source tree's
   * @param rates measures the machine's
   */
  FullSizeBench(List<FullSizeModel> models, List<String> launcher, Rates rates) {
    this.models = models;
    this.launcher = launcher;
    this.rates = rates;
  }

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
    return models.stream().map(FullSizeModel::id).toList();
  }

  /** A model with what it is asked. */
  private record Subject(
      FullSizeModel model, SequencedMap<Precision, Path> copies, Asking asking, Checked checked) {}

  /**
   * Our answer and its text, and how many of its tokens PyTorch in F32 gave too; without a rival
   * nothing is known before.
   */
  private record Checked(List<Integer> tokens, String text, int compared) {
    static final Checked NOTHING = new Checked(List.of(), null, 0);
  }

  @Override
  public BenchReport run(BenchOptions options) throws IOException {
    if (options.models() == null) {
      throw new IllegalArgumentException(
          "full-size: --dir DIR is needed, a folder for two models of 10 GB together and for their"
              + " copies, which take 10 GB more unless --weights says otherwise");
    }
    List<Precision> precisions = Precision.of(options.weights());
    List<String> chosen = chosen(options, shapes());
    BenchReport report = new BenchReport(this, options);
    int threads = Collections.max(options.threads());
    Path input = Files.createTempDirectory("bench");
    try {
      List<Subject> subjects = new ArrayList<>();
      for (String id : chosen) {
        FullSizeModel model =
            models.stream().filter(m -> m.id().equals(id)).findFirst().orElseThrow();
        try {
          subjects.add(prepare(options, model, precisions, input.resolve(id), threads));
        } catch (IOException | RuntimeException e) {
          report.fail("%s, before anything was timed: %s".formatted(id, why(e)));
          return report;
        }
      }
      for (Subject subject : subjects) {
        if (!Thread.currentThread().isInterrupted()) measure(options, report, subject, threads);
      }
    } finally {
      try (var files = Files.walk(input)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
      }
    }
    return report;
  }

  private Subject prepare(
      BenchOptions options,
      FullSizeModel model,
      List<Precision> precisions,
      Path input,
      int threads)
      throws IOException {
    SequencedMap<Precision, Path> copies = new LinkedHashMap<>();
    for (Precision p : precisions) copies.put(p, model.in(options.models(), p, options.note()));
    Path any = copies.firstEntry().getValue();
    Files.createDirectories(input);
    List<String> ask =
        launcher != null ? launcher : List.of(SourceTree.folder().resolve("theriac").toString());
    Asking asking = new Asking(model, any, input, threads, ask);
    return new Subject(model, copies, asking, check(options, model, copies, asking));
  }

  /** PyTorch reads BF16 alone. */
  private static boolean hasRival(BenchOptions options, SequencedMap<Precision, Path> copies) {
    return options.python() != null && options.rivals() && copies.containsKey(Precision.BF16);
  }

  /** BF16 changes an answer after some tokens; PyTorch's F32 is to give ours. */
  private static Checked check(
      BenchOptions options,
      FullSizeModel model,
      SequencedMap<Precision, Path> copies,
      Asking asking)
      throws IOException {
    if (!hasRival(options, copies)) return Checked.NOTHING;
    Path folder = copies.get(Precision.BF16);
    options.note().accept("%s: comparing answers".formatted(model.id()));
    int wanted = options.full() ? FULL_COMPARED : COMPARED;
    List<Integer> ours = asking.tokens(folder);
    Answer exact = asking.pytorch(options.python(), folder, wanted, "float32");
    List<Integer> theirs = exact.tokens();
    int count = Math.min(wanted, ours.size());
    if (!ours.subList(0, count).equals(theirs)) {
      throw new IllegalStateException(
          "theriac's answer is not PyTorch's in F32\n  theriac  %s\n  PyTorch  %s (%s)"
              .formatted(ours, theirs, exact.name()));
    }
    options.note().accept("  the first %d tokens are PyTorch's in F32".formatted(count));
    return new Checked(ours, asking.text(ours), count);
  }

  private void measure(BenchOptions options, BenchReport report, Subject subject, int threads) {
    int rounds = options.rounds() > 0 ? options.rounds() : options.full() ? FULL_ROUNDS : ROUNDS;
    FullSizeModel model = subject.model;
    Asking asking = subject.asking;
    Answers answers = new Answers(subject.copies.sequencedKeySet());
    String exact = subject.checked.text;
    options.note().accept(model.id() + ":");
    for (int round = 1; round <= rounds; round++) {
      String doing = "the machine's rates";
      try {
        ceiling(report, threads);
        for (Precision p : subject.copies.keySet()) {
          doing = "theriac, " + p.id();
          Answer answer = asking.theriac(subject.copies.get(p));
          same(answer, p.isExact() ? exact : null, answers.ours(p));
          if (p.isExact()) exact = answer.text();
          answers.ours(p).add(answer);
          note(options, answer, p);
        }
        if (!hasRival(options, subject.copies)) continue;
        doing = "PyTorch";
        Path folder = subject.copies.get(Precision.BF16);
        answers.theirs().add(asking.pytorch(options.python(), folder, Asking.NEW_TOKENS));
        note(options, answers.theirs().getLast(), Precision.BF16);
      } catch (IOException | RuntimeException e) {
        report.fail(
            "%s, round %d of %d, %s: %s".formatted(model.id(), round, rounds, doing, why(e)));
        break;
      }
    }
    try {
      ceiling(report, threads);
    } catch (IOException e) {
      report.fail("%s, the machine's rates: %s".formatted(model.id(), why(e)));
    }
    FullSizeRows rows = new FullSizeRows(report, model, answers, threads);
    subject.copies.keySet().forEach(rows::add);
    rows.alike(subject.checked.tokens, subject.checked.compared);
  }

  /**
   * What was timed is what was compared, and the same in every round.
   *
   * @param exact the answer of BF16 in either order, or null where it is not known, or weights are
   *     others
   */
  private static void same(Answer answer, String exact, List<Answer> before) {
    String expected = exact != null || before.isEmpty() ? exact : before.getFirst().text();
    if (expected == null || answer.text().equals(expected)) return;
    throw new IllegalStateException(
        "the answer is \"%s\", and was \"%s\" before".formatted(answer.text(), expected));
  }

  private static String why(Exception e) {
    return e.getMessage() == null ? e.toString() : e.getMessage();
  }

  /** Measures what the machine can do with so many threads. */
  interface Rates {
    Ceiling with(int threads) throws InterruptedException;
  }

  static Ceiling rates(int threads) throws InterruptedException {
    return new Ceiling(Ceilings.fma(threads, 200), Ceilings.read(threads, 300));
  }

  private void ceiling(BenchReport report, int threads) throws IOException {
    try {
      report.ceiling(threads, rates.with(threads));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }

  private static void note(BenchOptions options, Answer a, Precision precision) {
    options
        .note()
        .accept(
            String.format(
                Locale.ROOT,
                "  %s, %s: loaded %.2f s, picture %.2f s, %d positions %.2f s, %d steps %.2f s",
                a.name(),
                precision.id(),
                a.load(),
                a.picture(),
                a.positions(),
                a.prompt(),
                a.steps(),
                a.decode()));
  }
}
