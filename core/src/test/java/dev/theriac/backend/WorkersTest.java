package dev.theriac.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkersTest {

  private int before;

  @BeforeEach
  void rememberThreads() {
    before = Workers.threads();
  }

  @AfterEach
  void restoreThreads() {
    Workers.setThreads(before);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7})
  void runsEveryTaskOnce(int threads) {
    Workers.setThreads(threads);
    for (int tasks : new int[] {0, 1, 2, 3, 17, 129, 5000}) {
      AtomicIntegerArray runs = new AtomicIntegerArray(tasks);
      Workers.parallelFor(tasks, runs::incrementAndGet);
      for (int i = 0; i < tasks; i++) {
        assertThat(runs.get(i)).as("task %d of %d", i, tasks).isOne();
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 7})
  void runsEveryTaskOnceWhereThereAreMoreThanATicketCounts(int threads) {
    Workers.setThreads(threads);
    for (int tasks : new int[] {(1 << 18) - 1, 1 << 18, 600_001}) {
      AtomicIntegerArray runs = new AtomicIntegerArray(tasks);
      Workers.parallelFor(tasks, runs::incrementAndGet);
      for (int i = 0; i < tasks; i++) {
        assertThat(runs.get(i)).as("task %d of %d", i, tasks).isOne();
      }
    }
  }

  @Test
  void callerBeginsAtTheFrontAndOthersAtTheBack() {
    Workers.setThreads(2);
    Thread caller = Thread.currentThread();
    for (int round = 0; round < 20; round++) {
      Thread[] ran = new Thread[2];
      AtomicInteger meeting = new AtomicInteger();
      Workers.parallelFor(
          40,
          task -> {
            if (task == 0 || task == 39) {
              ran[task / 39] = Thread.currentThread();
              meeting.incrementAndGet();
              while (meeting.get() < 2) {
                Thread.onSpinWait();
              }
            }
          });
      assertThat(ran[0]).isSameAs(caller);
      assertThat(ran[1]).isNotSameAs(caller);
    }
  }

  /** A worker that comes late may read the number of tasks of one and the bundle of another. */
  @Test
  void smallRegionsBetweenHugeOnesLoseNoTask() {
    Workers.setThreads(4);
    int huge = (1 << 19) + 75_713;
    byte[] counts = new byte[huge];
    for (int round = 1; round <= 60; round++) {
      Workers.parallelFor(8, task -> counts[task]++);
      Workers.parallelFor(huge, task -> counts[task]++);
      for (int i = 0; i < huge; i++) {
        if (counts[i] != (i < 8 ? 2 * round : round)) {
          throw new AssertionError("task " + i + " ran " + counts[i] + " times, round " + round);
        }
      }
    }
  }

  @Test
  void manyShortRegionsLoseNoTask() {
    Workers.setThreads(7);
    long[] cells = new long[16 * 8];
    long expected = 0;
    for (int round = 0; round < 20_000; round++) {
      int tasks = 2 + round % 15;
      expected += tasks;
      Workers.parallelFor(tasks, task -> cells[task * 8]++);
    }
    long sum = 0;
    for (long cell : cells) {
      sum += cell;
    }
    assertThat(sum).isEqualTo(expected);
  }

  @Test
  void wakesParkedWorkers() {
    Workers.setThreads(3);
    for (int round = 0; round < 20; round++) {
      LockSupport.parkNanos(2_000_000);
      AtomicInteger meeting = new AtomicInteger();
      // Each task waits for the two others: this ends only if three threads take part.
      Workers.parallelFor(
          3,
          task -> {
            meeting.incrementAndGet();
            while (meeting.get() < 3) {
              Thread.onSpinWait();
            }
          });
      assertThat(meeting).hasValue(3);
    }
  }

  @Test
  void ownerThatWaitsLongIsWoken() {
    Workers.setThreads(2);
    AtomicInteger started = new AtomicInteger();
    Thread caller = Thread.currentThread();
    Workers.parallelFor(
        2,
        task -> {
          started.incrementAndGet();
          while (started.get() < 2) {
            Thread.onSpinWait();
          }
          if (Thread.currentThread() != caller) {
            LockSupport.parkNanos(20_000_000);
          }
        });
    assertThat(started).hasValue(2);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7})
  void lowestFailingTaskDecidesTheException(int threads) {
    Workers.setThreads(threads);
    for (int round = 0; round < 50; round++) {
      assertThatThrownBy(() ->
              Workers.parallelFor(
                  40,
                  task -> {
                    if (task % 10 == 7) {
                      throw new IllegalStateException("task " + task);
                    }
                  }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("task 7");
    }
    AtomicInteger after = new AtomicInteger();
    Workers.parallelFor(9, task -> after.incrementAndGet());
    assertThat(after).hasValue(9);
  }

  @Test
  void errorsAndCheckedExceptionsKeepTheirType() {
    Workers.setThreads(3);
    assertThatThrownBy(() -> Workers.parallelFor(8, task -> sneak(new IOException("disk"))))
        .isInstanceOf(IOException.class)
        .hasMessage("disk");
    assertThatThrownBy(() -> Workers.parallelFor(8, task -> sneak(new AssertionError("no"))))
        .isInstanceOf(AssertionError.class);
  }

  @Test
  void nestedCallsRunOnTheThreadThatMakesThem() {
    Workers.setThreads(3);
    AtomicInteger strangers = new AtomicInteger();
    AtomicInteger inner = new AtomicInteger();
    Workers.parallelFor(
        12,
        task -> {
          Thread self = Thread.currentThread();
          Workers.parallelFor(
              5,
              t -> {
                inner.incrementAndGet();
                if (Thread.currentThread() != self) {
                  strangers.incrementAndGet();
                }
              });
        });
    assertThat(inner).hasValue(60);
    assertThat(strangers).hasValue(0);
  }

  @Test
  void severalUserThreadsAtOnce() throws InterruptedException {
    Workers.setThreads(3);
    AtomicLong sum = new AtomicLong();
    List<Thread> users = new ArrayList<>();
    for (int u = 0; u < 4; u++) {
      Runnable user =
          () -> {
            for (int round = 0; round < 500; round++) {
              long[] parts = new long[9];
              Workers.parallelFor(9, task -> parts[task] = task + 1);
              for (long part : parts) {
                sum.addAndGet(part);
              }
            }
          };
      users.add(u % 2 == 0 ? Thread.ofPlatform().start(user) : Thread.ofVirtual().start(user));
    }
    for (Thread user : users) {
      user.join();
    }
    assertThat(sum).hasValue(4L * 500 * 45);
  }

  @Test
  void interruptedCallerFinishesAndKeepsItsFlag() {
    Workers.setThreads(2);
    AtomicInteger runs = new AtomicInteger();
    Thread.currentThread().interrupt();
    Workers.parallelFor(
        20,
        task -> {
          LockSupport.parkNanos(100_000);
          runs.incrementAndGet();
        });
    assertThat(Thread.interrupted()).isTrue();
    assertThat(runs).hasValue(20);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void rangesAreCutBySizeAndGrainAlone(int threads) {
    Workers.setThreads(threads);
    for (long size : new long[] {0, 1, 63, 64, 65, 1000}) {
      AtomicIntegerArray seen = new AtomicIntegerArray((int) size);
      Workers.parallelRange(
          size,
          64,
          (from, to) -> {
            assertThat(from % 64).isZero();
            assertThat(to).isEqualTo(Math.min(size, from + 64));
            for (long i = from; i < to; i++) {
              seen.incrementAndGet((int) i);
            }
          });
      for (int i = 0; i < size; i++) {
        assertThat(seen.get(i)).isOne();
      }
    }
  }

  @Test
  void warmCallAllocatesNothing() {
    Workers.setThreads(2);
    long[] cells = new long[64];
    IntConsumer body = task -> cells[task * 8]++;
    for (int i = 0; i < 20_000; i++) {
      Workers.parallelFor(8, body);
    }
    var bean =
        (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
    bean.getCurrentThreadAllocatedBytes();
    long start = bean.getCurrentThreadAllocatedBytes();
    for (int i = 0; i < 1000; i++) {
      Workers.parallelFor(8, body);
    }
    assertThat(bean.getCurrentThreadAllocatedBytes() - start).isLessThan(1000);
  }

  @Test
  void refusesNonsense() {
    assertThatThrownBy(() -> Workers.setThreads(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("0 threads")
        .hasMessageContaining("1 to 1024");
    assertThatThrownBy(() -> Workers.parallelFor(-1, task -> {}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("-1");
    assertThatThrownBy(() -> Workers.parallelRange(10, 0, (from, to) -> {}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("grain 0");
  }

  @SuppressWarnings("unchecked")
  private static <T extends Throwable> void sneak(Throwable thrown) throws T {
    throw (T) thrown;
  }

  @Test
  void idleWorkersUseNoProcessorTime() throws InterruptedException {
    Workers.setThreads(3);
    for (int i = 0; i < 1000; i++) Workers.parallelFor(3, _ -> {});
    Thread.sleep(100);
    long before = workersCpuNanos();
    Thread.sleep(500);
    // A worker that span would use most of the half second.
    assertThat(workersCpuNanos() - before).isLessThan(20_000_000L);
    assertThat(before).isPositive();
  }

  private static long workersCpuNanos() {
    var bean = ManagementFactory.getThreadMXBean();
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("theriac-worker-"))
        .mapToLong(thread -> bean.getThreadCpuTime(thread.threadId()))
        .sum();
  }
}
