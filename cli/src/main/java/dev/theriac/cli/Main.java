package dev.theriac.cli;

import java.io.PrintWriter;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;

/** The entry point of the {@code theriac} command. */
public final class Main {
  /** Held, since a logger that nobody holds is forgotten together with its level. */
  private static final Logger TOKENIZERS = Logger.getLogger("ai.djl");

  private Main() {}

  /** Runs the command line and exits: 0 done, 1 failed, 2 wrong usage. */
  public static void main(String[] args) {
    // The tokenizers library reports each step of loading itself, and warns where there is no GPU.
    TOKENIZERS.setLevel(Level.SEVERE);
    var out = new PrintWriter(System.out, true, System.out.charset());
    var err = new PrintWriter(System.err, true, System.err.charset());
    System.exit(run(out, err, args));
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
