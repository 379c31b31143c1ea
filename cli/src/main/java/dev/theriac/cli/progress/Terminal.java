package dev.theriac.cli.progress;

import java.io.Console;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;

/** What standard error is connected to. */
final class Terminal {
  private static final Path ERROR_STREAM = Path.of("/proc/self/fd/2");

  private Terminal() {}

  static boolean interactive() {
    Console console = System.console();
    return console != null && console.isTerminal() && !redirected();
  }

  /** The console looks at input and output alone; progress goes to standard error. */
  private static boolean redirected() {
    try {
      String target = Files.readSymbolicLink(ERROR_STREAM).toString();
      return !target.startsWith("/dev/pts/") && !target.startsWith("/dev/tty");
    } catch (IOException | UnsupportedOperationException e) {
      return false; // no such link on this system
    }
  }

  static int width() {
    try (ConsoleProgressBarConsumer consumer =
        new ConsoleProgressBarConsumer(new PrintStream(PrintStream.nullOutputStream()))) {
      return Math.max(40, consumer.getMaxRenderedLength());
    }
  }
}
