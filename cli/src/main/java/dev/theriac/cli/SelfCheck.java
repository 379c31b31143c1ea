package dev.theriac.cli;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.tensor.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Compares every kernel of the CPU back end in use with plain scalar loops.
 *
 * @param text one line: how far the two lie apart, or how many differ
 * @param failures a line for each kernel that differs
 */
record SelfCheck(String text, List<String> failures) {
  static SelfCheck run() {
    Backend cpu = Backends.of(Device.CPU);
    if (cpu == Backends.scalar()) {
      return new SelfCheck("nothing to compare: the scalar code itself is in use", List.of());
    }
    return compare(cpu, Backends.scalar());
  }

  static SelfCheck compare(Backend checked, Backend oracle) {
    List<KernelCheck> checks = KernelCheck.all();
    List<String> failures = new ArrayList<>();
    List<String> missing = new ArrayList<>();
    double worst = 0;
    for (KernelCheck check : checks) {
      double apart;
      try {
        apart = check.apart(checked, oracle);
      } catch (UnsupportedOperationException e) {
        // Says so itself when it is called.
        missing.add(check.kernel());
        continue;
      } catch (RuntimeException e) {
        failures.add(check.name() + " failed: " + e);
        continue;
      }
      if (apart <= KernelCheck.TOLERANCE) {
        worst = Math.max(worst, apart);
      } else {
        failures.add(
            String.format(
                Locale.ROOT,
                "%s of %s differs from %s by %.1e of its size",
                check.name(),
                checked.name(),
                oracle.name(),
                apart));
      }
    }
    long kernels = checks.stream().map(KernelCheck::kernel).distinct().count();
    long absent = missing.stream().distinct().count();
    String text =
        failures.isEmpty()
            ? String.format(
                Locale.ROOT,
                "%d kernels, %d checks: agree with scalar code to %.0e of their size%s",
                kernels - absent,
                checks.size() - missing.size(),
                worst,
                absent == 0 ? "" : "; %d kernels are missing".formatted(absent))
            : String.format(
                "%d of %d checks FAILED; please report this machine",
                failures.size(), checks.size());
    return new SelfCheck(text, failures);
  }
}
