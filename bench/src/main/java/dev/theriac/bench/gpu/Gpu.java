package dev.theriac.bench.gpu;

import dev.theriac.backend.Availability;
import dev.theriac.cuda.Cuda;
import dev.theriac.cuda.CudaBackend;
import dev.theriac.cuda.Precision;
import dev.theriac.cuda.device.CudaBlas;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.CudaEvent;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;

/**
 * The device that is measured: its back ends, times taken with its events, and which of its kernels
 * ran in calls whose results were right. For one thread.
 */
final class Gpu {
  private static final String EMULATED = "Emulated";
  private static final int WARM_CALLS = 3;
  private static final int MOST_CALLS = 10_000;

  private final CudaDevice device = CudaDevice.open(0);
  private final Map<Precision, CudaBackend> backends = new EnumMap<>(Precision.class);
  private final Set<String> right = new TreeSet<>();
  private final Set<String> wrong = new TreeSet<>();

  private final Card standIn;

  private Gpu(Card standIn) {
    this.standIn = standIn;
  }

  /** The first device, or null where {@link Cuda} is not available. */
  static Gpu open() {
    return open(null);
  }

  /** For tests: takes the device for a card, so that what it does to a card can be tried. */
  static Gpu open(Card standIn) {
    return Cuda.isAvailable() ? new Gpu(standIn) : null;
  }

  CudaDevice device() {
    return device;
  }

  /** The driver's name. */
  String name() {
    return device.name();
  }

  /** Whether this is no card but the device that tests run on: its times say nothing. */
  boolean isEmulated() {
    return standIn == null && name().startsWith(EMULATED);
  }

  /** What the data sheet says, or null where it is not known here. */
  Card card() {
    if (standIn != null) return standIn;
    return isEmulated() ? null : Card.named(name());
  }

  CudaBackend backend(Precision precision) {
    return backends.computeIfAbsent(precision, p -> new CudaBackend(device, p));
  }

  /** Whether dense products of the back end run on cuBLAS, and if not, why. */
  Availability cublas() {
    return CudaBlas.of(device).availability();
  }

  /**
   * Calls something that says whether its results were right, and remembers the kernels that it
   * launched.
   */
  boolean witness(BooleanSupplier call) {
    Map<String, Long> before = device.launches();
    boolean good = false;
    try {
      good = call.getAsBoolean();
      return good;
    } finally {
      Set<String> ran = good ? right : wrong;
      device
          .launches()
          .forEach((kernel, count) -> {
            if (!count.equals(before.get(kernel))) ran.add(kernel);
          });
    }
  }

  /** Kernels that were launched in calls with right results, and in none with wrong ones. */
  Set<String> proven() {
    Set<String> proven = new TreeSet<>(right);
    // Calls of cuBLAS are counted too.
    proven.retainAll(device.kernelNames());
    proven.removeAll(wrong);
    return proven;
  }

  /**
   * Microseconds of a call on the device, between events before and after as many calls as take
   * {@code seconds}. The calls of a round follow each other, one kind after the other.
   *
   * @return by name, a value for each round
   */
  Map<String, double[]> time(Map<String, Runnable> calls, int rounds, double seconds) {
    Map<String, Integer> counts = new TreeMap<>();
    Map<String, double[]> times = new TreeMap<>();
    calls.forEach((name, call) -> {
      for (int i = 0; i < WARM_CALLS; i++) call.run();
      double each = Math.max(1, micros(call, WARM_CALLS));
      counts.put(name, (int) Math.clamp(Math.ceil(seconds * 1e6 / each), 1, MOST_CALLS));
      times.put(name, new double[rounds]);
    });
    for (int round = 0; round < rounds; round++) {
      for (String name : calls.keySet()) {
        times.get(name)[round] = micros(calls.get(name), counts.get(name));
      }
    }
    return times;
  }

  private double micros(Runnable call, int count) {
    try (CudaEvent from = device.event(true);
        CudaEvent to = device.event(true)) {
      device.synchronize();
      from.record(device.compute());
      for (int i = 0; i < count; i++) call.run();
      to.record(device.compute());
      to.synchronize();
      return to.secondsSince(from) * 1e6 / count;
    }
  }

  /** What a reader of the tables has to know about the device. */
  List<String> notes() {
    List<String> notes = new ArrayList<>();
    if (isEmulated()) notes.add("emulated: not timed; shapes are small ones of the same kind");
    else if (card() == null) notes.add("no data sheet of this card is known here, so no bounds");
    notes.add("dense products: " + cublas());
    return notes;
  }
}
