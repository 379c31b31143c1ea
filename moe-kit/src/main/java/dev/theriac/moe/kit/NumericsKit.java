package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.UnaryKind;
import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.op.Autograd;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Grouped;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Rounding, ends of rows, large sizes, and whether the tolerances see a broken kernel. */
public interface NumericsKit extends KitBackends {
  @Test
  @DisplayName(
      "N01 a BF16 result is rounded once, half a unit in the last place; BF16 weights never")
  default void halfResultsAreRoundedOnce() {
    Form form = Form.swiglu(64, 24, 9);
    MixtureCase f32 = MixtureCase.random(form, 40, 8);
    everywhere(_ -> {
      // Inputs that BF16 holds exactly, so that the oracle sees the same.
      Tensor x = f32.xTensor().to(DType.BF16);
      MixtureCase c = f32.withX(x.toFloats());
      RowGroups groups = RowGroups.of(c.idTensor(), form.experts());
      Tensor y =
          Autograd.noGrad(() ->
              Grouped.feedForward(x, c.weightTensor(), groups, c.feedForward(), form.activation()));
      assertThat(y.dtype()).isEqualTo(DType.BF16);
      double[] exact = c.wantedOutput();
      double[] got = Values.of(y);
      double rms = Math.sqrt(Arrays.stream(exact).map(v -> v * v).average().orElse(0));
      for (int i = 0; i < exact.length; i++) {
        double halfUlp = Math.scalb(1.0, Math.getExponent(exact[i]) - 8);
        double allowed = halfUlp + Tolerance.F32.row() * rms;
        assertThat(Math.abs(got[i] - exact[i]))
            .as("element %d: %s, exactly %s", i, got[i], exact[i])
            .isLessThanOrEqualTo(allowed);
      }
      return List.of(y);
    });
    for (DType half : List.of(DType.BF16, DType.F16)) {
      for (Form each : List.of(form, Form.plain(33, 17, 5))) {
        MixtureCase c = MixtureCase.random(each, 40, 3).withWeightsIn(half);
        everywhere(_ -> {
          MixtureCase.Run run = c.run();
          c.check(run);
          return run.all();
        });
      }
    }
  }

  @Test
  @DisplayName("N02 the end of a row is computed as its middle: equal inputs, equal bits")
  default void tailsAgreeWithBodies() {
    everywhere(_ -> {
      for (int size = 1; size <= 35; size++) {
        equalColumns(size, 3);
        equalColumns(3, size);
        for (float value : SPECIAL) specialValues(value, size);
      }
      return List.of();
    });
  }

  /** Values at which bodies and ends of loops like to differ. */
  float[] SPECIAL = {
    0f,
    -0f,
    Float.NaN,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    Float.MIN_VALUE,
    -88f,
    1e30f
  };

  private static void equalColumns(int d, int n) {
    float[] x = MixtureCase.normal(new Rng(d), 1, d);
    float[] row = MixtureCase.normal(new Rng(n), 1, Math.max(d, n));
    float[] gate = new float[n * d];
    float[] down = new float[d * n];
    for (int i = 0; i < n; i++) System.arraycopy(row, 0, gate, i * d, d);
    for (int i = 0; i < d; i++) System.arraycopy(row, 0, down, i * n, n);
    FeedForwardWeights w =
        new FeedForwardWeights(
            Tensor.of(gate, 1, n, d), null, null, null, Tensor.of(down, 1, d, n), null);
    RowGroups groups = RowGroups.of(Tensor.of(new long[1], 1, 1), 1);
    float[] y =
        Grouped.feedForward(Tensor.of(x, 1, d), Tensor.ones(1, 1), groups, w, UnaryKind.SILU)
            .toFloats();
    for (float v : y) Bits.check("d = %d, n = %d".formatted(d, n), new float[] {y[0]}, one(v));
  }

  private static void specialValues(float value, int size) {
    float[] values = new float[size];
    Arrays.fill(values, value);
    for (UnaryKind kind :
        List.of(UnaryKind.GELU, UnaryKind.GELU_TANH, UnaryKind.SILU, UnaryKind.RELU)) {
      float alone = Tensor.of(one(value)).apply(kind).item();
      for (float v : Tensor.of(values).apply(kind).toFloats()) {
        Bits.check("%s of %s in a row of %d".formatted(kind, value, size), one(alone), one(v));
      }
    }
  }

  private static float[] one(float v) {
    return new float[] {v};
  }

  @Test
  @DisplayName("N03 elements beyond 2^31, in strided tensors over a file of holes")
  default void offsetsBeyond32Bits() {
    int d = 1024;
    int n = 1024;
    int experts = 2100;
    assertThat((experts - 1L) * n * d).isGreaterThan(1L << 31);
    Layout weights = Layout.contiguous(experts, n, d);
    assertThat(weights.slice(0, experts - 1, experts).offset()).isEqualTo((experts - 1L) * n * d);
    MixtureCase c = new MixtureCase(Form.plainWithoutBias(d, n, 2), 1, new long[] {0, 1}, 1);
    long[] ids = {0, experts - 1};
    try (Holes holes = Holes.ofFloats(3L * weights.size())) {
      everywhere(_ -> {
        FeedForwardWeights two = c.feedForward();
        Tensor gate = holes.tensor(weights);
        Tensor down =
            holes.tensor(Layout.strided(weights.shape(), weights.strides(), weights.size()));
        for (int e = 0; e < 2; e++) {
          holes.write(gate.select(0, ids[e]), two.gate().select(0, e).toFloats());
          holes.write(down.select(0, ids[e]), two.down().select(0, e).toFloats());
        }
        // Two rows of x, more than 2^31 elements apart, the first beyond both weights.
        long apart = (1L << 31) + 77;
        Tensor x =
            holes.tensor(
                Layout.strided(new long[] {2, d}, new long[] {apart, 1}, 2 * weights.size() + 5));
        for (int t = 0; t < 2; t++) {
          holes.write(x.select(0, t), Arrays.copyOfRange(c.x, t * d, (t + 1) * d));
        }
        RowGroups groups = RowGroups.of(Tensor.of(ids, 2, 1), experts);
        FeedForwardWeights w = new FeedForwardWeights(gate, null, null, null, down, null);
        Tensor y = Grouped.feedForward(x, c.weightTensor(), groups, w, c.form.activation());
        Tolerance.F32.compare("output", c.wantedOutput(), Values.of(y), d).check();
        return List.of(y);
      });
    }
  }

  @Test
  @DisplayName("N04 70,001 tokens")
  default void manyTokens() {
    MixtureCase c = MixtureCase.random(Form.swiglu(3, 2, 4), 70_001, 2);
    everywhere(_ -> {
      MixtureCase.Run run = c.run();
      c.check(run);
      return run.all();
    });
  }

  @Test
  @DisplayName("N05 a kernel that swaps gate and up, or does worse, is out of tolerance")
  default void brokenKernelsAreSeen() {
    for (double scale : new double[] {0.02, 1, 50}) {
      MixtureCase drawn = MixtureCase.random(Form.swiglu(32, 16, 4), 50, 2);
      MixtureCase c = new MixtureCase(drawn.form, 2, drawn.ids, scale);
      everywhere(_ -> {
        FeedForwardWeights w = c.feedForward();
        FeedForwardWeights swapped =
            new FeedForwardWeights(w.up(), null, w.gate(), null, w.down(), null);
        assertThat(judge(c, w, c.form.activation()).within()).isTrue();
        Comparison gateAndUp = judge(c, swapped, c.form.activation());
        assertThat(gateAndUp.within()).as("scale %s: %s", scale, gateAndUp).isFalse();
        Comparison other = judge(c, w, UnaryKind.GELU);
        assertThat(other.within()).as("scale %s: %s", scale, other).isFalse();
        Comparison nothing =
            Tolerance.F32.compare(
                "zeros", c.wantedOutput(), new double[c.wantedOutput().length], 32);
        assertThat(nothing.within()).as("scale %s: %s", scale, nothing).isFalse();
        double[] oneRow = c.wantedOutput().clone();
        for (int i = 0; i < 32; i++) oneRow[7 * 32 + i] *= 1.001;
        Comparison row = Tolerance.F32.compare("one row", c.wantedOutput(), oneRow, 32);
        assertThat(row.within()).as("scale %s: %s", scale, row).isFalse();
        return List.of();
      });
    }
  }

  private static Comparison judge(MixtureCase c, FeedForwardWeights w, UnaryKind activation) {
    RowGroups groups = RowGroups.of(c.idTensor(), c.form.experts());
    Tensor y =
        Autograd.noGrad(
            () -> Grouped.feedForward(c.xTensor(), c.weightTensor(), groups, w, activation));
    return Tolerance.F32.compare("output", c.wantedOutput(), Values.of(y), c.form.dim());
  }
}
