package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.Attention;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class WarmUpTest {
  @Test
  void eachKernelIsUsedOnceItIsFastAndNotTriedAgain() throws InterruptedException {
    CountDownLatch last = new CountDownLatch(1);
    AtomicInteger[] tries = {new AtomicInteger(), new AtomicInteger(), new AtomicInteger()};
    WarmUp warmUp =
        new WarmUp(
            "this test",
            "nothing is used",
            3,
            kernel -> {
              int before = tries[kernel].getAndIncrement();
              return kernel == 0 || kernel == 2 && before == 3 || last.getCount() == 0;
            });
    while (!warmUp.ready(0b101)) Thread.onSpinWait();
    assertThat(warmUp.ready(0b010)).isFalse();
    assertThat(warmUp.ready(0b011)).isFalse();
    assertThat(warmUp.ready()).isFalse();
    assertThat(warmUp.await(0)).isFalse();
    assertThat(tries[0]).hasValue(1);
    assertThat(tries[2]).hasValue(4);

    last.countDown();
    assertThat(warmUp.await(60)).isTrue();
    assertThat(warmUp.ready()).isTrue();
    assertThat(warmUp.ready(0b010)).isTrue();
    assertThat(warmUp.seconds()).isPositive();
    warmUp.use(false);
    assertThat(warmUp.ready(0b001)).isFalse();
    warmUp.use(true);
    assertThat(warmUp.ready()).isTrue();
  }

  @Test
  void theFastestOfTheLongCallsCounts() {
    AtomicInteger most = new AtomicInteger();
    AtomicInteger calls = new AtomicInteger();
    assertThat(
            WarmUp.atSpeed(
                length -> {
                  most.accumulateAndGet(length, Math::max);
                  calls.incrementAndGet();
                },
                7,
                1e9))
        .isTrue();
    assertThat(most).hasValue(7);
    assertThat(calls.get()).isGreaterThan(100);
    assertThat(WarmUp.atSpeed(_ -> {}, 7, 0)).isFalse();
  }

  @Test
  @Tag(VectorWidthsTest.ONE_WIDTH)
  void aBackEndCompilesItsTilesBeforeTheyAreAskedFor() throws Exception {
    // In a JVM in which nothing else has begun to.
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                WarmUpTest.class.getName())
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    assertThat(output).contains("before 0, after 2");
  }

  /** Runs in the other JVM: counts the threads that bring kernels to speed. */
  public static void main(String[] args) {
    Backend backend = new VectorBackend();
    long before = warmUps();
    backend.prepare();
    System.out.println("before " + before + ", after " + warmUps());
  }

  private static long warmUps() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("theriac-warm-up"))
        .count();
  }

  @Test
  void longPromptsBringUpAttentionOfOneQuery() throws InterruptedException {
    // Another test in this JVM may have had a long prompt.
    boolean before = AttentionSingleWarmUp.begun();
    after(63, true);
    after(64, false);
    assertThat(AttentionSingleWarmUp.begun()).isEqualTo(before);
    after(64, true);
    assertThat(AttentionSingleWarmUp.begun()).isTrue();
    assertThat(AttentionSingleWarmUp.await(300)).isTrue();
  }

  /** Attention of so many positions with 64 heads of 64. */
  private static void after(int positions, boolean causal) {
    try (Scope _ = Scope.open()) {
      Tensor x = Tensor.zeros(1, positions, 64, 64);
      Backends.with(new VectorBackend(), () -> Attention.attention(x, x, x, null, causal));
    }
  }
}
