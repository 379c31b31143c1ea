package dev.theriac.cli;

import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.result.QuantizeResult;
import dev.theriac.cli.result.QuantizeResult.Comparison;
import dev.theriac.cli.result.QuantizeText;
import dev.theriac.cli.run.LanguageModel;
import dev.theriac.cli.run.PartsOfCopy;
import dev.theriac.cli.run.TokenFile;
import dev.theriac.io.FileException;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.AccuracyLoss;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.ModelParts;
import dev.theriac.tensor.QuantisedFormat;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
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
      "Writes a model with 8-bit or 4-bit weights, for inference, and says what it loses; or with"
          + " weights in BF16 or F32 that lie as the kernels read them, which makes answers"
          + " faster.",
      "Meant are the linear projections of the decoder's blocks and experts; all else keeps its"
          + " type. Of 8 and 4 bits, 32 weights share a scale."
    })
final class QuantizeCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Mixin private PartOptions parts;
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "DIR", description = "A model folder, in F32, BF16 or F16.")
  private Path from;

  @Option(
      names = "--to",
      required = true,
      paramLabel = "int8|int4|bf16|f32",
      description =
          "8.5 or 4.5 bits a weight, scales included; or the weights themselves: a model in BF16"
              + " loses nothing in bf16, none does in f32.")
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
      description =
          "Tokens read at once (default ${DEFAULT-VALUE}), at most as many as the model has"
              + " positions.")
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
    String type = LanguageModel.family(from);
    ModelParts named = parts.parts();
    Quantiser quantiser = new Quantiser(from, weights(type, named), to, wanted);
    // Before the long part, what would be found out after it: a part that is missing, a text that
    // cannot be read, a token that the model has not.
    boolean unseen = source.none && named.equals(ModelParts.none());
    PartsOfCopy copied =
        unseen ? PartsOfCopy.ifFound(from, type) : PartsOfCopy.of(from, type, named);
    copied.goAlong(quantiser, type);
    LanguageModel reference = source.none ? null : LanguageModel.load(from, named);
    List<int[]> rows = source.none ? null : rows(reference);
    theriac.startUp();
    Quantiser.Result result;
    QuantizeResult all;
    RuntimeException failed = null;
    try (Progress progress = Progress.console(theriac.err(), theriac.quiet())) {
      progress.start("quantize", quantiser.count());
      result = quantiser.onProgress(done -> progress.step(done, Double.NaN, Double.NaN)).run();
      all = QuantizeResult.of(wanted, result);
      // Whatever becomes of the comparison.
      all.write(report());
      if (reference != null) {
        try {
          all = all.with(compare(reference, copied, rows, progress));
        } catch (RuntimeException e) {
          failed = e;
          all = all.withFailure(String.valueOf(e.getMessage()));
        }
        all.write(report());
      }
    }
    QuantizeText.print(theriac.out(), all, result.filled());
    theriac.out().printf("%nmodel   %s%nreport  %s%n", to, report());
    if (!copied.isFoundFrom(to)) {
      theriac.out().printf("note    name the image encoder: --vision %s%n", copied.vision());
    }
    if (failed == null) return 0;
    throw new FileException(to, "the quantised model is whole, but was not compared", failed);
  }

  /** Those of the language model after the first stage of a Med-MoE, else the model's own. */
  private Path weights(String type, ModelParts named) {
    return ModelDirectory.MODEL_TYPES.contains(type)
        ? ModelDirectory.checkpoint(from, named)
        : from;
  }

  private Path report() {
    return to.resolve(Quantiser.REPORT);
  }

  private Comparison compare(
      LanguageModel reference, PartsOfCopy copied, List<int[]> rows, Progress progress) {
    progress.start("compare", rows.size());
    AccuracyLoss loss =
        AccuracyLoss.of(
            reference.decoder(),
            LanguageModel.load(to, copied.elsewhere(to)).decoder(),
            rows,
            done -> progress.step(done, Double.NaN, Double.NaN));
    return Comparison.of(loss, sourceName(), atOnce(reference));
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
      case "bf16" -> QuantisedFormat.BF16;
      case "f32" -> QuantisedFormat.F32;
      default ->
          throw new ParameterException(
              spec.commandLine(), "--to %s: int8, int4, bf16 or f32 is wanted.".formatted(format));
    };
  }

  private List<int[]> rows(LanguageModel reference) {
    return AccuracyLoss.rows(tokens(reference), atOnce(reference), limit);
  }

  /** No more than the model has positions. */
  private int atOnce(LanguageModel reference) {
    return (int) Math.min(window, reference.decoder().config().reach());
  }

  private int[] tokens(LanguageModel reference) {
    int vocabulary = reference.decoder().config().vocabulary();
    if (source.text != null) {
      return TokenFile.encoded(source.text, reference.tokenizer().get(), vocabulary);
    }
    if (source.tokens != null) return TokenFile.ids(source.tokens, vocabulary);
    return AccuracyLoss.random(limit, vocabulary, seed);
  }

  private String sourceName() {
    if (source.text != null) return source.text.toString();
    if (source.tokens != null) return source.tokens.toString();
    return "random tokens, seed " + seed;
  }
}
