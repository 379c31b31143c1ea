package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Strided;
import java.util.List;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products of row groups on the device against the scalar back end. */
class CudaGroupedTest {
  /** Groups around the edges of tiles, empty ones at both ends and in the middle. */
  private static final long[] OFFSETS = {0, 0, 1, 65, 65, 65, 68, 196, 213, 213};

  private static final int GROUPS = OFFSETS.length - 1;
  private static final int ROWS = 213;
  private static final Backend ORACLE = Backends.scalar();

  private final CudaDevice device = EmulatedCuda.device();
  private final Matrices make = new Matrices(11);

  @AfterEach
  void free() {
    make.close();
  }

  private Backend cuda(Precision precision) {
    return StagedBackend.of(new CudaBackend(device, precision), device);
  }

  private static double tolerance(Precision precision) {
    return switch (precision) {
      case F32 -> CudaTolerances.GROUPED_F32;
      case TF32 -> CudaTolerances.GROUPED_TF32;
      case BF16 -> CudaTolerances.GROUPED_BF16;
    };
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 3, 17, 129})
  void agreesWithTheScalarBackEnd(long rows) {
    for (KernelCheck check : KernelCheck.all()) {
      if (!check.kernel().startsWith("grouped.")) continue;
      assertThat(check.apart(cuda(Precision.F32), ORACLE, rows))
          .as(check.name())
          .isLessThan(CudaTolerances.GROUPED_F32);
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void forward(Precision precision) {
    Strided offsets = make.longs(OFFSETS);
    for (long n : new long[] {1, 64, 83}) {
      for (long k : new long[] {1, 20, 67}) {
        Strided x = make.random(ROWS, k);
        Rows gathered = new Rows(make.random(31, k), make.ids(31, ROWS));
        Strided bias = make.random(GROUPS, n);
        for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
          Strided w = make.random(dtype, GROUPS, n, k);
          same(
              precision,
              new long[] {ROWS, n},
              (b, out) -> b.grouped().grouped(Rows.of(x), w, null, offsets, out));
          same(
              precision,
              new long[] {ROWS, n},
              (b, out) -> b.grouped().grouped(gathered, w, bias, offsets, out));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void inputGradient(Precision precision) {
    Strided offsets = make.longs(OFFSETS);
    for (long n : new long[] {3, 68}) {
      for (long k : new long[] {1, 64, 83}) {
        Rows grad = Rows.of(make.random(ROWS, n));
        Rows gathered = new Rows(make.random(31, n), make.ids(31, ROWS));
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
          Strided w = make.random(dtype, GROUPS, n, k);
          for (boolean accumulate : new boolean[] {false, true}) {
            for (Rows rows : List.of(grad, gathered)) {
              same(
                  precision,
                  new long[] {ROWS, k},
                  (b, dx) -> b.grouped().groupedInputGradient(rows, w, offsets, accumulate, dx));
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void weightGradient(Precision precision) {
    Strided offsets = make.longs(OFFSETS);
    for (long n : new long[] {1, 30, 68}) {
      for (long k : new long[] {7, 64, 83}) {
        Rows grad = Rows.of(make.random(ROWS, n));
        Rows gatheredGrad = new Rows(make.random(19, n), make.ids(19, ROWS));
        Rows x = Rows.of(make.random(ROWS, k));
        Rows gathered = new Rows(make.random(31, k), make.ids(31, ROWS));
        for (boolean accumulate : new boolean[] {false, true}) {
          same(
              precision,
              new long[] {GROUPS, n, k},
              (b, dw) -> b.grouped().groupedWeightGradient(grad, x, offsets, accumulate, dw));
          same(
              precision,
              new long[] {GROUPS, n, k},
              (b, dw) ->
                  b.grouped()
                      .groupedWeightGradient(gatheredGrad, gathered, offsets, accumulate, dw));
        }
      }
    }
  }

  @Test
  void biasGradient() {
    Strided offsets = make.longs(OFFSETS);
    Strided scale = make.random(ROWS);
    for (long n : new long[] {1, 32, 77}) {
      Rows grad = Rows.of(make.random(ROWS, n));
      Rows gathered = new Rows(make.random(31, n), make.ids(31, ROWS));
      for (boolean accumulate : new boolean[] {false, true}) {
        same(
            Precision.F32,
            new long[] {GROUPS, n},
            (b, to) -> b.grouped().groupedBiasGradient(grad, scale, offsets, accumulate, to));
        same(
            Precision.F32,
            new long[] {GROUPS, n},
            (b, to) -> b.grouped().groupedBiasGradient(gathered, null, offsets, accumulate, to));
      }
    }
  }

  /** Groups that are empty get zeros, or keep what they had. */
  @Test
  void emptyGroups() {
    Strided offsets = make.longs(0, 0, 0, 0);
    Rows grad = Rows.of(make.random(0, 5));
    Rows x = Rows.of(make.random(0, 7));
    Strided dw = make.unwritten(3, 5, 7);
    cuda(Precision.F32).grouped().groupedWeightGradient(grad, x, offsets, false, dw);
    assertThat(Matrices.values(dw)).containsOnly(0f);
    Strided held = make.filled(3, 3, 5, 7);
    cuda(Precision.F32).grouped().groupedWeightGradient(grad, x, offsets, true, held);
    assertThat(Matrices.values(held)).containsOnly(3f);
    Strided db = make.unwritten(3, 5);
    cuda(Precision.F32).grouped().groupedBiasGradient(grad, null, offsets, false, db);
    assertThat(Matrices.values(db)).containsOnly(0f);
    Strided out = make.unwritten(0, 5);
    cuda(Precision.F32).grouped().grouped(x, make.random(3, 5, 7), null, offsets, out);
  }

  /** Old values are the start of the sums: parts of a group in turn give the bits of the whole. */
  @Test
  void partsInTurnGiveTheBitsOfTheWhole() {
    Strided grad = make.random(90, 20);
    Strided x = make.random(90, 30);
    Strided whole = make.unwritten(1, 20, 30);
    Backend cuda = cuda(Precision.F32);
    cuda.grouped()
        .groupedWeightGradient(Rows.of(grad), Rows.of(x), make.longs(0, 90), false, whole);
    Strided parts = make.unwritten(1, 20, 30);
    for (int from = 0; from < 90; from += 37) {
      int to = Math.min(90, from + 37);
      Rows some = Rows.of(grad.with(grad.layout().slice(0, from, to)));
      Rows same = Rows.of(x.with(x.layout().slice(0, from, to)));
      cuda.grouped().groupedWeightGradient(some, same, make.longs(0, to - from), from > 0, parts);
    }
    assertThat(Matrices.values(parts)).isEqualTo(Matrices.values(whole));
  }

  /** One group large enough for large tiles, whose last rows are those of small ones. */
  @ParameterizedTest
  @EnumSource(Precision.class)
  void largeTilesGiveTheBitsOfSmallOnes(Precision precision) {
    int columns = 128 * 64;
    Backend cuda = cuda(precision);
    Strided x = make.random(150, 9);
    Strided w = make.random(1, columns, 9);
    Strided large = make.unwritten(150, columns);
    cuda.grouped().grouped(Rows.of(x), w, null, make.longs(0, 150), large);
    assertThat(device.lastKernel()).endsWith("_large");
    Strided few = w.with(w.layout().slice(1, columns - 70, columns));
    Strided small = make.unwritten(150, 70);
    cuda.grouped().grouped(Rows.of(x), few, null, make.longs(0, 150), small);
    assertThat(device.lastKernel()).doesNotEndWith("_large");
    for (int r = 0; r < 150; r++) {
      for (int j = 0; j < 70; j++) {
        assertThat(Matrices.at(large, r, columns - 70 + j)).isEqualTo(Matrices.at(small, r, j));
      }
    }
    Rows grad = Rows.of(make.random(5, columns));
    Rows rows = Rows.of(make.random(5, 150));
    Strided dw = make.unwritten(1, columns, 150);
    cuda.grouped().groupedWeightGradient(grad, rows, make.longs(0, 5), false, dw);
    assertThat(device.lastKernel()).endsWith("_large");
    Strided wanted = make.unwritten(1, columns, 150);
    ORACLE.grouped().groupedWeightGradient(grad, rows, make.longs(0, 5), false, wanted);
    assertThat(apart(dw, wanted)).isLessThan(tolerance(precision));
  }

  @Test
  void sameBitsUnderAnySchedule() {
    Strided offsets = make.longs(OFFSETS);
    Rows x = new Rows(make.random(31, 67), make.ids(31, ROWS));
    Strided w = make.random(GROUPS, 83, 67);
    for (Precision precision : Precision.values()) {
      Strided first = make.unwritten(ROWS, 83);
      cuda(precision).grouped().grouped(x, w, null, offsets, first);
      for (String schedule : List.of("rev", "rand:1", "rand:2")) {
        EmulatedCuda.configure("CUEMU_SCHED", schedule);
        try {
          Strided again = make.unwritten(ROWS, 83);
          cuda(precision).grouped().grouped(x, w, null, offsets, again);
          assertThat(Matrices.values(again)).isEqualTo(Matrices.values(first));
        } finally {
          EmulatedCuda.configure("CUEMU_SCHED", EmulatedCuda.SCHEDULE);
        }
      }
    }
  }

  private void same(Precision precision, long[] shape, BiConsumer<Backend, Strided> kernel) {
    Strided before = make.random(shape);
    Strided found = make.copy(before);
    Strided wanted = make.copy(before);
    kernel.accept(cuda(precision), found);
    kernel.accept(ORACLE, wanted);
    assertThat(apart(found, wanted)).isLessThan(tolerance(precision));
  }

  /** The largest difference, relative to the largest magnitude; NaN where one is not a number. */
  static double apart(Strided found, Strided wanted) {
    float[] a = Matrices.values(found);
    float[] b = Matrices.values(wanted);
    double difference = 0;
    double size = 0;
    for (int i = 0; i < a.length; i++) {
      if (Float.isNaN(a[i]) || Float.isNaN(b[i])) return Double.NaN;
      difference = Math.max(difference, Math.abs(a[i] - b[i]));
      size = Math.max(size, Math.abs(b[i]));
    }
    return difference == 0 ? 0 : difference / size;
  }
}
