package dev.theriac.cli;

import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.tensor.Device;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Answers a question about a picture. */
@Command(
    name = "ask",
    description = "Answers a question about a picture. For research, not for diagnosis.")
final class AskCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Mixin private PartOptions parts;
  @Mixin private AnswerOptions options;
  @Mixin private DeviceOptions devices;
  @Spec private CommandSpec spec;

  @Option(names = "--model", required = true, paramLabel = "DIR", description = "A model folder.")
  private Path model;

  @Option(
      names = "--image",
      required = true,
      paramLabel = "FILE",
      description = "A PNG, JPEG, TIFF or DICOM picture.")
  private Path image;

  @Option(
      names = "--times",
      description =
          "Also says, on standard error, how long each part took, and the memory that was needed.")
  private boolean times;

  @Parameters(paramLabel = "QUESTION", description = "What is asked, in quotes.")
  private String question;

  @Override
  public Integer call() throws IOException {
    if (question.isBlank()) {
      throw new ParameterException(
          spec.commandLine(), "Empty question: write what is asked about the image.");
    }
    Device device = devices.device();
    Image picture = Images.read(image);
    MedMoe answering = DeviceOptions.load(device, () -> MedMoe.load(model, parts.parts()));
    double loaded = AskTimes.sinceStart();
    theriac.startUp(device);
    GenerationConfig how = options.of(answering.generation());
    PrintWriter out = theriac.out();
    boolean[] begun = {false};
    AskTimes seen = new AskTimes();
    answering.ask(
        picture,
        question,
        how,
        text -> {
          seen.token();
          // The first token of an answer carries the blank after "ASSISTANT:".
          String shown = begun[0] ? text : text.stripLeading();
          begun[0] |= !shown.isEmpty();
          out.print(shown);
          out.flush();
        },
        seen);
    out.println();
    if (times) {
      double done = AskTimes.sinceStart();
      theriac
          .err()
          .printf(
              Locale.ROOT,
              "model loaded %.2f s, first token %.2f s, answer %.2f s after the JVM's start%n",
              loaded,
              seen.first(),
              done);
      theriac.err().println(seen.text());
    }
    return 0;
  }
}
