package dev.theriac.backend.check;

import dev.theriac.backend.Backend;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The list of checks: at least one for every method of every interface that {@link Backend} gives,
 * named by family and method. A test compares it with those interfaces.
 */
final class KernelChecks {
  private final List<KernelCheck> list = new ArrayList<>();

  private KernelChecks() {}

  static List<KernelCheck> all() {
    KernelChecks checks = new KernelChecks();
    ElementChecks.addTo(checks);
    RowChecks.addTo(checks);
    ProductChecks.addTo(checks);
    ExpertChecks.addTo(checks);
    OptimChecks.addTo(checks);
    QuantisedChecks.addTo(checks);
    return List.copyOf(checks.list);
  }

  void add(String kernel, Function<Arguments, Consumer<Backend>> maker) {
    add(kernel, "", maker);
  }

  void add(String kernel, String variant, Function<Arguments, Consumer<Backend>> maker) {
    list.add(new KernelCheck(kernel, variant, maker));
  }
}
