package dev.theriac.cli;

import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.result.QuantizeResult;
import dev.theriac.cli.result.QuantizeResult.Comparison;
import dev.theriac.cli.run.LanguageModel;
import dev.theriac.cli.run.TokenFile;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.AccuracyLoss;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.tensor.QuantisedFormat;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Makes a quantised model. */
@Command(
    name = "quantize",
    description = {
      "Writes a model with 8-bit or 4-bit weights, for inference, and says what it loses.",
      "Quantised are the linear projections of the decoder's blocks and experts, in blocks of 32"
          + " weights; all else keeps its type."
    })
final class QuantizeCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "A model folder, in F32, BF16 or F16.")
  private Path from;

  @Option(
      names = "--to",
      required = true,
      paramLabel = "int8|int4",
      description = "8.5 or 4.5 bits a weight, scales included.")
  private String format;

  @Option(
      names = "--output",
      required = true,
      paramLabel = "DIR",
      description = "Folder to be written; a quantised model in it is replaced.")
  private Path to;

  @Option(names = "--head", description = "Quantises the head (lm_head) too.")
  private boolean head;

  @Option(
      names = "--block",
      paramLabel = "N",
      description = "Weights that share a scale; ${DEFAULT-VALUE} is what kernels know.")
  private int block = QuantisedFormat.BLOCK;

  /** What both models read. */
  static final class Source {
    @Option(
        names = "--text",
        paramLabel = "FILE",
        description = "Compares on this text (UTF-8), in tokens of the model.")
    private Path text;

    @Option(
        names = "--tokens",
        paramLabel = "FILE",
        description = "Compares on the token ids in this file.")
    private Path tokens;

    @Option(names = "--no-compare", description = "Compares no logits.")
    private boolean none;
  }

  @ArgGroup private Source source = new Source();

  @Option(
      names = "--limit",
      paramLabel = "N",
      description = "Most tokens compared on (default ${DEFAULT-VALUE}).")
  private int limit = 256;

  @Option(
      names = "--window",
      paramLabel = "N",
      description = "Tokens read at once (default ${DEFAULT-VALUE}).")
  private int window = 128;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Of the random tokens taken when there is no file (default ${DEFAULT-VALUE}).")
  private long seed;

  @Override
  public Integer call() {
    Quantisation wanted = new Quantisation(format(), head);
    if (limit < 1 || window < 1) {
      throw new ParameterException(spec.commandLine(), "--limit and --window must be 1 or more.");
    }
    Quantiser quantiser = new Quantiser(from, to, wanted);
    LanguageModel.family(from);
    // Before the long part: a text that cannot be read would be found out after it.
    LanguageModel reference = source.none ? null : LanguageModel.load(from);
    int[] tokens = source.none ? null : tokens(reference);
    theriac.startUp();
    Quantiser.Result result;
    Comparison comparison = null;
    try (Progress progress = Progress.console(theriac.err(), theriac.quiet())) {
      progress.start("quantize", quantiser.count());
      result = quantiser.onProgress(done -> progress.step(done, Double.NaN, Double.NaN)).run();
      if (reference != null) {
        List<int[]> rows = AccuracyLoss.rows(tokens, window, limit);
        progress.start("compare", rows.size());
        AccuracyLoss loss =
            AccuracyLoss.of(
                reference.decoder(),
                LanguageModel.load(to).decoder(),
                rows,
                done -> progress.step(done, Double.NaN, Double.NaN));
        comparison = Comparison.of(loss, sourceName(), window);
      }
    }
    QuantizeResult all = QuantizeResult.of(wanted, result, comparison);
    all.write(to.resolve(Quantiser.REPORT));
    print(all, result);
    return 0;
  }

  private QuantisedFormat format() {
    if (block != QuantisedFormat.BLOCK) {
      throw new ParameterException(
          spec.commandLine(),
          "--block %d: the kernels know blocks of %d weights alone; leave the option out."
              .formatted(block, QuantisedFormat.BLOCK));
    }
    return switch (format) {
      case "int8" -> QuantisedFormat.INT8;
      case "int4" -> QuantisedFormat.INT4;
      default ->
          throw new ParameterException(
              spec.commandLine(), "--to %s: int8 or int4 is wanted.".formatted(format));
    };
  }

  private int[] tokens(LanguageModel reference) {
    int vocabulary = reference.decoder().config().vocabulary();
    if (source.text != null) {
      return reference.tokenizer().get().encode(TokenFile.text(source.text), true);
    }
    if (source.tokens != null) return TokenFile.ids(source.tokens, vocabulary);
    return AccuracyLoss.random(limit, vocabulary, seed);
  }

  private String sourceName() {
    if (source.text != null) return source.text.toString();
    if (source.tokens != null) return source.tokens.toString();
    return "random tokens, seed " + seed;
  }

  private void print(QuantizeResult all, Quantiser.Result result) {
    PrintWriter out = theriac.out();
    line(
        "quantised",
        "%d weights of %,d values to %s",
        all.weights().size(),
        all.quantisedValues(),
        all.format());
    line("kept", "%d tensors", all.keptTensors());
    line(
        "bytes",
        "%,d, were %,d (%.1f %%)",
        all.bytesAfter(),
        all.bytesBefore(),
        100.0 * all.bytesAfter() / all.bytesBefore());
    if (result.ragged() > 0) {
      line(
          "note",
          "%d weights have a width that %d does not divide: the last block of their rows is"
              + " shorter",
          result.ragged(),
          QuantisedFormat.BLOCK);
    }
    out.printf("%n%-12s  %7s  %10s  %11s%n", "projection", "weights", "mean error", "worst error");
    all.projections()
        .forEach((name, p) ->
            out.printf(
                Locale.ROOT,
                "%-12s  %7d  %10.5f  %11.5f%n",
                name,
                p.count(),
                p.meanError(),
                p.worstError()));
    Comparison c = all.comparison();
    if (c != null) {
      out.println();
      line("compared", "%,d tokens (%s), %d at once", c.tokens(), c.source(), c.window());
      line(
          "logits",
          "relative difference %.5f, at most %.5f",
          c.logitsMeanRelative(),
          c.logitsMaxRelative());
      line("divergence", "%.3e nats, at most %.3e", c.meanDivergence(), c.maxDivergence());
      line("same choice", "%.2f %%", 100 * c.topAgreement());
      if (c.loss() != null) {
        line("loss", "%.5f, was %.5f", c.quantisedLoss(), c.loss());
        line("perplexity", "%.4f, was %.4f", c.quantisedPerplexity(), c.perplexity());
      }
    }
    out.printf("%nmodel   %s%nreport  %s%n", to, to.resolve(Quantiser.REPORT));
  }

  private void line(String name, String format, Object... values) {
    theriac.out().printf("%-12s  %s%n", name, String.format(Locale.ROOT, format, values));
  }
}
