package dev.theriac.fuzz;

import com.sun.management.ThreadMXBean;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/**
 * Reads a good file damaged in many seeded ways. Each time the reader returns, or throws one of the
 * expected exceptions with the file in its message; it takes no longer than ten seconds of
 * processor time and allocates no more than the limits. Anything else fails, and leaves the file
 * behind under the name in the message.
 *
 * <p>These sources are compiled into the tests of each module that names their folder in its pom.
 *
 * <pre>{@code
 * Fuzz.expecting(FileException.class)
 *     .words("BOOL", "data_offsets")
 *     .run(dir, "model.safetensors", good, file -> SafeTensors.open(file).tensors());
 * }</pre>
 */
public final class Fuzz {
  private static final long MOST_CPU_NANOS = 10_000_000_000L;
  private static final long MOST_WALL_NANOS = 300_000_000_000L;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final List<Class<? extends RuntimeException>> expected = new ArrayList<>();
  private final List<String> words = new ArrayList<>();
  private UnaryOperator<byte[]> wrap = b -> b;
  private int files = Integer.getInteger("theriac.fuzz.files", 300);
  private long seed = Long.getLong("theriac.fuzz.seed", 5);
  private long heapBytes = 64L << 20;
  private long tensorBytes = 64L << 20;

  /** Uses a file as a user would. */
  @FunctionalInterface
  public interface Reader {
    void read(Path file) throws IOException;
  }

  /**
   * What came of it.
   *
   * @param files how many were read
   * @param refused how many with an exception; the others were read
   * @param heap most bytes that one of them made on the heap
   * @param tensors most bytes that one of them held in the pool of tensors
   * @param nanos longest time of one on the processor
   */
  public record Report(int files, int refused, long heap, long tensors, long nanos) {}

  private Fuzz() {}

  /** The exception that damage may cause, subclasses included; all else is a defect. */
  public static Fuzz expecting(Class<? extends RuntimeException> type) {
    return new Fuzz().or(type);
  }

  /** Another exception that damage may cause. */
  public Fuzz or(Class<? extends RuntimeException> type) {
    expected.add(type);
    return this;
  }

  /** Words of the format, to be put in wrong places; as ISO 8859-1. */
  public Fuzz words(String... of) {
    words.addAll(Arrays.asList(of));
    return this;
  }

  /** Makes the damaged bytes a file, such as by giving it the checksum of the damaged bytes. */
  public Fuzz wrap(UnaryOperator<byte[]> with) {
    wrap = with;
    return this;
  }

  /** How many files; 300 unless said here or by the property {@code theriac.fuzz.files}. */
  public Fuzz files(int count) {
    files = count;
    return this;
  }

  /**
   * What the damage follows from; 5 unless said here or by the property {@code theriac.fuzz.seed}.
   */
  public Fuzz seed(long value) {
    seed = value;
    return this;
  }

  /** Most bytes that reading one file may make on the heap, and hold in tensors; 64 MiB each. */
  public Fuzz limits(long heap, long tensors) {
    heapBytes = heap;
    tensorBytes = tensors;
    return this;
  }

  /**
   * Reads {@code good} itself, which must succeed, and then its damaged forms.
   *
   * @param dir where files are written as {@code name}
   */
  public Report run(Path dir, String name, byte[] good, Reader reader) throws IOException {
    Report first = one(dir.resolve(name), wrap.apply(good), reader, "undamaged", true);
    Damage damage = new Damage(new Rng(seed), words);
    int refused = 0;
    long heap = first.heap;
    long tensors = first.tensors;
    long nanos = first.nanos;
    for (int i = 0; i < files; i++) {
      byte[] bad = wrap.apply(damage.of(good));
      String which = "file %d of seed %d".formatted(i, seed);
      Report one = one(dir.resolve(name), bad, reader, which, false);
      refused += one.refused;
      heap = Math.max(heap, one.heap);
      tensors = Math.max(tensors, one.tensors);
      nanos = Math.max(nanos, one.nanos);
    }
    return new Report(files, refused, heap, tensors, nanos);
  }

  private Report one(Path file, byte[] bytes, Reader reader, String which, boolean good)
      throws IOException {
    Files.write(file, bytes);
    Memory.resetPeak();
    long before = Memory.stats().live();
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    long[] used = new long[2];
    Thread thread =
        Thread.ofPlatform()
            .daemon()
            .name("fuzz")
            .start(() -> {
              long heap = THREADS.getCurrentThreadAllocatedBytes();
              long nanos = THREADS.getCurrentThreadCpuTime();
              try (Scope _ = Scope.open()) {
                reader.read(file);
              } catch (Throwable e) {
                thrown.set(e);
              }
              used[0] = THREADS.getCurrentThreadAllocatedBytes() - heap;
              used[1] = THREADS.getCurrentThreadCpuTime() - nanos;
            });
    await(thread, file, which);
    long tensors = Memory.stats().peak() - before;
    Throwable e = thrown.get();
    if (e != null && (good || !isExpected(e, file))) {
      throw new AssertionError("%s (kept in %s): %s".formatted(which, file, e), e);
    }
    if (used[0] > heapBytes || tensors > tensorBytes) {
      throw new AssertionError(
          "%s (kept in %s) made %d bytes on the heap, %d are allowed, and %d in tensors, %d are"
                  .formatted(which, file, used[0], heapBytes, tensors, tensorBytes)
              + " allowed",
          e);
    }
    return new Report(1, e == null ? 0 : 1, used[0], tensors, used[1]);
  }

  private boolean isExpected(Throwable e, Path file) {
    return expected.stream().anyMatch(t -> t.isInstance(e))
        && e.getMessage() != null
        && (e.getMessage().contains(file.getFileName().toString())
            || e.getMessage().contains(file.getParent().toString()))
        && e.getMessage().length() > file.toString().length() + 10;
  }

  private static void await(Thread thread, Path file, String which) {
    long start = System.nanoTime();
    try {
      while (!thread.join(java.time.Duration.ofMillis(500))) {
        long cpu = THREADS.getThreadCpuTime(thread.threadId());
        long wall = System.nanoTime() - start;
        if (cpu > MOST_CPU_NANOS || wall > MOST_WALL_NANOS) {
          AssertionError hang =
              new AssertionError(
                  "%s (kept in %s) is still being read after %d ms, %d of them on the processor"
                      .formatted(which, file, wall / 1_000_000, cpu / 1_000_000));
          hang.setStackTrace(thread.getStackTrace());
          throw hang;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }
}
