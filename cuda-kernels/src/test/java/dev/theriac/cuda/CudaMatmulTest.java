package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Dense products by our own kernels on the device against the scalar back end. */
class CudaMatmulTest {
  private static final Backend ORACLE = Backends.scalar();

  private final CudaDevice device = EmulatedCuda.device();
  private final Backend cuda =
      StagedBackend.of(new CudaBackend(device, Precision.F32, false), device);
  private final Matrices make = new Matrices(7);

  @AfterEach
  void free() {
    make.close();
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 3, 17, 129})
  void agreesWithTheScalarBackEnd(long rows) {
    for (KernelCheck check : KernelCheck.all()) {
      if (!check.kernel().startsWith("matmul.")) continue;
      assertThat(check.apart(cuda, ORACLE, rows)).as(check.name()).isLessThan(1e-5);
    }
  }

  /** Every combination of sizes around the edges of tiles, in both orders of both operands. */
  @ParameterizedTest
  @ValueSource(longs = {0, 1, 3, 17, 64, 129})
  void allEdgesOfTiles(long m) {
    for (long n : new long[] {0, 1, 3, 17, 64, 129}) {
      for (long k : new long[] {0, 1, 3, 17, 129}) {
        boolean turned = (m + n + k) % 2 == 0;
        check(matrix(m, k, turned), matrix(k, n, !turned), null, null);
        check(matrix(m, k, !turned), matrix(k, n, !turned), make.random(n), null);
        check(matrix(m, k, turned), matrix(k, n, turned), null, make.random(m, n));
      }
    }
  }

  private Strided matrix(long rows, long columns, boolean turned) {
    return turned ? turned(make.random(columns, rows)) : make.random(rows, columns);
  }

  private static Strided turned(Strided x) {
    return x.with(x.layout().permute(1, 0));
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16", "F16"})
  void matricesOfEveryTypeAndOrder(DType dtype) {
    for (long k : new long[] {5, 64, 96}) {
      check(make.random(33, k), make.random(dtype, k, 70), null, null);
      check(make.random(33, k), turned(make.random(dtype, 72, k)), null, null);
      check(turned(make.random(k, 36)), make.random(dtype, k, 68), null, null);
    }
  }

  /** Every second element, rows with gaps, an offset that spoils the alignment. */
  @Test
  void anyStrides() {
    Strided wide = make.random(40, 200);
    Strided everySecond = wide.with(Layout.strided(new long[] {40, 50}, new long[] {200, 2}, 3));
    Strided gaps = wide.with(Layout.strided(new long[] {40, 50}, new long[] {200, 1}, 1));
    Strided constant = wide.with(Layout.strided(new long[] {40, 50}, new long[] {0, 0}, 5));
    Strided b = make.random(50, 20);
    Strided odd = make.random(60, 21);
    Strided shifted = odd.with(Layout.strided(new long[] {50, 20}, new long[] {21, 1}, 2));
    for (Strided a : List.of(everySecond, gaps, constant)) {
      check(a, b, null, null);
      check(a, shifted, null, null);
    }
  }

  @Test
  void batchesAndBroadcastBatches() {
    Strided a = make.random(2, 3, 5, 9);
    Strided b = make.random(9, 7);
    Strided one = b.with(Layout.strided(new long[] {2, 3, 9, 7}, new long[] {0, 0, 7, 1}, 0));
    Strided c = make.random(3, 9, 7);
    Strided three = c.with(Layout.strided(new long[] {2, 3, 9, 7}, new long[] {0, 63, 7, 1}, 0));
    Strided heads = make.random(2, 5, 3, 9);
    check(a, one, make.random(7), null);
    check(a, three, null, make.random(2, 3, 5, 7));
    check(heads.with(heads.layout().permute(0, 2, 1, 3)), three, null, null);
    check(make.random(0, 5, 9), make.random(0, 9, 7), null, null);
  }

  @Test
  void noProductsGiveZerosOrTheBias() {
    Strided c = make.unwritten(3, 5);
    cuda.matmul().matmul(make.random(3, 0), make.random(0, 5), null, c, false);
    assertThat(Matrices.values(c)).containsOnly(0f);
    Strided bias = make.random(5);
    cuda.matmul().matmul(make.random(3, 0), make.random(0, 5), bias, c, false);
    assertThat(Matrices.values(c))
        .startsWith(Matrices.values(bias))
        .endsWith(Matrices.values(bias));
  }

  @Test
  void whatIsNotANumberStaysWhereItBelongs() {
    Strided a = make.random(70, 9);
    Strided b = make.random(9, 70);
    Host.setFloat(a.address() + 4 * (3 * 9 + 2), Float.NaN);
    Host.setFloat(b.address() + 4 * (5 * 70 + 68), Float.POSITIVE_INFINITY);
    Strided c = make.unwritten(70, 70);
    cuda.matmul().matmul(a, b, null, c, false);
    for (long i = 0; i < 70; i++) {
      for (long j = 0; j < 70; j++) {
        double value = Matrices.at(c, i, j);
        assertThat(Double.isNaN(value)).isEqualTo(i == 3);
        if (i != 3) assertThat(Double.isInfinite(value)).isEqualTo(j == 68);
      }
    }
  }

  /** So many tiles that large ones are taken. */
  @Test
  void largeTilesGiveTheBitsOfSmallOnes() {
    largeTiles(cuda, "matmul_f32");
  }

  private void largeTiles(Backend there, String kernel) {
    Strided one = make.random(129, 35);
    Strided a = one.with(Layout.strided(new long[] {32, 129, 35}, new long[] {0, 35, 1}, 0));
    Strided weights = make.random(35, 129);
    Strided b = weights.with(Layout.strided(new long[] {32, 35, 129}, new long[] {0, 129, 1}, 0));
    Strided large = make.unwritten(32, 129, 129);
    there.matmul().matmul(a, b, null, large, false);
    assertThat(device.lastKernel()).isEqualTo(kernel + "_large");
    Strided small = make.unwritten(129, 129);
    there.matmul().matmul(one, weights, null, small, false);
    assertThat(device.lastKernel()).isEqualTo(kernel);
    float[] expected = Matrices.values(small);
    float[] found = Matrices.values(large);
    for (int i = 0; i < found.length; i++) {
      assertThat(found[i]).isEqualTo(expected[i % expected.length]);
    }
  }

  @Test
  void sameBitsUnderAnySchedule() {
    Strided a = make.random(100, 150);
    Strided b = make.random(150, 90);
    Strided first = make.unwritten(100, 90);
    cuda.matmul().matmul(a, b, null, first, false);
    for (String schedule : List.of("rev", "rand:1", "rand:2")) {
      EmulatedCuda.configure("CUEMU_SCHED", schedule);
      try {
        Strided again = make.unwritten(100, 90);
        cuda.matmul().matmul(a, b, null, again, false);
        assertThat(Matrices.values(again)).isEqualTo(Matrices.values(first));
      } finally {
        EmulatedCuda.configure("CUEMU_SCHED", "fwd");
      }
    }
  }

  @Test
  void matricesOfWholeNumbersAreRefused() {
    assertThatThrownBy(() ->
            cuda.matmul()
                .matmul(
                    make.random(2, 3), make.make(DType.I32, 3, 4), null, make.random(2, 4), false))
        .hasMessageContaining("I32[3, 4]")
        .hasMessageContaining("F32, BF16 and F16");
  }

  /**
   * Operands rounded before, so that the tensor cores' products are exact: what remains is the
   * order of sums.
   */
  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"TF32", "BF16"})
  void tensorCores(Precision precision) {
    Backend there = StagedBackend.of(new CudaBackend(device, precision, false), device);
    for (long m : new long[] {1, 17, 64, 129}) {
      for (long n : new long[] {3, 64, 97}) {
        for (long k : new long[] {0, 1, 17, 64, 129}) {
          for (int order = 0; order < 4; order++) {
            Strided a = rounded(precision, m, k, order % 2 == 1);
            Strided b = rounded(precision, k, n, order / 2 == 1);
            check(there, CudaTolerances.PRODUCT_F32, a, b, make.random(n), null);
          }
        }
      }
    }
    Strided a = rounded(precision, 40, 70, false);
    check(
        there,
        CudaTolerances.PRODUCT_F32,
        a,
        rounded(precision, 70, 50, true),
        null,
        make.random(40, 50));
  }

  /** Operands that are rounded on the way. */
  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"TF32", "BF16"})
  void tensorCoresRoundTheirOperands(Precision precision) {
    Backend there = StagedBackend.of(new CudaBackend(device, precision, false), device);
    double tolerance =
        precision == Precision.TF32 ? CudaTolerances.PRODUCT_TF32 : CudaTolerances.PRODUCT_BF16;
    for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      Strided b = turned(make.random(dtype, 50, 90));
      check(there, tolerance, make.random(70, 90), b, null, null);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"TF32", "BF16"})
  void largeTilesOfTensorCoresGiveTheBitsOfSmallOnes(Precision precision) {
    Backend there = StagedBackend.of(new CudaBackend(device, precision, false), device);
    String kernel = "matmul_" + precision.name().toLowerCase(java.util.Locale.ROOT);
    largeTiles(there, kernel);
  }

  private Strided rounded(Precision precision, long rows, long columns, boolean turned) {
    Strided x = turned ? make.random(columns, rows) : make.random(rows, columns);
    for (long i = 0; i < x.size(); i++) {
      int bits = Float.floatToRawIntBits(Host.getFloat(x.address() + 4 * i));
      int low = precision == Precision.TF32 ? 0x1fff : 0xffff;
      Host.setInt(x.address() + 4 * i, bits & ~low);
    }
    return turned ? turned(x) : x;
  }

  private void check(Strided a, Strided b, Strided bias, Strided before) {
    check(cuda, CudaTolerances.PRODUCT_F32, a, b, bias, before);
  }

  private void check(
      Backend there, double tolerance, Strided a, Strided b, Strided bias, Strided before) {
    assertThat(Products.apart(there, make, a, b, bias, before))
        .as("%s times %s", a, b)
        .isLessThanOrEqualTo(tolerance);
  }
}
