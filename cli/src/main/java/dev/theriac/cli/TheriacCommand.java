package dev.theriac.cli;

import dev.theriac.tensor.Device;
import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/**
 * The {@code theriac} command itself: options that every subcommand has, and the list of
 * subcommands.
 *
 * <p>A subcommand is one class in this package with its own {@code @Command}, implementing {@code
 * Callable<Integer>}, named in {@code subcommands} below. It reaches the shared options through a
 * {@code @ParentCommand TheriacCommand theriac} field.
 */
@Command(
    name = "theriac",
    description =
        "Trains, evaluates and runs Med-MoE, a mixture-of-experts medical vision-language model.",
    mixinStandardHelpOptions = true,
    scope = ScopeType.INHERIT,
    versionProvider = Version.class,
    subcommands = {
      QuickstartCommand.class,
      TrainCommand.class,
      EvalCommand.class,
      AskCommand.class,
      RouteCommand.class,
      InspectCommand.class,
      QuantizeCommand.class,
      BenchCommand.class,
      RooflineCommand.class,
      DoctorCommand.class
    },
    footer = {
      "",
      "As the first argument, --show-command prints the java command that would run.",
      "Environment: THERIAC_JAVA_HOME (the JDK 25 to use), THERIAC_JAVA_OPTS (more JVM options)."
    })
public final class TheriacCommand implements Runnable {
  @Option(
      names = {"-q", "--quiet"},
      scope = ScopeType.INHERIT,
      description = "No start-up line and no progress bars.")
  private boolean quiet;

  @Option(
      names = "--debug",
      scope = ScopeType.INHERIT,
      description = "Errors are printed with their stack trace.")
  private boolean debug;

  @Spec private CommandSpec spec;

  /** Whether the start-up line and progress are to be left out. */
  public boolean quiet() {
    return quiet;
  }

  /** Whether errors are to be shown with their stack trace. */
  public boolean debug() {
    return debug;
  }

  /** Where results go. */
  public PrintWriter out() {
    return spec.commandLine().getOut();
  }

  /** Where progress and notes go. */
  public PrintWriter err() {
    return spec.commandLine().getErr();
  }

  /** Prints the line that says what is running on what; a subcommand calls this before its work. */
  public void startUp() {
    if (!quiet) {
      err().println(StartUpLine.text());
    }
  }

  /** The same for a command whose model computes on {@code device}. */
  public void startUp(Device device) {
    if (!quiet) {
      err().println(StartUpLine.text(device));
    }
  }

  /** Without a subcommand: says what there is, and that one is needed. */
  @Override
  public void run() {
    throw new CommandLine.ParameterException(spec.commandLine(), "Name a command.");
  }
}
