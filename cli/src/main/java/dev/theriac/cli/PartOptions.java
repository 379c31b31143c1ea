package dev.theriac.cli;

import dev.theriac.moe.medmoe.ModelParts;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options that say where parts of a published Med-MoE lie. */
final class PartOptions {
  @Option(
      names = "--vision",
      paramLabel = "DIR",
      description = "Image encoder of a published Med-MoE, if it is not beside it.")
  private Path vision;

  @Option(
      names = "--projector",
      paramLabel = "FILE",
      description = "Projector of a published model without one.")
  private Path projector;

  @Option(
      names = "--router",
      paramLabel = "FILE",
      description = "Router of a published model without one.")
  private Path router;

  @Option(
      names = "--language",
      paramLabel = "DIR",
      description = "Language model of a published first stage.")
  private Path language;

  ModelParts parts() {
    return new ModelParts(vision, language, projector, router);
  }
}
