package dev.theriac.cli;

import dev.theriac.cli.report.RouteData;
import dev.theriac.cli.report.RoutePage;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.moe.audit.Trail;
import dev.theriac.moe.audit.TrailWriter;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.RoutedAnswer;
import dev.theriac.tensor.Device;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import dev.theriac.vision.image.Preprocess;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Answers a question and shows which experts every token passed. */
@Command(
    name = "route",
    description = {
      "Answers a question about a picture and shows which experts every patch and token passed.",
      "For research, not for diagnosis."
    })
final class RouteCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Mixin private PartOptions parts;
  @Mixin private AnswerOptions options;
  @Mixin private DeviceOptions devices;
  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      required = true,
      paramLabel = "DIR",
      description = "A model folder; the model must have experts.")
  private Path model;

  @Option(
      names = "--image",
      required = true,
      paramLabel = "FILE",
      description = "A PNG, JPEG, TIFF or DICOM picture.")
  private Path image;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "The page with the picture (default ${DEFAULT-VALUE}).")
  private Path out = Path.of("route.html");

  @Option(names = "--json", paramLabel = "FILE", description = "Also writes the audit trail here.")
  private Path json;

  @Option(
      names = "--replay",
      paramLabel = "FILE",
      description = {
        "Answers with the routing of this trail, and checks that answer and routing are the same to"
            + " the bit."
      })
  private Path replay;

  @Option(names = "--tokens", description = "Prints every token, not only the shares.")
  private boolean tokens;

  @Parameters(paramLabel = "QUESTION", description = "What is asked, in quotes.")
  private String question;

  @Override
  public Integer call() throws IOException {
    check();
    Device device = devices.device();
    Image picture = Images.read(image);
    MedMoe answering = DeviceOptions.load(device, () -> MedMoe.load(model, parts.parts()));
    theriac.startUp(device);
    Trail recorded = replay == null ? null : Trail.read(replay);
    RoutedAnswer answer =
        recorded == null
            ? RoutedAnswer.ask(
                answering, picture, question, options.of(answering.generation()), names())
            : RoutedAnswer.replay(answering, picture, question, recorded);
    PrintWriter to = theriac.out();
    to.println(answer.answer().isBlank() ? "(no answer)" : answer.answer());
    to.println();
    RouteTable.print(to, answer, tokens);
    if (json != null) {
      TrailWriter.Closing closing = answer.trail().write(json);
      to.printf("trail   %s%n", json.toAbsolutePath());
      to.printf("        %,d records, chain %s%n", closing.records(), closing.chain());
    }
    Image seen = Preprocess.pixels(picture, answering.preprocessing());
    int patch = answering.vision().config().patchSize();
    RoutePage.write(new RouteData(question, answer, seen, patch), out);
    to.printf("page    %s%n", out.toAbsolutePath());
    return recorded == null ? 0 : verdict(recorded, answer);
  }

  private void check() {
    if (question.isBlank()) {
      throw new ParameterException(
          spec.commandLine(), "Empty question: write what is asked about the image.");
    }
    if (replay != null && options.given()) {
      throw new ParameterException(
          spec.commandLine(),
          "--replay takes the settings of the trail: leave --max-tokens, --temperature and --seed"
              + " out.");
    }
    ResultTable.requireWritable(out);
    if (json != null) ResultTable.requireWritable(json);
  }

  /** What the experts were made for, where the model's files say it. */
  private List<String> names() {
    return ModelDirectory.provenance(model).experts();
  }

  private int verdict(Trail recorded, RoutedAnswer answer) {
    String difference = recorded.difference(answer.trail());
    if (difference == null) {
      theriac
          .out()
          .printf(
              "replay  %,d records and the answer are the same to the bit%n",
              recorded.records().size());
      return 0;
    }
    theriac
        .err()
        .printf(
            "theriac: %s: not reproduced: %s%n"
                + "  the same model and input gave other numbers: was the trail recorded on another"
                + " back end or by another version (%s)?%n",
            replay, difference, recorded.header().library());
    return 1;
  }
}
