package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

@ExtendWith(TensorScope.class)
class QuantisedTest {
  /** N, K. */
  private static final int[][] SIZES = {
    {0, 5}, {5, 0}, {1, 1}, {3, 17}, {17, 3}, {65, 129}, {129, 64}, {64, 4099}
  };

  static List<Backend> backends() {
    return Samples.backends();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void isTheProductWithTheDequantisedWeight(Backend backend) {
    for (QuantisedFormat format : QuantisedFormat.values()) {
      for (int[] s : SIZES) {
        QuantisedMatrix w = Quantised.quantise(Samples.normal(2, s[0], s[1]), format);
        double[] dense = Samples.doubles(Quantised.dequantise(w).transpose(0, 1));
        Tensor shift = Samples.normal(3, s[0]);
        for (int m : new int[] {0, 1, 3, 17}) {
          Tensor in = Samples.normal(1, m, s[1]);
          double[][] want = MatmulTest.exact(Samples.doubles(in), dense, m, s[0], s[1]);
          for (View view : View.values()) {
            Tensor y = Backends.with(backend, () -> Quantised.linear(view.of(in), w, null));
            Tolerances.check("quantisedLinear", backend.name(), want[0], want[1], y);
          }
          for (int i = 0; i < want[0].length; i++) {
            want[0][i] += shift.get(i % s[0]);
            want[1][i] += Math.abs(shift.get(i % s[0]));
          }
          Tensor bias = View.SLICED.of(shift);
          Tensor y = Backends.with(backend, () -> Quantised.linear(in, w, bias));
          Tolerances.check("quantisedLinear", backend.name(), want[0], want[1], y);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aRowHasTheSameBitsAloneAsAmongOthers(Backend backend) {
    for (QuantisedFormat format : QuantisedFormat.values()) {
      QuantisedMatrix w = Quantised.quantise(Samples.normal(2, 131, 200), format);
      Tensor bias = Samples.normal(3, 131);
      Tensor x = Samples.normal(1, 70, 200);
      float[] all = Backends.with(backend, () -> Quantised.linear(x, w, bias).toFloats());
      for (int m : new int[] {1, 2, 3, 4, 5, 8, 30, 33}) {
        float[] y =
            Backends.with(backend, () -> Quantised.linear(x.slice(0, 0, m), w, bias).toFloats());
        assertThat(y).isEqualTo(Arrays.copyOf(all, m * 131));
      }
      float[] last =
          Backends.with(backend, () -> Quantised.linear(x.slice(0, 69, 70), w, bias).toFloats());
      assertThat(last).isEqualTo(Arrays.copyOfRange(all, 69 * 131, 70 * 131));
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void roundsToNearestOfASymmetricScale(QuantisedFormat format) {
    for (DType dtype : Samples.FLOATING) {
      for (int[] s : SIZES) {
        Tensor w = Samples.normal(5, dtype, s[0], s[1]);
        QuantisedMatrix q = Quantised.quantise(w, format);
        Tensor back = Quantised.dequantise(q);
        assertThat(back.shape()).containsExactly(s[0], s[1]);
        long at = q.bytes().strided().address();
        for (int n = 0; n < s[0]; n++) {
          for (int k = 0; k < s[1]; k++) {
            double max = 0;
            int first = k / 32 * 32;
            for (int i = first; i < Math.min(s[1], first + 32); i++) {
              max = Math.max(max, Math.abs(w.get(n, i)));
            }
            double least = max / format.largest();
            float scale = Halves.fromBf16(Host.getShort(format.scaleAddress(at, s[1], n, k)));
            assertThat((double) scale).isBetween(least * (1 - 0x1p-23), least * (1 + 0x1p-7));
            int number = format.number(at, s[1], n, k);
            assertThat(number).isEqualTo((int) Math.rint(w.get(n, k) / scale));
            assertThat(Math.abs(number)).isLessThanOrEqualTo(format.largest());
            assertThat(back.get(n, k)).isEqualTo((double) number * scale);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"INT8", "INT4"})
  void quantisingAgainChangesNothing(QuantisedFormat format) {
    // Half numbers of scales that BF16 holds: the largest of each block gives the scale back.
    Tensor w = Samples.longs(i -> i % format.largest(), 70, 64).to(DType.F32).mul(0.0625);
    for (int n = 0; n < 70; n++) {
      for (int block : new int[] {0, 32}) {
        long at = w.strided().address() + 4L * (n * 64 + block + n % 32);
        Host.setFloat(at, -0.0625f * format.largest());
      }
    }
    QuantisedMatrix q = Quantised.quantise(w, format);
    assertThat(Quantised.dequantise(q).toFloats()).isEqualTo(w.toFloats());
    assertThat(Quantised.quantise(View.TRANSPOSED.of(w), format).bytes().toLongs())
        .isEqualTo(q.bytes().toLongs());
  }

  /** The example of the documented layout, byte by byte. */
  @Test
  void bytesLieAsDocumented() {
    Tensor w = Tensor.zeros(66, 70);
    long values = w.strided().address();
    Host.setFloat(values + 4 * (65 * 70 + 69), -127f);
    QuantisedMatrix q = Quantised.quantise(w, QuantisedFormat.INT8);
    assertThat(q.bytes().size()).isEqualTo(4 * (256 + 64 * 64));
    long tile = q.bytes().strided().address() + 3 * (256 + 64 * 64);
    assertThat(Halves.fromBf16(Host.getShort(tile + 4))).isEqualTo(1f);
    assertThat(Host.getShort(tile + 6)).isZero();
    // Column 5 of the tile, row 1 of the group.
    assertThat(Host.getByte(tile + 256 + 5 * 64 + 1)).isEqualTo((byte) -127);

    Host.setFloat(values + 4 * (65 * 70 + 69), -7f);
    QuantisedMatrix h = Quantised.quantise(w, QuantisedFormat.INT4);
    assertThat(h.bytes().size()).isEqualTo(4 * (256 + 64 * 32));
    tile = h.bytes().strided().address() + 3 * (256 + 64 * 32);
    // Column 5 in the upper half, beside column 4.
    assertThat(Host.getByte(tile + 256 + 2 * 64 + 1)).isEqualTo((byte) 0x90);
    assertThat(Host.getByte(tile + 256)).isZero();
  }

  /** BF16 rounds to nearest even what has more bits, and F32 nothing. */
  @Test
  void floatingFormatsHoldTheWeightsThemselves() {
    for (DType dtype : Samples.FLOATING) {
      for (int[] s : SIZES) {
        Tensor w = Samples.normal(5, dtype, s[0], s[1]);
        float[] exact = w.to(DType.F32).toFloats();
        assertThat(Quantised.dequantise(Quantised.quantise(w, QuantisedFormat.F32)).toFloats())
            .isEqualTo(exact);
        assertThat(Quantised.dequantise(Quantised.quantise(w, QuantisedFormat.BF16)).toFloats())
            .isEqualTo(w.to(DType.F32).to(DType.BF16).to(DType.F32).toFloats());
      }
    }
    for (QuantisedFormat format : List.of(QuantisedFormat.BF16, QuantisedFormat.F32)) {
      Tensor odd = Tensor.of(new float[] {-0f, 0f, 0x1p-133f, -0x1p-126f, 0x1.fep127f, 1}, 2, 3);
      assertThat(Quantised.dequantise(Quantised.quantise(odd, format)).toFloats())
          .isEqualTo(odd.toFloats());
      for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, Float.MAX_VALUE}) {
        if (format == QuantisedFormat.F32 && bad == Float.MAX_VALUE) continue;
        Tensor values = Tensor.zeros(3, 4);
        Host.setFloat(values.strided().address() + 4 * 6, bad);
        assertThatThrownBy(() -> Quantised.quantise(values, format))
            .hasMessageContaining("[1, 2]")
            .hasMessageContaining("finite in " + format);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void floatingFormatsHaveTheBitsOfTheOrdinaryProduct(Backend backend) {
    for (QuantisedFormat format : List.of(QuantisedFormat.BF16, QuantisedFormat.F32)) {
      for (int[] s : SIZES) {
        Tensor w = Samples.normal(2, DType.valueOf(format.name()), s[0], s[1]);
        QuantisedMatrix packed = Quantised.quantise(w, format);
        for (int m : new int[] {0, 1, 3, 17, 129}) {
          Tensor x = Samples.normal(1, m, s[1]);
          for (Tensor bias : new Tensor[] {null, Samples.normal(3, s[0])}) {
            float[] expected = Backends.with(backend, () -> Matmul.linear(x, w, bias).toFloats());
            assertThat(Backends.with(backend, () -> Quantised.linear(x, packed, bias).toFloats()))
                .as("%s %d x %d x %d", format, m, s[0], s[1])
                .isEqualTo(expected);
          }
        }
      }
    }
  }

  @Test
  void extremeScales() {
    for (QuantisedFormat format : List.of(QuantisedFormat.INT8, QuantisedFormat.INT4)) {
      for (float size : new float[] {0x1p100f, 1e-20f, 0x1p-92f}) {
        Tensor w = Samples.normal(1, 20, 33).mul(size / 8);
        QuantisedMatrix q = Quantised.quantise(w, format);
        Tensor x = Samples.normal(2, 1, 33).mul(1 / size);
        double[] dense = Samples.doubles(Quantised.dequantise(q).transpose(0, 1));
        double[][] want = MatmulTest.exact(Samples.doubles(x), dense, 1, 20, 33);
        Tensor y = Quantised.linear(x, q, null);
        Tolerances.check("quantisedLinear", Backends.of(x.device()).name(), want[0], want[1], y);
      }
      Tensor tiny = Tensor.full(Float.MIN_VALUE, DType.F32, 3, 40);
      assertThat(Quantised.dequantise(Quantised.quantise(tiny, format)).toFloats())
          .containsOnly(0f);
    }
  }

  @Test
  void keepsLeadingDimensionsAndType() {
    QuantisedMatrix w = Quantised.quantise(Samples.normal(2, 7, 5), QuantisedFormat.INT4);
    assertThat(Quantised.linear(Samples.normal(1, 2, 3, 5), w, null).shape())
        .containsExactly(2, 3, 7);
    assertThat(Quantised.linear(Samples.normal(1, 5), w, null).shape()).containsExactly(7);
    assertThat(Quantised.linear(Samples.normal(1, DType.BF16, 5), w, null).dtype())
        .isEqualTo(DType.BF16);
  }

  @Test
  void errorsNameTheOperationAndBothShapes() {
    QuantisedMatrix w = Quantised.quantise(Tensor.zeros(5, 4), QuantisedFormat.INT8);
    assertThatThrownBy(() -> Quantised.linear(Tensor.zeros(2, 3), w, null))
        .hasMessageContaining("quantisedLinear")
        .hasMessageContaining("[2, 3]")
        .hasMessageContaining("[5, 4]");
    assertThatThrownBy(() -> Quantised.linear(Tensor.zeros(2, 4), w, Tensor.zeros(4)))
        .hasMessageContaining("quantisedLinear: bias")
        .hasMessageContaining("[5]");
    assertThatThrownBy(() -> Quantised.linear(Tensor.zeros(2, 4).requireGrad(true), w, null))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("noGrad");
    assertThatThrownBy(() -> Quantised.quantise(Tensor.zeros(3), QuantisedFormat.INT8))
        .hasMessageContaining("quantise")
        .hasMessageContaining("[3]");
    assertThatThrownBy(() -> Quantised.quantise(Tensor.of(new long[4], 2, 2), QuantisedFormat.INT8))
        .hasMessageContaining("I64");
    for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, 1e31f}) {
      Tensor values = Tensor.zeros(3, 4);
      Host.setFloat(values.strided().address() + 4 * 6, bad);
      assertThatThrownBy(() -> Quantised.quantise(values, QuantisedFormat.INT4))
          .hasMessageContaining("[1, 2]")
          .hasMessageContaining("2^100");
    }
    assertThatThrownBy(() -> new QuantisedMatrix(QuantisedFormat.INT4, 5, 4, Tensor.zeros(10)))
        .hasMessageContaining("U8[2304]")
        .hasMessageContaining("F32[10]");
  }
}
