package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.backend.check.KernelCheck;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Feed-forwards of experts on the device against the scalar back end. */
class CudaExpertsTest {
  private static final long[] OFFSETS = {0, 0, 65, 66, 66, 97};
  private static final int GROUPS = OFFSETS.length - 1;
  private static final int ROWS = 97;
  private static final Backend ORACLE = Backends.scalar();

  private final CudaDevice device = EmulatedCuda.device();
  private final Backend cuda = cuda(Precision.F32);
  private final Matrices make = new Matrices(13);

  @AfterEach
  void free() {
    make.close();
  }

  private Backend cuda(Precision precision) {
    return StagedBackend.of(new CudaBackend(device, precision), device);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 3, 17, 129})
  void agreesWithTheScalarBackEnd(long rows) {
    for (KernelCheck check : KernelCheck.all()) {
      if (!check.kernel().startsWith("experts.")) continue;
      assertThat(check.apart(cuda, ORACLE, rows))
          .as(check.name())
          .isLessThan(CudaTolerances.GROUPED_F32);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = UnaryKind.class,
      names = {"RELU", "SILU", "GELU", "GELU_TANH", "QUICK_GELU"})
  void hiddenOfEveryForm(UnaryKind activation) {
    Strided offsets = make.longs(OFFSETS);
    for (Precision precision : Precision.values()) {
      double tolerance =
          switch (precision) {
            case F32 -> CudaTolerances.GROUPED_F32;
            case TF32 -> CudaTolerances.GROUPED_TF32;
            case BF16 -> CudaTolerances.GROUPED_BF16;
          };
      for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
        Strided gate = make.random(dtype, GROUPS, 70, 33);
        Strided up = make.random(dtype, GROUPS, 70, 33);
        Strided bias = make.random(GROUPS, 70);
        Rows gathered = new Rows(make.random(20, 33), make.ids(20, ROWS));
        Rows plain = Rows.of(make.random(ROWS, 33));
        Hidden[] forms = {
          new Hidden(gate, bias, up, null, activation),
          new Hidden(gate, null, up, bias, activation),
          new Hidden(gate, bias, null, null, activation),
        };
        for (Hidden form : forms) {
          for (Rows x : new Rows[] {gathered, plain}) {
            hidden(precision, form, x, offsets, tolerance);
          }
        }
      }
    }
  }

  private void hidden(Precision precision, Hidden form, Rows x, Strided offsets, double tolerance) {
    Strided[] found = {
      make.unwritten(ROWS, 70), make.unwritten(ROWS, 70), make.unwritten(ROWS, 70)
    };
    Strided[] wanted = {
      make.unwritten(ROWS, 70), make.unwritten(ROWS, 70), make.unwritten(ROWS, 70)
    };
    cuda(precision)
        .experts()
        .hidden(x, form, offsets, found[0], form.gated() ? found[1] : null, found[2]);
    ORACLE
        .experts()
        .hidden(x, form, offsets, wanted[0], form.gated() ? wanted[1] : null, wanted[2]);
    for (int i = 0; i < 3; i++) {
      if (i == 1 && !form.gated()) continue;
      assertThat(CudaGroupedTest.apart(found[i], wanted[i])).isLessThan(tolerance);
    }
    // The arguments of the activation need not be kept.
    Strided only = make.unwritten(ROWS, 70);
    cuda(precision).experts().hidden(x, form, offsets, only, form.gated() ? found[1] : null, only);
    assertThat(Matrices.values(only)).isEqualTo(Matrices.values(found[2]));
  }

  @ParameterizedTest
  @EnumSource(
      value = UnaryKind.class,
      names = {"RELU", "SILU", "GELU", "GELU_TANH", "QUICK_GELU"})
  void hiddenGradientOfEveryForm(UnaryKind activation) {
    Strided offsets = make.longs(OFFSETS);
    for (boolean gated : new boolean[] {false, true}) {
      for (boolean weighted : new boolean[] {false, true}) {
        for (boolean biased : new boolean[] {false, true}) {
          for (long n : new long[] {1, 31, 300}) {
            gradient(activation, gated, weighted, biased && weighted, n, offsets);
          }
        }
      }
    }
  }

  private void gradient(
      UnaryKind activation,
      boolean gated,
      boolean weighted,
      boolean biased,
      long n,
      Strided offsets) {
    long[] turned = new long[ROWS];
    for (int r = 0; r < ROWS; r++) turned[r] = (r * 7L + 3) % ROWS;
    Strided slot = weighted ? make.longs(turned) : null;
    Strided weights = weighted ? make.random(ROWS) : null;
    Strided downBias = biased ? make.random(GROUPS, 21) : null;
    Rows grad = new Rows(make.random(9, 21), make.ids(9, ROWS));
    Strided zGate = make.random(ROWS, n);
    Strided zUp = gated ? make.random(ROWS, n) : null;
    Strided u = make.random(ROWS, n);
    Strided[][] results = new Strided[2][];
    for (int side = 0; side < 2; side++) {
      Strided ours = make.copy(u);
      Strided dzGate = make.unwritten(ROWS, n);
      Strided dzUp = gated ? make.unwritten(ROWS, n) : null;
      Strided dWeights = weighted ? make.unwritten(ROWS) : null;
      (side == 0 ? cuda : ORACLE)
          .experts()
          .hiddenGradient(
              activation,
              slot,
              weights,
              offsets,
              grad,
              downBias,
              zGate,
              zUp,
              ours,
              dzGate,
              dzUp,
              dWeights);
      results[side] = new Strided[] {ours, dzGate, dzUp, dWeights};
    }
    for (int i = 0; i < 4; i++) {
      if (results[0][i] == null) continue;
      assertThat(CudaGroupedTest.apart(results[0][i], results[1][i]))
          .as("result %d of %s, n = %d", i, activation, n)
          .isLessThan(CudaTolerances.GROUPED_F32);
    }
    // Where there are no weights, gradients may replace what they are made from.
    if (weighted || activation != UnaryKind.SILU) return;
    Strided inGate = make.copy(zGate);
    Strided inUp = gated ? make.copy(zUp) : null;
    cuda.experts()
        .hiddenGradient(
            activation,
            null,
            null,
            offsets,
            grad,
            null,
            inGate,
            inUp,
            make.copy(u),
            inGate,
            inUp,
            null);
    assertThat(Matrices.values(inGate)).isEqualTo(Matrices.values(results[0][1]));
  }

  /** Chains of fused multiply-adds in the order of rows: the bits of the scalar back end. */
  @Test
  void combineHasTheBitsOfTheScalarBackEnd() {
    // Tokens with three, no, one and two rows.
    Strided start = make.longs(0, 3, 3, 4, 6);
    Strided rows = make.longs(0, 2, 5, 1, 3, 4);
    Strided slot = make.longs(5, 0, 3, 1, 4, 2);
    Strided weights = make.random(6);
    for (long d : new long[] {1, 130, 300}) {
      Strided o = make.random(6, d);
      for (Strided weight : new Strided[] {weights, null}) {
        Strided whole = make.unwritten(4, d);
        Strided wanted = make.unwritten(4, d);
        cuda.experts().combine(o, 0, weight, slot, start, rows, whole);
        ORACLE.experts().combine(o, 0, weight, slot, start, rows, wanted);
        assertThat(Matrices.values(whole)).isEqualTo(Matrices.values(wanted));
        // In two calls, the first of which has rows 0 to 3.
        Strided parts = make.unwritten(4, d);
        Strided first = o.with(o.layout().slice(0, 0, 3));
        Strided last = o.with(o.layout().slice(0, 3, 6));
        cuda.experts().combine(first, 0, weight, slot, start, rows, parts);
        cuda.experts().combine(last, 3, weight, slot, start, rows, parts);
        assertThat(Matrices.values(parts)).isEqualTo(Matrices.values(wanted));
      }
    }
  }

  @Test
  void noRowsAreNoWork() {
    Strided none = make.longs(0, 0, 0);
    Strided w = make.random(2, 5, 3);
    Hidden form = new Hidden(w, null, w, null, UnaryKind.SILU);
    Strided empty = make.unwritten(0, 5);
    cuda.experts().hidden(Rows.of(make.random(0, 3)), form, none, empty, empty, empty);
    Strided y = make.unwritten(2, 5);
    Strided index = make.longs();
    cuda.experts().combine(make.random(0, 5), 0, null, index, none, index, y);
    assertThat(Matrices.values(y)).containsOnly(0f);
  }

  @Test
  void infiniteArgumentsHaveLimits() {
    Strided z = make.filled(Double.NEGATIVE_INFINITY, 1, 4);
    Host.setFloat(z.address() + 4, Float.POSITIVE_INFINITY);
    Host.setFloat(z.address() + 8, 0);
    for (UnaryKind kind :
        new UnaryKind[] {UnaryKind.RELU, UnaryKind.SILU, UnaryKind.GELU, UnaryKind.GELU_TANH}) {
      Strided[] dz = {make.unwritten(1, 4), make.unwritten(1, 4)};
      Strided[] u = {make.filled(1, 1, 4), make.filled(1, 1, 4)};
      for (int side = 0; side < 2; side++) {
        (side == 0 ? cuda : ORACLE)
            .experts()
            .hiddenGradient(
                kind,
                null,
                null,
                make.longs(0, 1),
                Rows.of(make.random(1, 3)),
                null,
                z,
                null,
                u[side],
                dz[side],
                null,
                null);
      }
      assertThat(Matrices.values(u[0])).as(kind.name()).isEqualTo(Matrices.values(u[1]));
      assertThat(Matrices.values(dz[0])).as(kind.name()).isEqualTo(Matrices.values(dz[1]));
    }
  }

  @Test
  void otherActivationsAreRefused() {
    Strided w = make.random(1, 5, 3);
    Strided out = make.unwritten(2, 5);
    assertThatThrownBy(() ->
            cuda.experts()
                .hidden(
                    Rows.of(make.random(2, 3)),
                    new Hidden(w, null, null, null, UnaryKind.SIN),
                    make.longs(0, 2),
                    out,
                    null,
                    out))
        .hasMessageContaining("activation SIN")
        .hasMessageContaining("GELU_TANH");
  }
}
