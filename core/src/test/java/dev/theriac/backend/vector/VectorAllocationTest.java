package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Workers;
import dev.theriac.backend.check.KernelCheck;
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

  static String[] names() {
    return KernelCheck.all().stream().map(KernelCheck::name).toArray(String[]::new);
  }

  @BeforeAll
  static void tilesAreCompiled() throws InterruptedException {
    assertThat(GemmWarmUp.await(300)).as("tiles compiled within 300 s").isTrue();
  }

  @ParameterizedTest
  @MethodSource("names")
  void aWarmCallAllocatesNothing(String name) {
    KernelCheck check =
        KernelCheck.all().stream().filter(c -> c.name().equals(name)).findFirst().orElseThrow();
    Workers.setThreads(1);
    try (KernelCheck.Call call = check.call(vector, 37)) {
      assertWarmCallAllocates(name + ", one thread", LIMIT, VectorAllocationTest::allocated, call);
    }
    Workers.setThreads(2);
    try (KernelCheck.Call call = check.call(vector, 401)) {
      assertWarmCallAllocates(name + ", two threads", LIMIT, VectorAllocationTest::allocated, call);
    }
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
