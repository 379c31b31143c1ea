package dev.theriac.cli;

import dev.theriac.cli.config.ConfigReader;
import dev.theriac.cli.config.TrainConfig;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/** Trains as a configuration file says. */
@Command(
    name = "train",
    description = {
      "Trains a Med-MoE through all three stages as a configuration file says, evaluates it and"
          + " writes a model and a report.",
      "Without --out, and without 'out' in the file, it writes to a folder of the file's name in"
          + " the working directory."
    })
final class TrainCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Mixin private RunOptions options;

  @Parameters(paramLabel = "CONFIG.json", description = "What to train on, and how.")
  private Path file;

  @Override
  public Integer call() {
    String name = file.getFileName().toString().replaceFirst("\\.json$", "");
    TrainConfig config = ConfigReader.read(file, TrainConfig.class);
    return options.run(theriac, config, "Theriac: " + name, Path.of("theriac-" + name));
  }
}
