package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;

/** Tensors and comparisons for tests that hold the vector kernels against the scalar ones. */
abstract class KernelFixture {
  static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  /** How long the compiler may take to get to a kernel. */
  private static final long PATIENCE = TimeUnit.MINUTES.toNanos(5);

  static final long[] SIZES = {0, 1, 3, 15, 16, 17, 129, 1000};
  static final float[] SPECIAL = {
    Float.NaN,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    0f,
    -0f,
    Float.MIN_VALUE,
    1e-40f,
    -1e-40f,
    Float.MIN_NORMAL,
    1e-20f,
    0.624f,
    0.626f,
    -1f,
    5f,
    -5f,
    9f,
    -9f,
    13f,
    -13f,
    20f,
    -20f,
    86.9f,
    -86.9f,
    87.1f,
    -87.1f,
    88.7f,
    -88.7f,
    89.5f,
    -89.5f,
    103f,
    -104f,
    127f,
    -129f,
    1000f,
    -1000f,
    1e10f,
    -1e10f,
    1e20f,
    -1e20f
  };

  final Backend scalar = Backends.scalar();
  final Backend vector = new VectorBackend();
  final Rng rng = new Rng(7);
  private final int threads = Workers.threads();

  @AfterEach
  void restoreThreads() {
    Workers.setThreads(threads);
  }

  static Strided empty(DType dtype, long... shape) {
    Layout layout = Layout.contiguous(shape);
    long bytes = layout.size() * dtype.bytes();
    return new Strided(CpuStorage.allocate(bytes, "test"), dtype, layout);
  }

  static Strided empty(long... shape) {
    return empty(DType.F32, shape);
  }

  /** Standard normal values. */
  Strided random(long... shape) {
    Strided x = empty(shape);
    for (long i = 0; i < x.size(); i++) {
      Host.setFloat(x.address() + 4 * i, (float) rng.nextGaussian());
    }
    return x;
  }

  static Strided of(float... values) {
    Strided x = empty(values.length);
    for (int i = 0; i < values.length; i++) Host.setFloat(x.address() + 4L * i, values[i]);
    return x;
  }

  static Strided ofLongs(long... values) {
    Strided x = empty(DType.I64, values.length);
    for (int i = 0; i < values.length; i++) Host.setLong(x.address() + 8L * i, values[i]);
    return x;
  }

  static Strided copyOf(Strided x) {
    Strided y = empty(x.dtype(), x.layout().shape());
    Backends.scalar().elementwise().copy(x, y);
    return y;
  }

  static double[] values(Strided x) {
    Strided flat = x.isContiguous() ? x : copyOf(x);
    double[] out = new double[(int) flat.size()];
    for (int i = 0; i < out.length; i++) out[i] = Host.get(flat.dtype(), flat.address(), i);
    return out;
  }

  /** Raw bytes, so that signs of zero count. */
  static byte[] bits(Strided x) {
    byte[] out = new byte[(int) x.size() * x.dtype().bytes()];
    for (int i = 0; i < out.length; i++) out[i] = Host.getByte(x.address() + i);
    return out;
  }

  /** Equal within {@code relative} of the value or of {@code scale[i]}, whichever is larger. */
  static void assertClose(
      String what, Strided actual, Strided expected, double relative, double scale) {
    double[] a = values(actual);
    double[] e = values(expected);
    assertThat(a).hasSameSizeAs(e);
    for (int i = 0; i < a.length; i++) {
      boolean same = Double.compare(a[i], e[i]) == 0 || a[i] == e[i];
      double limit = relative * Math.max(Math.abs(e[i]), scale) + 2e-38;
      if (!same && !(Math.abs(a[i] - e[i]) <= limit)) {
        throw new AssertionError(
            "%s: element %d of %s is %s, expected %s (limit %.3g)"
                .formatted(what, i, Arrays.toString(actual.layout().shape()), a[i], e[i], limit));
      }
    }
  }

  /** {@link #assertClose}, and where both are zeros, of equal signs. */
  static void assertCloseWithSigns(
      String what, Strided actual, Strided expected, double relative, double scale) {
    assertClose(what, actual, expected, relative, scale);
    double[] a = values(actual);
    double[] e = values(expected);
    for (int i = 0; i < a.length; i++) {
      // Not isEqualTo of primitives, for which the two zeros are equal.
      boolean zeros = a[i] == 0 && e[i] == 0;
      if (zeros && Double.compare(a[i], e[i]) != 0) {
        throw new AssertionError(
            "%s: element %d is %s, expected %s".formatted(what, i, a[i], e[i]));
      }
    }
  }

  /** The results do not depend on the number of threads, bit for bit. */
  static void assertSameForThreads(Supplier<Strided[]> run) {
    Workers.setThreads(1);
    byte[][] one = Arrays.stream(run.get()).map(KernelFixture::bits).toArray(byte[][]::new);
    for (int n : new int[] {2, 3, 7}) {
      Workers.setThreads(n);
      Strided[] other = run.get();
      for (int i = 0; i < one.length; i++) {
        assertThat(Arrays.equals(bits(other[i]), one[i]))
            .as("%d threads, result %d", n, i)
            .isTrue();
      }
    }
  }

  /** A call that has been made many times puts next to nothing on the heap. */
  static void assertWarmCallAllocatesNothing(String what, Runnable call) {
    for (int i = 0; i < 200; i++) call.run();
    assertWarmCallAllocates(what, 1024, THREADS::getCurrentThreadAllocatedBytes, call);
  }

  /**
   * Calls until a call allocates {@code most} bytes at most: until the compiler has got to a kernel
   * its vectors are objects. It decides when, there are many kernels, and the machine may be busy.
   *
   * @param allocated counts the bytes allocated so far
   */
  static void assertWarmCallAllocates(
      String what, long most, LongSupplier allocated, Runnable call) {
    long least = Long.MAX_VALUE;
    long last = Long.MAX_VALUE;
    long made = 0;
    long start = System.nanoTime();
    for (int calls = 1;
        least > most && System.nanoTime() - start < PATIENCE;
        calls = Math.min(64, 2 * calls)) {
      long before = allocated.getAsLong();
      for (int i = 0; i < calls; i++) call.run();
      last = (allocated.getAsLong() - before) / calls;
      least = Math.min(least, last);
      made += calls;
    }
    if (least <= most) return;
    assertThat(least)
        .as(
            "bytes allocated by a warm call of %s, the least of %,d calls in %d s (%,d at last,"
                + " system load %.1f)",
            what,
            made,
            TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start),
            last,
            ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage())
        .isLessThanOrEqualTo(most);
  }

  static Strided run(Strided out, Consumer<Strided> kernel) {
    kernel.accept(out);
    return out;
  }
}
