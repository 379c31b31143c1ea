package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The kernels promise the bits of the product with the matrix that was packed. */
class VectorPackedTest extends KernelFixture {

  private static final int[] ROWS = {0, 1, 2, 3, 4, 5, 6, 8, 15, 130};

  /** Also the test that no kernel stays boxed: that one would never get up to speed. */
  @BeforeAll
  static void awaitCompiledKernels() throws InterruptedException {
    assertThat(PackedWarmUp.await(300)).as("kernels up to speed").isTrue();
  }

  @AfterEach
  void restore() {
    PackedWarmUp.use(true);
  }

  private Strided matrix(DType type, long n, long k) {
    Strided values = random(n, k);
    if (type == DType.F32) return values;
    return run(empty(type, n, k), o -> scalar.elementwise().copy(values, o));
  }

  private Weights packed(Strided matrix) {
    long n = matrix.size(0);
    long k = matrix.size(1);
    QuantisedFormat format = QuantisedFormat.valueOf(matrix.dtype().name());
    Weights w = new Weights(empty(DType.U8, format.bytes(n, k)), format, n, k);
    vector.quantised().quantise(matrix, w);
    return w;
  }

  private Strided linear(Strided x, Weights w, Strided bias) {
    return run(empty(x.size(0), w.rows()), out -> vector.quantised().linear(x, w, bias, out));
  }

  private Strided product(Strided x, Strided matrix, Strided bias) {
    Strided turned = matrix.with(matrix.layout().permute(1, 0));
    return run(
        empty(x.size(0), matrix.size(0)),
        out -> vector.matmul().matmul(x, turned, bias, out, false));
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void hasTheBitsOfTheOrdinaryProduct(DType type) {
    for (int n : new int[] {0, 1, 3, 17, 63, 64, 65, 129, 192, 200}) {
      for (int k : new int[] {0, 1, 3, 17, 64, 129, 288}) {
        Strided matrix = matrix(type, n, k);
        Weights w = packed(matrix);
        Strided bias = random(n);
        for (int m : ROWS) {
          Strided x = random(m, k);
          assertThat(bits(linear(x, w, null)))
              .as("%d rows, %d outputs, %d inputs", m, n, k)
              .isEqualTo(bits(product(x, matrix, null)));
          assertThat(bits(linear(x, w, bias))).isEqualTo(bits(product(x, matrix, bias)));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void theProductThatStandsInGivesTheSameBits(DType type) {
    PackedWarmUp.use(false);
    hasTheBitsOfTheOrdinaryProduct(type);
  }

  /** Several runs of k and of columns, several tasks. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void longRowsHaveTheBitsOfTheOrdinaryProduct(DType type) {
    for (long[] shape : new long[][] {{1100, 1031}, {70, 6000}, {3000, 70}}) {
      Strided matrix = matrix(type, shape[0], shape[1]);
      Weights w = packed(matrix);
      Strided bias = random(shape[0]);
      for (int m : new int[] {1, 3, 4, 9, 130}) {
        Strided x = random(m, shape[1]);
        assertThat(bits(linear(x, w, bias))).isEqualTo(bits(product(x, matrix, bias)));
      }
    }
  }

  /** Denormal numbers and zeros stay what they are, and what fills up is zero. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void packingKeepsEveryBit(DType type) {
    for (long[] shape : new long[][] {{3, 5}, {64, 1}, {130, 700}, {65, 1030}, {200, 64}}) {
      Strided matrix = empty(type, shape[0], shape[1]);
      for (long i = 0; i < matrix.size(); i++) {
        int number = rng.nextInt(0x7f7f) + (int) (i % 2) * 0x8000;
        if (type == DType.F32) Host.setInt(matrix.address() + 4 * i, number << 16 | (int) i % 999);
        else Host.setShort(matrix.address() + 2 * i, (short) number);
      }
      Weights w = packed(matrix);
      Strided back = empty(shape);
      vector.quantised().dequantise(w, back);
      assertThat(bits(back))
          .isEqualTo(bits(run(empty(shape), o -> scalar.elementwise().copy(matrix, o))));
      for (long g = shape[0] - 1; g < (shape[0] + 63) / 64 * 64 - 1; g++) {
        for (long k = 0; k < (shape[1] + 63) / 64 * 64; k++) {
          assertThat(w.format().weight(w.address(), shape[1], g + 1, k)).isZero();
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void notANumberAndInfinityReachEveryOutput(DType type) {
    for (float special : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      for (int m : new int[] {1, 2, 4, 20}) {
        Strided x = random(m, 100);
        Host.setFloat(x.address() + 4 * 70, special);
        double[] found = values(linear(x, packed(matrix(type, 65, 100)), null));
        for (int i = 0; i < 65; i++) assertThat(Double.isFinite(found[i])).isFalse();
        for (int i = 65; i < found.length; i++) assertThat(Double.isFinite(found[i])).isTrue();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void bitsDoNotDependOnThreads(DType type) {
    Strided matrix = matrix(type, 1030, 1013);
    Strided one = random(1, 1013);
    Strided many = random(40, 1013);
    assertSameForThreads(() -> {
      Weights w = packed(matrix);
      return new Strided[] {w.bytes(), linear(one, w, null), linear(many, w, null)};
    });
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void warmCallsAllocateNothing(DType type) {
    Workers.setThreads(1);
    for (int m : new int[] {1, 2, 3, 4, 9}) {
      Strided x = random(m, 250);
      Weights w = packed(matrix(type, 700, 250));
      Strided out = empty(m, 700);
      assertWarmCallAllocatesNothing(
          type + " for " + m, () -> vector.quantised().linear(x, w, null, out));
    }
  }
}
