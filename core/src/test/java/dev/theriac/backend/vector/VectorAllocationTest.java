package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.theriac.backend.Workers;
import dev.theriac.backend.check.KernelCheck;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A warm call of any kernel puts next to nothing on the heap, on the calling thread and on the
 * workers: no vector is left an object, and no buffer is made anew.
 */
@Tag(VectorWidthsTest.ONE_WIDTH)
class VectorAllocationTest extends KernelFixture {
  /** For what describes a call: closures, shapes, an odometer. A boxed kernel makes megabytes. */
  private static final long LIMIT = 4096;

  /** The compiler decides when it gets to a kernel, and there are many. */
  private static final long PATIENCE = 40_000_000_000L;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  static String[] names() {
    return KernelCheck.all().stream().map(KernelCheck::name).toArray(String[]::new);
  }

  @BeforeAll
  static void tilesAreCompiled() throws InterruptedException {
    assertThat(GemmWarmUp.await(60)).isTrue();
  }

  @ParameterizedTest
  @MethodSource("names")
  void aWarmCallAllocatesNothing(String name) {
    KernelCheck check =
        KernelCheck.all().stream().filter(c -> c.name().equals(name)).findFirst().orElseThrow();
    Workers.setThreads(1);
    try (KernelCheck.Call call = check.call(vector, 37)) {
      assertThat(least(call)).as("bytes, one thread").isLessThan(LIMIT);
    }
    Workers.setThreads(2);
    try (KernelCheck.Call call = check.call(vector, 401)) {
      assertThat(least(call)).as("bytes, two threads").isLessThan(LIMIT);
    }
  }

  private static long least(Runnable call) {
    long least = Long.MAX_VALUE;
    long end = System.nanoTime() + PATIENCE;
    for (int calls = 1;
        least >= LIMIT && System.nanoTime() < end;
        calls = Math.min(64, 2 * calls)) {
      long before = allocated();
      for (int i = 0; i < calls; i++) call.run();
      least = Math.min(least, (allocated() - before) / calls);
    }
    return least;
  }

  /** By this thread and by the pool's. */
  private static long allocated() {
    long[] workers =
        Thread.getAllStackTraces().keySet().stream()
            .filter(thread -> thread.getName().startsWith("theriac-worker-"))
            .mapToLong(Thread::threadId)
            .toArray();
    long theirs = Arrays.stream(THREADS.getThreadAllocatedBytes(workers)).sum();
    return theirs + THREADS.getCurrentThreadAllocatedBytes();
  }
}
