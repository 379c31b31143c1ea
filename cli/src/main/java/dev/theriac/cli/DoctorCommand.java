package dev.theriac.cli;

import dev.theriac.backend.Availability;
import dev.theriac.backend.Backend;
import dev.theriac.backend.BackendProvider;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.backend.check.StagedBackend;
import dev.theriac.bench.frame.Ceilings;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.OutOfTensorMemoryException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** Says what Theriac runs on here, what it could not use, and what would help. */
@Command(
    name = "doctor",
    description = "Says what Theriac runs on here, what it cannot use, and what would help.")
final class DoctorCommand implements Callable<Integer> {
  /** Of each measurement. */
  private static final int MILLIS = 200;

  @Option(names = "--quick", description = "Leaves out what is measured, which takes seconds.")
  private boolean quick;

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
    cpu.backend().choices().forEach((name, why) -> row(out, name, why));
    SelfCheck check = SelfCheck.run();
    row(out, "self-check", check.text());
    check.failures().forEach(failure -> row(out, "", failure));
    if (!quick) measure(out);
    boolean right = check.failures().isEmpty();
    for (BackendProvider provider : BackendProvider.all()) {
      Availability found = provider.availability();
      row(out, provider.name() + " back end", (found.available() ? "" : "not used: ") + found);
      if (found.available()) right &= examine(out, new Device(provider.name(), 0));
    }
    return right ? 0 : 1;
  }

  /** What a back end beside the CPU's chose, and whether its kernels agree with scalar code. */
  private static boolean examine(PrintWriter out, Device device) {
    Backend backend;
    try {
      backend = Backends.of(device);
    } catch (RuntimeException e) {
      row(out, device.toString(), "FAILED: " + e.getMessage());
      return false;
    }
    backend.choices().forEach((name, why) -> row(out, name, why));
    SelfCheck check = SelfCheck.compare(StagedBackend.of(backend.exact()), Backends.scalar());
    row(out, "self-check", check.text());
    check.failures().forEach(failure -> row(out, "", failure));
    return check.failures().isEmpty();
  }

  private static void measure(PrintWriter out) {
    int all = Workers.threads();
    if (Backends.cpu().backend() != Backends.scalar()) {
      row(out, "FMA peak", measured("GFLOP/s in F32", Ceilings::fma, all));
    }
    row(out, "memory read", measured("GB/s", Ceilings::read, all));
    row(out, "memory copy", measured("GB/s, reads and writes", Ceilings::copy, all));
  }

  /** A rate on so many threads, measured for so many milliseconds. */
  @FunctionalInterface
  private interface Rate {
    double of(int threads, int millis) throws InterruptedException;
  }

  private static String measured(String unit, Rate rate, int all) {
    try {
      String one = String.format(Locale.ROOT, "%.1f %s on one thread", rate.of(1, MILLIS), unit);
      return all == 1
          ? one
          : one + String.format(Locale.ROOT, ", %.1f on %d", rate.of(all, MILLIS), all);
    } catch (OutOfTensorMemoryException e) {
      return "not measured: no 256 MiB of tensor memory are left";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "interrupted";
    }
  }

  private static void row(PrintWriter out, String name, String value) {
    out.printf("%-16s%s%n", name, value);
  }
}
