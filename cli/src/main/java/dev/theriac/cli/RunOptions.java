package dev.theriac.cli;

import dev.theriac.cli.config.TrainConfig;
import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.run.ThreeStages;
import dev.theriac.tensor.Device;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options of a command that trains, and the run itself. */
final class RunOptions {
  @Option(
      names = "--out",
      paramLabel = "DIR",
      description = "Folder for model, log and report; an unfinished run in it is gone on with.")
  private Path out;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Also writes the table of results here, for machines.")
  private Path json;

  @Option(names = "--seed", paramLabel = "N", description = "Seed of all randomness.")
  private Long seed;

  @Mixin private DeviceOptions devices;

  /**
   * Trains.
   *
   * @param fallback folder if neither the command line nor the configuration names one
   */
  int run(TheriacCommand theriac, TrainConfig config, String title, Path fallback) {
    if (json != null) {
      ResultTable.requireWritable(json);
    }
    Device device = devices.device(config.device());
    TrainConfig seeded = seed == null ? config : config.withSeed(seed);
    Path folder = out != null ? out : config.out() != null ? config.out() : fallback;
    theriac.startUp(device);
    Progress progress = Progress.console(theriac.err(), theriac.quiet());
    ResultTable table =
        new ThreeStages(seeded, device, folder, title, theriac.out(), progress).run();
    if (json != null) {
      table.write(json);
    }
    theriac.out().printf("%nmodel   %s%nreport  %s%n", folder.resolve("model"), report(folder));
    theriac.out().printf("try     theriac ask --model %s --image FILE \"...\"%n", model(folder));
    return 0;
  }

  private static Path report(Path folder) {
    return folder.resolve("report.html");
  }

  private static Path model(Path folder) {
    return folder.resolve("model");
  }
}
