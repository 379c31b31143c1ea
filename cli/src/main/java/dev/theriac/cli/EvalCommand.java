package dev.theriac.cli;

import dev.theriac.cli.config.ConfigReader;
import dev.theriac.cli.config.TrainConfig;
import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.cli.result.EvalResult;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.run.ResultText;
import dev.theriac.cli.run.RunData;
import dev.theriac.cli.run.Scored;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.AnswersFile;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.VqaFile;
import dev.theriac.moe.medmoe.metrics.VqaMetrics;
import dev.theriac.moe.medmoe.train.Evaluation;
import dev.theriac.tensor.Device;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Scores a model on test questions. */
@Command(name = "eval", description = "Asks a model the questions of a test set and scores it.")
final class EvalCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Mixin private PartOptions parts;
  @Mixin private DeviceOptions devices;
  @Spec private CommandSpec spec;

  @Option(names = "--model", required = true, paramLabel = "DIR", description = "A model folder.")
  private Path model;

  /** Where the questions come from. */
  static final class Source {
    @Option(
        names = "--data",
        paramLabel = "phantoms|FILE.json",
        description = "The drawn pictures, or a file of questions with answers.")
    private String data;

    @Option(
        names = "--config",
        paramLabel = "CONFIG.json",
        description = "The test set of a configuration of train.")
    private Path config;
  }

  @ArgGroup(exclusive = true, multiplicity = "1")
  private Source source;

  @Option(
      names = "--images",
      paramLabel = "DIR",
      description = "Folder of the pictures that FILE.json names (default: its own folder).")
  private Path images;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Of the drawn pictures (default ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--count",
      paramLabel = "N",
      description = "Number of drawn pictures (default ${DEFAULT-VALUE}).")
  private int count = 200;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description = "Longest answer (default ${DEFAULT-VALUE}).")
  private int maxTokens = 32;

  @Option(
      names = "--batch-size",
      paramLabel = "N",
      description = "Questions computed together (default ${DEFAULT-VALUE}).")
  private int batchSize = 64;

  @Option(
      names = "--answers",
      paramLabel = "FILE.jsonl",
      description = "Also writes every answer here.")
  private Path answers;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Also writes the scores here, for machines.")
  private Path json;

  @Override
  public Integer call() {
    for (Path file : new Path[] {json, answers}) {
      if (file != null) ResultTable.requireWritable(file);
    }
    if (count < 1 || batchSize < 1 || maxTokens < 1) {
      throw new ParameterException(
          spec.commandLine(), "--count, --batch-size and --max-tokens must be 1 or more.");
    }
    Device device = devices.device();
    MedMoe scored = DeviceOptions.load(device, () -> MedMoe.load(model, parts.parts()));
    Dataset data = data(scored);
    theriac.startUp(device);
    long begin = System.nanoTime();
    Evaluation evaluation;
    try (Progress progress = Progress.console(theriac.err(), theriac.quiet())) {
      progress.start("eval", data.size());
      evaluation =
          Evaluation.of(
              scored,
              data,
              batchSize,
              maxTokens,
              done -> progress.step(done, Double.NaN, Double.NaN));
    }
    double seconds = (System.nanoTime() - begin) * 1e-9;
    Scores scores =
        new Scores(
            "",
            Scored.byGroup(evaluation),
            evaluation.closedAccuracy(),
            evaluation.openRecall(),
            Double.NaN,
            scored.parameterCount(),
            scored.activeParameters(),
            Double.NaN,
            seconds);
    ResultText.print(theriac.out(), scores);
    if (answers != null) writeAnswers(evaluation);
    if (json != null) {
      VqaMetrics published = new VqaMetrics();
      evaluation
          .answers()
          .forEach(a ->
              published.add(
                  a.answer(), a.sample().conversation().answer(), a.sample().answerType()));
      EvalResult.of(scores, published.report(), seconds).write(json);
    }
    return 0;
  }

  private Dataset data(MedMoe scored) {
    if (source.config != null) {
      return RunData.test(ConfigReader.read(source.config, TrainConfig.class));
    }
    if (source.data.equals("phantoms")) {
      return RunData.phantomQuestions(seed, count, scored.vision().config().imageSize());
    }
    Path file = Path.of(source.data);
    Path folder = images != null ? images : file.toAbsolutePath().getParent();
    return VqaFile.read(file, folder, VqaFile.Kind.TEST);
  }

  private void writeAnswers(Evaluation evaluation) {
    try (AnswersFile file = AnswersFile.create(answers, model.getFileName().toString())) {
      for (Evaluation.Answered a : evaluation.answers()) {
        String prompt = a.sample().conversation().asQuestion().turns().getLast().text();
        file.add(a.sample().id(), prompt, a.answer());
      }
    }
  }
}
