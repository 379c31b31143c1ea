package dev.theriac.cli;

import dev.theriac.backend.Backends;
import java.io.PrintWriter;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;

/** The entry point of the {@code theriac} command. */
public final class Main {
  /** Held, since a logger that nobody holds is forgotten together with its level. */
  private static final Logger TOKENIZERS = Logger.getLogger("ai.djl");

  private static final Set<String> COMPUTING =
      Set.of("ask", "quickstart", "train", "eval", "route", "doctor");

  private Main() {}

  /** Runs the command line and exits: 0 done, 1 failed, 2 wrong usage. */
  public static void main(String[] args) {
    // The tokenizers library reports each step of loading itself, and warns where there is no GPU.
    TOKENIZERS.setLevel(Level.SEVERE);
    startAhead(args);
    var out = new PrintWriter(System.out, true, System.out.charset());
    var err = new PrintWriter(System.err, true, System.err.charset());
    System.exit(run(out, err, args));
  }

  /** Chooses the back end and sets the compiler up while the command line is read. */
  private static void startAhead(String... args) {
    boolean computes = args.length > 0 && COMPUTING.contains(args[0]);
    // Where somebody asks for a back end the choice may be an error, which the command reports.
    if (computes && System.getProperty("theriac.backend") == null) {
      Thread.ofPlatform().daemon().name("theriac-start").start(() -> Backends.cpu().reason());
    }
  }

  /**
   * Runs one command line.
   *
   * @param out where results go
   * @param err where errors, progress and the start-up line go
   * @return the exit status: 0 done, 1 failed, 2 wrong usage
   */
  static int run(PrintWriter out, PrintWriter err, String... args) {
    var root = new TheriacCommand();
    var line = new CommandLine(root);
    line.setOut(out).setErr(err);
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setExecutionExceptionHandler(new ErrorReport(root));
    int status = line.execute(args);
    out.flush();
    err.flush();
    return status;
  }
}
