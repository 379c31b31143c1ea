package dev.theriac.cli;

import dev.theriac.backend.Availability;
import dev.theriac.backend.BackendProvider;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Memory;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParentCommand;

/** Says what Theriac runs on here, what it could not use, and what would help. */
@Command(
    name = "doctor",
    description = "Says what Theriac runs on here, what it cannot use, and what would help.")
final class DoctorCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;

  @Override
  public Integer call() {
    PrintWriter out = theriac.out();
    Backends.Choice cpu = Backends.cpu();
    row(out, "version", Version.number());
    row(out, "Java", Runtime.version() + " in " + System.getProperty("java.home"));
    row(
        out,
        "system",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + ", "
            + System.getProperty("os.arch"));
    row(out, "threads", Workers.threads() + " (" + Workers.THREADS_PROPERTY + ")");
    row(out, "heap", "at most %,d MiB (-Xmx)".formatted(Runtime.getRuntime().maxMemory() >> 20));
    long limit = Memory.stats().limit();
    row(
        out,
        "tensor memory",
        limit == 0
            ? "no limit (theriac.memory.limit)"
            : "at most %,d MiB (theriac.memory.limit)".formatted(limit >> 20));
    row(
        out,
        "CPU back end",
        cpu.backend().name() + (cpu.reason().isEmpty() ? "" : ": " + cpu.reason()));
    row(out, "vectors", vectors(cpu));
    row(out, "self-check", SelfCheck.run());
    for (BackendProvider provider : BackendProvider.all()) {
      Availability found = provider.availability();
      row(out, provider.name() + " back end", (found.available() ? "" : "not used: ") + found);
    }
    return 0;
  }

  /** The vector back end's name ends in its width. */
  private static String vectors(Backends.Choice cpu) {
    String name = cpu.backend().name();
    return name.startsWith("vector-")
        ? name.substring("vector-".length()) + " bits (theriac.vector.bits)"
        : "not used: " + cpu.reason();
  }

  private static void row(PrintWriter out, String name, String value) {
    out.printf("%-15s%s%n", name, value);
  }
}
