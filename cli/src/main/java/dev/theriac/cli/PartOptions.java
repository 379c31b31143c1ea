package dev.theriac.cli;

import dev.theriac.moe.medmoe.ModelParts;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options that say where parts of a published Med-MoE lie. */
final class PartOptions extends PartsBeside {
  @Option(
      names = "--language",
      paramLabel = "DIR",
      description = "Language model of a published first stage.")
  private Path language;

  @Override
  ModelParts parts() {
    return super.parts().withLanguage(language);
  }
}
