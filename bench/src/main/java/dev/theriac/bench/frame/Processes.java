package dev.theriac.bench.frame;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Runs programs to their end, and ends those that are not wanted any longer. */
public final class Processes {
  private static final int GRACE_SECONDS = 5;
  private static final int LAST_LINES = 15;

  /** 128 and the number of a signal. */
  private static final int KILLED = 137;

  private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(() -> RUNNING.forEach(Processes::kill)));
  }

  private Processes() {}

  /** Starts a program that ends with this one at the latest, unless this one is killed. */
  static Process start(ProcessBuilder builder) throws IOException {
    Process process = builder.start();
    RUNNING.add(process);
    return process;
  }

  private static void kill(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  /** What a program wrote to standard output and to standard error. */
  public record Output(String text, String errors) {}

  /**
   * Runs a program; nothing of it is left when this returns.
   *
   * @param limit how long it may take
   * @throws IOException when it cannot be started
   * @throws IllegalStateException naming the program, with the last lines that it printed, when it
   *     takes longer or ends with another status than 0
   */
  public static Output run(ProcessBuilder builder, Duration limit) throws IOException {
    String name = builder.command().getFirst();
    Path out = Files.createTempFile("bench", ".out");
    Path err = Files.createTempFile("bench", ".err");
    Process process = null;
    try {
      process = start(builder.redirectOutput(out.toFile()).redirectError(err.toFile()));
      process.getOutputStream().close();
      boolean ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) end(process);
      // An encoding that is not UTF-8 is no reason to fail: the message is for people.
      String text = new String(Files.readAllBytes(out), StandardCharsets.UTF_8);
      String errors = new String(Files.readAllBytes(err), StandardCharsets.UTF_8);
      if (!ended) {
        throw new IllegalStateException(
            "%s did not end within %d s%s".formatted(name, limit.toSeconds(), printed(errors)));
      }
      int status = process.exitValue();
      if (status != 0) {
        String why = status == KILLED ? " (killed, perhaps for want of memory)" : "";
        throw new IllegalStateException(
            "%s ended with status %d%s%s".formatted(name, status, why, printed(errors)));
      }
      return new Output(text, errors);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while %s ran".formatted(name), e);
    } finally {
      if (process != null) end(process);
      Files.deleteIfExists(out);
      Files.deleteIfExists(err);
    }
  }

  /** The last lines of what was printed, for a message; nothing where that is blank. */
  static String printed(String text) {
    List<String> lines = text.strip().lines().toList();
    List<String> last = lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size());
    return last.isEmpty() ? "" : "; it printed\n" + String.join("\n", last);
  }

  /** Ends a program and all that it started, by force where it does not go at once. */
  static void end(Process process) {
    Set<ProcessHandle> started = new HashSet<>();
    process.descendants().forEach(started::add);
    process.destroy();
    try {
      if (!process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
        // What ignores the request may have gone on starting others.
        process.descendants().forEach(started::add);
        process.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
    // A shell goes without what it waits for.
    started.forEach(ProcessHandle::destroyForcibly);
    RUNNING.remove(process);
  }
}
