package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.Row;
import dev.theriac.bench.frame.Row.Wanted;
import dev.theriac.bench.frame.Stats;
import dev.theriac.bench.frame.Work.Ceiling;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** What a report says of one model's answers; nothing of those that there are none of. */
final class FullSizeRows {
  private static final double GIBI = 1L << 30;
  private static final double MOST_GIBI = 10;
  private static final double MOST_LOAD_MICROS = 5e6;
  private static final double WANTED_RATIO = 1.8;

  private final BenchReport report;
  private final FullSizeModel model;
  private final Answers answers;
  private final int threads;

  FullSizeRows(BenchReport report, FullSizeModel model, Answers answers, int threads) {
    this.report = report;
    this.model = model;
    this.answers = answers;
    this.threads = threads;
  }

  void add(Precision precision) {
    List<Answer> ours = answers.ours(precision);
    if (ours.isEmpty()) return;
    Ceiling ceiling = report.ceiling(threads);
    Wanted soon = new Wanted(null, null, MOST_LOAD_MICROS);
    report.add(row("load", precision, a -> 1e6 * a.load(), soon));
    report.add(row("picture", precision, a -> 1e6 * a.picture(), Wanted.NOTHING));
    int positions = ours.getFirst().positions();
    String name = "prompt-of-" + positions;
    Row prompt = row(name, precision, a -> 1e6 * a.prompt(), Wanted.NOTHING);
    double gflops = model.promptFlops(positions) / prompt.medianUs() / 1e3;
    report.add(
        prompt.against(name, gflops, null, gflops / ceiling.gflops(), "compute", Wanted.NOTHING));
    Wanted faster = precision.isExact() ? new Wanted(WANTED_RATIO, null, null) : Wanted.NOTHING;
    Row token = row("token", precision, Answer::stepMicros, faster);
    double gigabytes = model.bytesPerToken(precision) / token.medianUs() / 1e3;
    report.add(
        token.against("token", null, gigabytes, gigabytes / ceiling.gigabytes(), "memory", faster));
    rates(precision, ceiling);
    resident(precision);
  }

  private void rates(Precision precision, Ceiling ceiling) {
    ToDoubleFunction<Answer> position = a -> a.prompt() / a.positions();
    finding(
        "prompt tokens a second",
        precision,
        1 / Answers.median(answers.ours(precision), position),
        null,
        others(precision, position, "%.1f"));
    ToDoubleFunction<Answer> step = a -> a.decode() / a.steps();
    double bytes = model.bytesPerToken(precision);
    finding(
        "new tokens a second",
        precision,
        1 / Answers.median(answers.ours(precision), step),
        null,
        text(
            "%s; at most %.2f, as %.2f GB of weights are read for each",
            others(precision, step, "%.2f"), ceiling.gigabytes() * 1e9 / bytes, bytes / 1e9));
  }

  private void resident(Precision precision) {
    ToDoubleFunction<Answer> size = a -> a.resident() / GIBI;
    String theirs =
        !precision.isExact() || answers.theirs().isEmpty()
            ? ""
            : text("; PyTorch %.2f", most(answers.theirs(), size));
    finding(
        "peak resident GiB",
        precision,
        most(answers.ours(precision), size),
        MOST_GIBI,
        text("%.2f GiB of it weights%s", model.bytes(precision) / GIBI, theirs));
  }

  private static double most(List<Answer> answers, ToDoubleFunction<Answer> part) {
    return answers.stream().mapToDouble(part).max().orElseThrow();
  }

  /** The same rate of PyTorch, and of our BF16 where that is another row. */
  private String others(Precision precision, ToDoubleFunction<Answer> seconds, String format) {
    List<String> others = new ArrayList<>();
    List<Answer> half = answers.ours(Precision.BF16);
    if (precision != Precision.BF16 && !half.isEmpty()) {
      others.add("our BF16 " + text(format, 1 / Answers.median(half, seconds)));
    }
    if (!answers.theirs().isEmpty()) {
      others.add("PyTorch's BF16 " + text(format, 1 / Answers.median(answers.theirs(), seconds)));
    }
    return others.isEmpty() ? "not compared" : String.join(", ", others);
  }

  /**
   * How far PyTorch's BF16, which rounds more often, gives our tokens.
   *
   * @param ours empty where they are not known
   * @param compared how many of them are those of PyTorch in F32
   */
  void alike(List<Integer> ours, int compared) {
    if (ours.isEmpty() || answers.theirs().isEmpty()) return;
    List<Integer> theirs = answers.theirs().getFirst().tokens();
    int alike = 0;
    while (alike < Math.min(ours.size(), theirs.size())
        && ours.get(alike).equals(theirs.get(alike))) {
      alike++;
    }
    boolean steady = answers.theirs().stream().allMatch(a -> a.tokens().equals(theirs));
    finding(
        "first tokens as PyTorch's BF16",
        Precision.BF16,
        alike,
        null,
        text(
            "of %d; PyTorch in F32 gave the first %d%s",
            ours.size(), compared, steady ? "" : "; its BF16 was not the same in each round"));
  }

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private void finding(String name, Precision precision, double value, Double most, String text) {
    report.add(new Finding(name, model.id(precision), threads, value, most, text));
  }

  private Row row(
      String name, Precision precision, ToDoubleFunction<Answer> micros, Wanted wanted) {
    boolean half = precision.isExact();
    double ours = Answers.median(answers.ours(precision), micros);
    List<Answer> theirs = answers.theirs();
    Double their = theirs.isEmpty() ? null : Answers.median(theirs, micros);
    double[] ratios = half ? answers.ratios(precision, micros) : new double[0];
    boolean alone = ratios.length == 0;
    Map<String, Double> others = new LinkedHashMap<>();
    if (precision != Precision.BF16 && !answers.ours(Precision.BF16).isEmpty()) {
      others.put("theriac, BF16", Answers.median(answers.ours(Precision.BF16), micros));
    }
    if (!half && their != null) others.put(theirs.getFirst().name() + ", BF16", their);
    return new Row(
        name,
        model.id(precision),
        threads,
        ours,
        alone ? null : theirs.getFirst().name(),
        alone ? null : their,
        alone ? null : Stats.median(ratios),
        alone ? null : ratios[0],
        alone ? null : ratios[ratios.length - 1],
        null,
        null,
        "compute",
        others,
        null,
        wanted);
  }
}
