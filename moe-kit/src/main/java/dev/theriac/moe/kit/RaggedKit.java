package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.ExpertKernels.Hidden;
import dev.theriac.backend.GroupedKernels;
import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.backend.UnaryKind;
import dev.theriac.moe.kit.MixtureCase.Form;
import dev.theriac.op.FeedForwardWeights;
import dev.theriac.op.Grouped;
import dev.theriac.op.RowGroups;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Groups of every size, none included: output and all gradients against the oracle. */
public interface RaggedKit extends KitBackends {
  private void check(MixtureCase c) {
    everywhere(_ -> {
      MixtureCase.Run run = c.run();
      c.check(run);
      return run.all();
    });
  }

  @Test
  @DisplayName("R01 experts without tokens at the beginning, in the middle and at the end")
  default void emptyExpertsAnywhere() {
    check(MixtureCase.ofCounts(Form.swiglu(5, 3, 6), 162, 0, 2577, 446, 0, 83));
    for (UnaryKind activation :
        List.of(UnaryKind.GELU, UnaryKind.GELU_TANH, UnaryKind.SILU, UnaryKind.RELU)) {
      for (boolean gated : new boolean[] {false, true}) {
        for (boolean biased : new boolean[] {false, true}) {
          Form form = new Form(17, 9, 5, activation, gated, biased);
          check(MixtureCase.ofCounts(form, 0, 4, 0, 19, 0));
        }
      }
    }
  }

  @Test
  @DisplayName("R02 offsets 0, 8, 16, 16, 32")
  default void evenOffsetsWithOneEmptyGroup() {
    MixtureCase c = MixtureCase.ofCounts(Form.swiglu(16, 8, 4), 8, 8, 0, 16);
    everywhere(_ -> {
      Tensor offsets = RowGroups.of(c.idTensor(), 4).offsets();
      assertThat(offsets.toLongs()).containsExactly(0, 8, 16, 16, 32);
      return List.of(offsets);
    });
    check(c);
  }

  @Test
  @DisplayName("R03 no token at all")
  default void noTokens() {
    check(MixtureCase.ofCounts(Form.swiglu(7, 5, 3), 0, 0, 0));
    check(MixtureCase.ofCounts(Form.plain(7, 5, 3), 0, 0, 0));
  }

  @Test
  @DisplayName("R04 one token")
  default void oneToken() {
    check(MixtureCase.random(Form.swiglu(33, 17, 4), 1, 1));
    check(MixtureCase.random(Form.plain(33, 17, 4), 1, 3));
  }

  @Test
  @DisplayName("R05 every token to one expert")
  default void allToOneExpert() {
    check(MixtureCase.ofCounts(Form.swiglu(19, 11, 4), 0, 0, 150, 0));
  }

  @Test
  @DisplayName("R06 a single expert")
  default void oneExpert() {
    check(MixtureCase.ofCounts(Form.plain(19, 11, 1), 37));
  }

  @Test
  @DisplayName("R07 every expert for every token, k = E")
  default void everyExpert() {
    check(MixtureCase.random(Form.swiglu(13, 7, 5), 23, 5));
  }

  @Test
  @DisplayName("R08 3, 33, 384 and 513 experts")
  default void oddNumbersOfExperts() {
    for (int experts : new int[] {3, 33, 384, 513}) {
      check(MixtureCase.random(Form.swiglu(5, 3, experts), 70, 2));
    }
  }

  @Test
  @DisplayName("R09 widths 1, 3, 7, 15, 17, 100, 127, 129, 600 and 2880, as d and as n")
  default void oddWidths() {
    int[] widths = {1, 3, 7, 15, 17, 100, 127, 129, 600, 2880};
    for (int i = 0; i < widths.length; i++) {
      int n = widths[(i + 4) % widths.length];
      check(MixtureCase.random(Form.swiglu(widths[i], n, 2), 5, 1));
      if (n < 600) check(MixtureCase.random(Form.plain(widths[i], n, 2), 9, 2));
    }
  }

  @Test
  @DisplayName("R10 counts 0, 1, 2, 0, 3, 0")
  default void tinyCounts() {
    check(MixtureCase.ofCounts(Form.swiglu(24, 10, 6), 0, 1, 2, 0, 3, 0));
  }

  @Test
  @DisplayName("R11 a published list of 8048 rows over 32 experts, 7 of them empty")
  default void publishedRaggedList() {
    int[] counts = {
      4, 1026, 1799, 166, 694, 753, 0, 16, 0, 240, 1119, 19, 6, 0, 46, 659, 10, 0, 112, 808, 181, 0,
      28, 22, 90, 0, 176, 0, 37, 5, 10, 22
    };
    assertThat(Arrays.stream(counts).sum()).isEqualTo(8048);
    check(MixtureCase.ofCounts(Form.swiglu(6, 4, 32), counts));
  }

  @Test
  @DisplayName("R12 gradients of experts without tokens are stored zeros")
  default void emptyExpertsGetZeroGradients() {
    for (Form form : List.of(Form.swiglu(9, 6, 4), Form.plain(9, 6, 4))) {
      MixtureCase c = MixtureCase.ofCounts(form, 0, 5, 0, 11);
      everywhere(_ -> {
        MixtureCase.Run run = c.run();
        for (Tensor p : run.parameters()) {
          for (int e : new int[] {0, 2}) {
            assertThat(run.grad(p).select(0, e).toFloats())
                .as("gradient of expert %d in %s", e, p.layout())
                .containsOnly(0);
          }
          assertThat(run.grad(p).select(0, 3).toFloats()).doesNotContain(Float.NaN);
        }
        return run.all();
      });
    }
  }

  @Test
  @DisplayName("R13 kernels touch nothing beside the rows of their groups")
  default void memoryAroundTheRowsIsUntouched() {
    everywhere(backend -> {
      List<Tensor> results = new ArrayList<>();
      for (int[] size : new int[][] {{2, 6, 5, 7}, {17, 37, 19, 33}, {0, 16, 65, 31}}) {
        results.addAll(guarded(backend, size[0], size[1], size[2], size[3]));
      }
      return results;
    });
  }

  private static List<Tensor> guarded(Backend backend, int first, int rows, int n, int d) {
    GroupedKernels grouped = backend.grouped();
    Rows x = Rows.of(Tensor.of(MixtureCase.normal(new Rng(1), 1, rows * d), rows, d).strided());
    Strided w = Tensor.of(MixtureCase.normal(new Rng(2), 1, 2 * n * d), 2, n, d).strided();
    Strided offsets = Tensor.of(new long[] {0, first, rows}).strided();
    Guarded out = Guarded.of(rows, n);
    grouped.grouped(x, w, null, offsets, out.inner);
    out.check("grouped product");
    Rows grad = Rows.of(out.inner);
    Guarded dx = Guarded.of(rows, d);
    grouped.groupedInputGradient(grad, w, offsets, false, dx.inner);
    dx.check("input gradient");
    Guarded dw = Guarded.of(2, n, d);
    grouped.groupedWeightGradient(grad, x, offsets, false, dw.inner);
    dw.check("weight gradient");
    Guarded dbias = Guarded.of(2, n);
    grouped.groupedBiasGradient(grad, null, offsets, false, dbias.inner);
    dbias.check("bias gradient");
    Guarded zGate = Guarded.of(rows, n);
    Guarded zUp = Guarded.of(rows, n);
    Guarded a = Guarded.of(rows, n);
    Hidden hidden = new Hidden(w, null, w, null, UnaryKind.SILU);
    backend.experts().hidden(x, hidden, offsets, zGate.inner, zUp.inner, a.inner);
    zGate.check("argument of the activation");
    zUp.check("second product");
    a.check("activation");
    long[] all = new long[rows + 1];
    for (int r = 0; r <= rows; r++) all[r] = r;
    Strided start = Tensor.of(all).strided();
    Strided each = Tensor.of(Arrays.copyOf(all, rows)).strided();
    Guarded y = Guarded.of(rows, n);
    backend.experts().combine(out.inner, 0, null, each, start, each, y.inner);
    y.check("weighted sum");
    return Stream.of(out, dx, dw, dbias, zGate, zUp, a, y).map(g -> Tensor.wrap(g.inner)).toList();
  }

  @Test
  @DisplayName("R14 used memory is reused: a second and a third pass find no old values in it")
  default void passesLeaveNoPoison() {
    assertThat(System.getProperty("theriac.memory.poison"))
        .as("run the kit with -Dtheriac.memory.poison=true, so that unwritten outputs show")
        .isEqualTo("true");
    MixtureCase c = MixtureCase.ofCounts(Form.plain(33, 17, 5), 7, 0, 4, 1, 0);
    everywhere(_ -> {
      MixtureCase.Run first = c.run();
      List<float[]> wanted = first.floats();
      for (int pass = 2; pass <= 3; pass++) {
        MixtureCase.Run again = c.run();
        c.check(again);
        Bits.check("pass " + pass, wanted, again.floats());
        again.y().close();
        again.store().close();
      }
      assertThatThrownBy(() -> first.y().backward(Tensor.ones(12, 33)))
          .as("a graph is walked once")
          .isInstanceOf(IllegalStateException.class);
      return first.all();
    });
  }

  @Test
  @DisplayName("R15 an expert twice in one token is refused")
  default void repeatedIds() {
    everywhere(_ -> {
      Tensor ids = Tensor.of(new long[] {0, 1, 2, 2, 1, 0}, 3, 2);
      assertThatThrownBy(() -> RowGroups.of(ids, 3))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("token 1");
      return List.of();
    });
  }

  @Test
  @DisplayName("R16 id -1 is a dropped choice, any other id out of range is refused")
  default void idsOutOfRange() {
    check(new MixtureCase(Form.swiglu(5, 3, 3), 2, new long[] {0, -1, -1, 2, -1, -1, 1, 0}, 1));
    everywhere(_ -> {
      for (long wrong : new long[] {3, -2, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 32}) {
        Tensor ids = Tensor.of(new long[] {0, 1, wrong}, 3, 1);
        assertThatThrownBy(() -> RowGroups.of(ids, 3))
            .as("id %d", wrong)
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("token 2");
      }
      return List.of();
    });
  }

  @Test
  @DisplayName("R17 offsets that fall, or do not end at the rows, are refused")
  default void malformedOffsets() {
    long[][] wrong = {{0, 3, 2, 4}, {0, 1, 2, 3}, {0, 1, 2, 5}, {1, 2, 3, 4}, {0, -1, 2, 4}};
    everywhere((Backend _) -> {
      RowGroups good = RowGroups.of(Tensor.of(new long[] {0, 1, 2, 2}, 4, 1), 3);
      for (long[] offsets : wrong) {
        assertThatThrownBy(() ->
                new RowGroups(
                    4,
                    Tensor.of(offsets),
                    good.rowToken(),
                    good.rowSlot(),
                    good.tokenStart(),
                    good.tokenRow()))
            .as("offsets %s", Arrays.toString(offsets))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("offsets");
        assertThatThrownBy(() ->
                Grouped.linear(Tensor.zeros(4, 2), Tensor.zeros(3, 2, 2), null, Tensor.of(offsets)))
            .as("offsets %s", Arrays.toString(offsets))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("offset");
      }
      FeedForwardWeights two = MixtureCase.ofCounts(Form.swiglu(5, 3, 2), 2, 2).feedForward();
      assertThatThrownBy(() ->
              Grouped.feedForward(Tensor.zeros(4, 5), Tensor.ones(4, 1), good, two, UnaryKind.SILU))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("3")
          .hasMessageContaining("2");
      return List.of();
    });
  }

  /** A tensor in the middle of a larger one filled with a number that no kernel may change. */
  record Guarded(Tensor outer, Strided inner, long before) {
    private static final float GUARD = 1234.5f;

    static Guarded of(long... shape) {
      long size = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
      Tensor outer = Tensor.full(GUARD, DType.F32, size + 64);
      Layout whole = Layout.contiguous(shape);
      Layout moved = Layout.strided(shape, whole.strides(), 32);
      Strided inner = outer.strided().with(moved);
      for (long i = 0; i < size; i++) Host.setFloat(inner.address() + 4 * i, Float.NaN);
      return new Guarded(outer, inner, 32);
    }

    void check(String what) {
      float[] all = outer.toFloats();
      for (int i = 0; i < all.length; i++) {
        boolean outside = i < before || i >= all.length - before;
        if (outside && all[i] != GUARD) {
          throw new AssertionError(
              "%s wrote %s at element %d beside its output".formatted(what, all[i], i - before));
        }
        if (!outside && Float.isNaN(all[i])) {
          throw new AssertionError("%s left element %d unwritten".formatted(what, i - before));
        }
      }
    }
  }
}
