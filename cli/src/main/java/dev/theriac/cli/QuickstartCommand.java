package dev.theriac.cli;

import dev.theriac.cli.config.ConfigReader;
import dev.theriac.cli.config.TrainConfig;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ParentCommand;

/** Trains a small Med-MoE on drawn pictures through all three stages. */
@Command(
    name = "quickstart",
    description = {
      "Trains a small Med-MoE from random weights through all three stages, on pictures that are"
          + " drawn by a program, evaluates it and writes a model and a report.",
      "Without --out it writes to theriac-quickstart in the working directory."
    })
final class QuickstartCommand implements Callable<Integer> {
  private static final Path FOLDER = Path.of("theriac-quickstart");

  @ParentCommand private TheriacCommand theriac;
  @Mixin private RunOptions options;

  @Override
  public Integer call() {
    return options.run(theriac, config(), "Theriac quickstart", FOLDER);
  }

  /** The built-in configuration. */
  static TrainConfig config() {
    try (InputStream in = QuickstartCommand.class.getResourceAsStream("quickstart.json")) {
      String json = new String(in.readAllBytes(), StandardCharsets.UTF_8);
      return ConfigReader.parse(
          json, "built-in quickstart.json", Path.of("").toAbsolutePath(), TrainConfig.class);
    } catch (IOException e) {
      throw new UncheckedIOException("the built-in quickstart.json cannot be read", e);
    }
  }
}
