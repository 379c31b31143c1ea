package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Tensors and comparisons for tests that hold kernels of the device against the scalar ones. */
abstract class CudaFixture {
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

  /** The largest relative difference that {@link #assertClose} saw, by what was compared. */
  private static final Map<String, Double> MEASURED = new ConcurrentHashMap<>();

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(CudaFixture::report));
  }

  final CudaDevice device = EmulatedCuda.device();
  final Backend scalar = Backends.scalar();

  /** Kernels of the device for tensors in host memory. */
  final Backend cuda = StagedBackend.of(new CudaBackend(device), device);

  final Rng rng = new Rng(7);

  /**
   * Every check whose name starts so, at sizes around those of blocks.
   *
   * @param tolerance of the largest difference, relative to the largest magnitude
   */
  final void assertChecks(String prefix, double tolerance) {
    var checks =
        KernelCheck.all().stream().filter(check -> check.name().startsWith(prefix)).toList();
    assertThat(checks).isNotEmpty();
    for (KernelCheck check : checks) {
      for (long rows : new long[] {0, 1, 3, 17, 129}) {
        if (rows == 0 && !takesNothing(check)) continue;
        double apart = check.apart(cuda, scalar, rows);
        if (apart > 0) MEASURED.merge("check " + check.name(), apart, Math::max);
        assertThat(apart).as("%s of %d rows", check.name(), rows).isLessThanOrEqualTo(tolerance);
      }
    }
  }

  /** The largest or the least of nothing does not exist. */
  private static boolean takesNothing(KernelCheck check) {
    return !check.name().startsWith("reduce.reduce M") && !check.kernel().equals("optim.nonZero");
  }

  /** Writes what was measured, in units of 2^-24, for the comments of {@link CudaTolerances}. */
  private static void report() {
    StringBuilder out = new StringBuilder();
    new TreeMap<>(MEASURED)
        .forEach((what, error) -> out.append("%-40s %8.2f%n".formatted(what, error / 0x1p-24)));
    try {
      Files.writeString(Path.of("target", "cuda-precision.txt"), out);
    } catch (IOException e) {
      System.getLogger("dev.theriac.test").log(System.Logger.Level.WARNING, "no report", e);
    }
  }

  static Strided empty(DType dtype, long... shape) {
    Layout layout = Layout.contiguous(shape);
    long bytes = Math.max(1, layout.size()) * dtype.bytes();
    Strided x = new Strided(CpuStorage.allocate(bytes, "test"), dtype, layout);
    // What a kernel leaves out shows.
    for (long i = 0; i < layout.size() * dtype.bytes(); i++) {
      Host.setByte(x.address() + i, (byte) 0x7f);
    }
    return x;
  }

  static Strided empty(long... shape) {
    return empty(DType.F32, shape);
  }

  /** Standard normal values. */
  final Strided random(long... shape) {
    Strided x = empty(shape);
    for (long i = 0; i < x.size(); i++) set(x, i, (float) rng.nextGaussian());
    return x;
  }

  static Strided of(float... values) {
    Strided x = empty(values.length);
    for (int i = 0; i < values.length; i++) set(x, i, values[i]);
    return x;
  }

  static Strided ofLongs(long... values) {
    Strided x = empty(DType.I64, values.length);
    for (int i = 0; i < values.length; i++) Host.setLong(x.address() + 8L * i, values[i]);
    return x;
  }

  /** Element i of contiguous floats. */
  static void set(Strided x, long i, float value) {
    Host.setFloat(x.address() + 4 * i, value);
  }

  static float get(Strided x, long i) {
    return Host.getFloat(x.address() + 4 * i);
  }

  static Strided run(Strided out, Consumer<Strided> kernel) {
    kernel.accept(out);
    return out;
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

  /** The same bits whatever the order in which threads run. */
  static void assertSameUnderSchedules(Supplier<Strided> kernel) {
    byte[] first = bits(kernel.get());
    try {
      for (String schedule : new String[] {"rev", "rand:1", "rand:2"}) {
        EmulatedCuda.configure("CUEMU_SCHED", schedule);
        assertThat(Arrays.equals(bits(kernel.get()), first)).as(schedule).isTrue();
      }
    } finally {
      EmulatedCuda.configure("CUEMU_SCHED", EmulatedCuda.SCHEDULE);
    }
  }

  /** Equal bit for bit. */
  static void assertSame(String what, Strided actual, Strided expected) {
    if (Arrays.equals(bits(actual), bits(expected))) return;
    double[] a = values(actual);
    double[] e = values(expected);
    for (int i = 0; i < a.length; i++) {
      assertThat(a[i]).as("%s: element %d", what, i).isEqualTo(e[i]);
    }
    throw new AssertionError(what + ": bits differ where values are equal (zeros or NaN)");
  }

  /** Within {@code relative} of the value or of {@code scale}, whichever is larger. */
  static void assertClose(
      String what, Strided actual, Strided expected, double relative, double scale) {
    double[] a = values(actual);
    double[] e = values(expected);
    assertThat(a).hasSameSizeAs(e);
    for (int i = 0; i < a.length; i++) {
      boolean same = Double.compare(a[i], e[i]) == 0 || a[i] == e[i];
      double limit = relative * Math.max(Math.abs(e[i]), scale) + 2e-38;
      if (!same && Math.abs(e[i]) > 1e-37) {
        double error = Math.abs(a[i] - e[i]) / Math.max(Math.abs(e[i]), scale);
        MEASURED.merge(what, error, Math::max);
      }
      if (!same && !(Math.abs(a[i] - e[i]) <= limit)) {
        throw new AssertionError(
            "%s: element %d of %s is %s, expected %s (limit %.3g)"
                .formatted(what, i, actual.layout(), a[i], e[i], limit));
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
      if (a[i] == 0 && e[i] == 0 && Double.compare(a[i], e[i]) != 0) {
        throw new AssertionError(
            "%s: element %d is %s, expected %s".formatted(what, i, a[i], e[i]));
      }
    }
  }
}
