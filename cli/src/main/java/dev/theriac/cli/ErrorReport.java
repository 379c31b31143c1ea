package dev.theriac.cli;

import java.nio.file.FileSystemException;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/**
 * Turns an exception of a subcommand into a message and exit status 1; {@code --debug} adds the
 * stack trace.
 */
final class ErrorReport implements IExecutionExceptionHandler {
  private final TheriacCommand root;

  ErrorReport(TheriacCommand root) {
    this.root = root;
  }

  @Override
  public int handleExecutionException(Exception e, CommandLine line, ParseResult parsed) {
    var err = line.getErr();
    if (root.debug()) {
      e.printStackTrace(err);
      return line.getCommandSpec().exitCodeOnExecutionException();
    }
    err.println("theriac: " + describe(e));
    for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
      err.println("  because: " + describe(cause));
    }
    err.println("  (--debug shows where)");
    return line.getCommandSpec().exitCodeOnExecutionException();
  }

  /**
   * A message that was written for people stands alone; one that needs its type for sense gets it.
   */
  private static String describe(Throwable t) {
    String message = t.getMessage();
    boolean plain = t instanceof IllegalArgumentException || t instanceof IllegalStateException;
    if (message == null || message.isBlank()) {
      return t.getClass().getSimpleName();
    }
    // The JDK's own file errors hold the path alone; with a reason they are sentences.
    boolean bare = t instanceof FileSystemException file && file.getReason() == null;
    return plain || message.contains(" ") && !bare
        ? message
        : t.getClass().getSimpleName() + ": " + message;
  }
}
