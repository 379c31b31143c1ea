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
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.function.IntToLongFunction;

/**
 * The arguments of one call, in host memory. A problem is run twice, on the device and by the
 * scalar kernels, each time with arguments of its own, and what they wrote is compared.
 */
final class Twins implements AutoCloseable {
  private final List<Strided> all = new ArrayList<>();
  private final List<Strided> results = new ArrayList<>();

  /** Makes arguments and calls one kernel; the same arguments each time. */
  interface Problem {
    void run(Twins arguments, Backend backend);
  }

  private Twins() {}

  /** F32, each value from its place; where {@code offset} is odd, not at a multiple of 16 bytes. */
  Strided floats(int offset, IntToDoubleFunction value, long... shape) {
    Strided x = make(DType.F32, offset, shape);
    for (int i = 0; i < x.size(); i++) {
      Host.setFloat(x.address() + 4L * i, (float) value.applyAsDouble(i));
    }
    return x;
  }

  Strided longs(IntToLongFunction value, long... shape) {
    Strided x = make(DType.I64, 0, shape);
    for (int i = 0; i < x.size(); i++) Host.setLong(x.address() + 8L * i, value.applyAsLong(i));
    return x;
  }

  /** What the kernel must write: NaN, or 77 where there is none. */
  Strided result(int offset, long... shape) {
    return changed(floats(offset, i -> Double.NaN, shape));
  }

  Strided result(DType dtype, long... shape) {
    Strided x = make(dtype, 0, shape);
    for (int i = 0; i < x.size(); i++) {
      if (dtype == DType.BOOL) Host.setByte(x.address() + i, (byte) 77);
      else Host.set(dtype, x.address(), i, 77);
    }
    return changed(x);
  }

  /** Something that the kernel changes. */
  Strided changed(Strided x) {
    results.add(x);
    return x;
  }

  private Strided make(DType dtype, int offset, long... shape) {
    long count = Layout.contiguous(shape).size();
    long bytes = Math.max(1, (count + offset) * dtype.bytes());
    long[] strides = Layout.contiguous(shape).strides();
    Strided x =
        new Strided(
            CpuStorage.allocate(bytes, "test"), dtype, Layout.strided(shape, strides, offset));
    all.add(x);
    return x;
  }

  @Override
  public void close() {
    for (Strided x : all) x.storage().free("test");
  }

  /** Asserts that both give the same, within the kernel's tolerance. */
  static void agree(CudaDevice device, String kernel, String what, Problem problem) {
    double units = apart(device, problem) * 0x1p24;
    measured(kernel, units);
    assertThat(units)
        .as("%s, %s: units of 2^-24 between device and scalar kernels", kernel, what)
        .isLessThanOrEqualTo(CudaTolerances.of(kernel) * 0x1p24);
  }

  /** Asserts that the family's checks agree, whatever the number of rows. */
  static void checksAgree(CudaDevice device, String family) {
    Backend staged = StagedBackend.of(new CudaBackend(device), device);
    int count = 0;
    for (KernelCheck check : KernelCheck.all()) {
      if (!check.kernel().startsWith(family + ".")) continue;
      for (long rows : new long[] {0, 1, 3, 17, 129}) {
        double units = check.apart(staged, Backends.scalar(), rows) * 0x1p24;
        measured(check.kernel(), units);
        assertThat(units)
            .as("%s of %d rows", check.name(), rows)
            .isLessThanOrEqualTo(CudaTolerances.of(check.kernel()) * 0x1p24);
      }
      count++;
    }
    assertThat(count).as("checks of " + family).isPositive();
  }

  /** Asserts that the device writes the same bits under each schedule. */
  static void sameBits(CudaDevice device, String what, Problem problem) {
    List<byte[]> first = bits(device, problem);
    try {
      for (String schedule : new String[] {"fwd", "rev", "rand:1", "rand:2"}) {
        EmulatedCuda.configure("CUEMU_SCHED", schedule);
        for (String copies : new String[] {"early", "late"}) {
          EmulatedCuda.configure("CUEMU_CPASYNC", copies);
          List<byte[]> again = bits(device, problem);
          for (int i = 0; i < first.size(); i++) {
            assertThat(again.get(i))
                .as("%s: result %d, schedule %s, copies %s", what, i, schedule, copies)
                .isEqualTo(first.get(i));
          }
        }
      }
    } finally {
      EmulatedCuda.configure("CUEMU_SCHED", EmulatedCuda.SCHEDULE);
      EmulatedCuda.configure("CUEMU_CPASYNC", EmulatedCuda.COPIES);
    }
  }

  private static List<byte[]> bits(CudaDevice device, Problem problem) {
    try (Twins there = new Twins()) {
      problem.run(there, StagedBackend.of(new CudaBackend(device), device));
      List<byte[]> bits = new ArrayList<>();
      for (Strided x : there.results) {
        byte[] bytes = new byte[Math.toIntExact(x.size() * x.dtype().bytes())];
        for (int i = 0; i < bytes.length; i++) bytes[i] = Host.getByte(x.address() + i);
        bits.add(bytes);
      }
      return bits;
    }
  }

  private static double apart(CudaDevice device, Problem problem) {
    try (Twins there = new Twins();
        Twins here = new Twins()) {
      problem.run(there, StagedBackend.of(new CudaBackend(device), device));
      problem.run(here, Backends.scalar());
      double worst = 0;
      for (int i = 0; i < here.results.size(); i++) {
        worst = Math.max(worst, apart(there.results.get(i), here.results.get(i)));
      }
      return worst;
    }
  }

  /** The largest difference over the largest magnitude of its row; infinite for a wrong NaN. */
  private static double apart(Strided have, Strided want) {
    long columns = Math.max(1, want.size(want.layout().rank() - 1));
    double worst = 0;
    for (long row = 0; row < want.size(); row += columns) {
      double difference = 0;
      double size = 0;
      for (long i = row; i < row + columns; i++) {
        double a = Host.get(have.dtype(), have.address(), i);
        double b = Host.get(want.dtype(), want.address(), i);
        if (Double.compare(a, b) == 0 || a == b) {
          if (!Double.isNaN(b) && !Double.isInfinite(b)) size = Math.max(size, Math.abs(b));
        } else if (Double.isNaN(a + b) || Double.isInfinite(a + b)) {
          return Double.POSITIVE_INFINITY;
        } else {
          difference = Math.max(difference, Math.abs(a - b));
          size = Math.max(size, Math.abs(b));
        }
      }
      // Denormal numbers are as far apart as the smallest normal ones.
      size = Math.max(size, Float.MIN_NORMAL);
      if (difference > 0) worst = Math.max(worst, difference / size);
    }
    return worst;
  }

  private static void measured(String kernel, double units) {
    if (Boolean.getBoolean("theriac.cuda.measure")) {
      System.out.printf("measured %s %.2f%n", kernel, units);
    }
  }
}
