package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The kernels promise the bits of sums over blocks of 32 inputs, each in order. */
class VectorQuantisedTest extends KernelFixture {

  /** Also the test that no kernel stays boxed: that one would never get up to speed. */
  @BeforeAll
  static void awaitCompiledKernels() throws InterruptedException {
    QuantisedWarmUp.ready(QuantisedFormat.INT8, 1); // starts it
    assertThat(QuantisedWarmUp.await(300)).as("kernels up to speed").isTrue();
  }

  @AfterEach
  void restore() {
    QuantisedWarmUp.use(true);
  }

  Weights quantised(QuantisedFormat format, long n, long k) {
    Weights w = new Weights(empty(DType.U8, format.bytes(n, k)), format, n, k);
    vector.quantised().quantise(random(n, k), w);
    return w;
  }

  Strided linear(Strided x, Weights w, Strided bias) {
    return run(empty(x.size(0), w.rows()), out -> vector.quantised().linear(x, w, bias, out));
  }

  private static byte[] blocks(Strided x, Weights w, Strided bias) {
    QuantisedFormat format = w.format();
    int columns = Math.toIntExact(w.columns());
    Strided out = empty(x.size(0), w.rows());
    float[] values = Matrices.floats(x);
    float[] numbers = new float[columns];
    float[] scales = new float[columns];
    for (int n = 0; n < w.rows(); n++) {
      for (int k = 0; k < columns; k++) {
        numbers[k] = format.number(w.address(), columns, n, k);
        short scale = Host.getShort(format.scaleAddress(w.address(), columns, n, k / 32 * 32));
        scales[k] = Halves.fromBf16(scale);
      }
      for (int m = 0; m < x.size(0); m++) {
        float sum = bias == null ? 0 : Host.getFloat(bias.address() + 4L * n);
        for (int k = 0; k < columns; k += 32) {
          float part = 0;
          for (int i = k; i < Math.min(columns, k + 32); i++) {
            part = Math.fma(values[m * columns + i], numbers[i], part);
          }
          sum = Math.fma(scales[k], part, sum);
        }
        Host.setFloat(out.address() + 4 * (m * w.rows() + n), sum);
      }
    }
    return bits(out);
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void hasTheBitsOfSumsOverBlocks(QuantisedFormat format) {
    for (int m : new int[] {0, 1, 2, 3, 4, 7, 12, 13, 17, 67}) {
      for (int n : new int[] {0, 1, 3, 17, 64, 129}) {
        for (int k : new int[] {0, 1, 3, 17, 32, 64, 129, 288}) {
          Strided x = random(m, k);
          Weights w = quantised(format, n, k);
          assertThat(bits(linear(x, w, null)))
              .as("%d rows, %d outputs, %d inputs", m, n, k)
              .isEqualTo(blocks(x, w, null));
          Strided bias = random(n);
          assertThat(bits(linear(x, w, bias))).isEqualTo(blocks(x, w, bias));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void scalarStandInGivesTheSameBits(QuantisedFormat format) {
    QuantisedWarmUp.use(false);
    hasTheBitsOfSumsOverBlocks(format);
  }

  /** What overflows with the one overflows with the other. */
  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void scalarStandInOverflowsWhereTilesDo(QuantisedFormat format) {
    Weights w = quantised(format, 65, 64);
    for (int exponent = 112; exponent <= 127; exponent++) {
      Strided x = random(5, 64);
      for (long i = 0; i < 5 * 64; i++) {
        long at = x.address() + 4 * i;
        Host.setFloat(at, Math.scalb(Host.getFloat(at), exponent));
      }
      QuantisedWarmUp.use(true);
      byte[] tiles = bits(linear(x, w, null));
      QuantisedWarmUp.use(false);
      assertThat(bits(linear(x, w, null))).as("2^%d", exponent).isEqualTo(tiles);
    }
  }

  /** Long rows, several tasks. */
  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void largerProducts(QuantisedFormat format) {
    Strided x = random(35, 4000);
    Weights w = quantised(format, 601, 4000);
    Strided bias = random(601);
    assertThat(bits(linear(x, w, bias))).isEqualTo(blocks(x, w, bias));
  }

  /** A worker that nobody woke has used no processor time. */
  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void aSmallProductOfManyRowsWakesNobody(QuantisedFormat format) throws InterruptedException {
    Workers.setThreads(2);
    Strided x = random(13, 40);
    Weights w = quantised(format, 129, 40);
    Workers.parallelFor(2, _ -> {});
    long least = Long.MAX_VALUE;
    // Several times: on a busy machine a worker may still be on its way to park.
    for (int i = 0; i < 20 && least > 0; i++) {
      Thread.sleep(50);
      long before = workerNanos();
      linear(x, w, null);
      Thread.sleep(50);
      least = workerNanos() - before;
    }
    assertThat(least).as("nanoseconds of the workers").isZero();
  }

  private static long workerNanos() {
    ThreadMXBean bean = ManagementFactory.getThreadMXBean();
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("theriac-worker-"))
        .mapToLong(thread -> bean.getThreadCpuTime(thread.threadId()))
        .sum();
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void aSumOfMinusZeroKeepsItsSign(QuantisedFormat format) {
    Weights w = quantised(format, 3, 33);
    Strided x = empty(1, 33);
    for (int k = 0; k < 33; k++) Host.setFloat(x.address() + 4 * k, 0f);
    Strided bias = of(-0f, -0f, -0f);
    assertThat(bits(linear(x, w, bias))).isEqualTo(blocks(x, w, bias));
  }

  /** Numbers of 8 and 4 bits are expanded with other instructions: every one of them is right. */
  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void everyNumberIsRead(QuantisedFormat format) {
    int k = 2 * format.largest() + 1;
    Weights w = new Weights(empty(DType.U8, format.bytes(65, k)), format, 65, k);
    Strided values = empty(65, k);
    for (int n = 0; n < 65; n++) {
      for (int i = 0; i < k; i++) {
        // The last of each block makes the scale 1.
        int number = i % 32 == 31 || i == k - 1 ? format.largest() : (n + i) % k - format.largest();
        Host.setFloat(values.address() + 4L * (n * k + i), number);
      }
    }
    vector.quantised().quantise(values, w);
    Strided x = empty(k, k);
    for (int m = 0; m < k; m++) {
      for (int i = 0; i < k; i++) {
        Host.setFloat(x.address() + 4L * (m * k + i), m == i ? 1 : 0);
      }
    }
    Strided out = linear(x, w, null);
    for (int m = 0; m < k; m++) {
      for (int n = 0; n < 65; n++) {
        assertThat(Host.getFloat(out.address() + 4L * (m * 65 + n)))
            .isEqualTo(Host.getFloat(values.address() + 4L * (n * k + m)));
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void notANumberAndInfinityReachEveryOutput(QuantisedFormat format) {
    for (float special : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      for (int m : new int[] {1, 4, 20}) {
        Strided x = random(m, 100);
        Host.setFloat(x.address() + 4 * 70, special);
        Weights w = quantised(format, 65, 100);
        double[] found = values(linear(x, w, null));
        double[] want =
            values(run(empty(m, 65), out -> scalar.quantised().linear(x, w, null, out)));
        for (int i = 0; i < 65; i++) {
          assertThat(Double.isNaN(found[i])).isEqualTo(Double.isNaN(want[i]));
          assertThat(Double.isFinite(found[i])).isFalse();
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void bitsDoNotDependOnThreads(QuantisedFormat format) {
    Weights w = quantised(format, 1030, 513);
    Strided one = random(1, 513);
    Strided many = random(40, 513);
    assertSameForThreads(() -> new Strided[] {linear(one, w, null), linear(many, w, null)});
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void warmCallsAllocateNothing(QuantisedFormat format) {
    Workers.setThreads(1);
    for (int m : new int[] {1, 3, 4}) {
      Strided x = random(m, 250);
      Weights w = quantised(format, 700, 250);
      Strided out = empty(m, 700);
      assertWarmCallAllocatesNothing(
          format + " for " + m, () -> vector.quantised().linear(x, w, null, out));
    }
  }
}
