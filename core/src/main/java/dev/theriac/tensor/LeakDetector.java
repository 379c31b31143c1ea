package dev.theriac.tensor;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * Names where tensors were made that nobody freed. {@code theriac.leaks} = off (default), sampled
 * (one of 128) or every. A leak is a tensor that the garbage collector had to free; each place is
 * reported once. {@link #live()} lists what is held now. Thread-safe.
 */
public final class LeakDetector {
  private static final System.Logger LOG = System.getLogger("dev.theriac.leaks");
  private static final int EVERY = period(System.getProperty("theriac.leaks", "off"));
  private static final AtomicLong COUNT = new AtomicLong();
  private static final AtomicLong LEAKS = new AtomicLong();
  private static final Map<Site, Boolean> LIVE = new ConcurrentHashMap<>();
  private static final Set<String> REPORTED = ConcurrentHashMap.newKeySet();

  private LeakDetector() {}

  /** Where a tensor was made. */
  static final class Site {
    final String holder;
    final List<StackWalker.StackFrame> frames;
    volatile boolean expected;

    Site(String holder, List<StackWalker.StackFrame> frames) {
      this.holder = holder;
      this.frames = frames;
    }

    @Override
    public String toString() {
      return holder
          + " at "
          + frames.stream().map(Object::toString).collect(Collectors.joining(" < "));
    }
  }

  private static int period(String level) {
    return switch (level) {
      case "off" -> 0;
      case "sampled" -> 128;
      case "every" -> 1;
      default ->
          throw new IllegalArgumentException(
              "theriac.leaks=%s is not one of off, sampled, every".formatted(level));
    };
  }

  static Site track(String holder) {
    if (EVERY == 0 || COUNT.getAndIncrement() % EVERY != 0) return null;
    List<StackWalker.StackFrame> frames =
        StackWalker.getInstance()
            .walk(s ->
                s.filter(f -> !f.getClassName().startsWith("dev.theriac.tensor."))
                    .limit(6)
                    .toList());
    Site site = new Site(holder, frames);
    LIVE.put(site, true);
    return site;
  }

  static void untrack(Site site) {
    if (site != null) LIVE.remove(site);
  }

  static void collected(Site site, String holder) {
    if (site == null || site.expected) return;
    LEAKS.incrementAndGet();
    if (!REPORTED.add(site.toString())) return;
    LOG.log(
        System.Logger.Level.WARNING,
        "tensor never closed, freed by the garbage collector: {0}; open a Scope around the code or"
            + " close the tensor",
        site);
  }

  /** Tensors freed by the garbage collector since the start, among those tracked. */
  public static long leaks() {
    return LEAKS.get();
  }

  /** Where the tracked tensors that are alive now were made. */
  public static List<String> live() {
    return LIVE.keySet().stream().map(Site::toString).sorted().toList();
  }
}
