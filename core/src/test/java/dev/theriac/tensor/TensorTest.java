package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.op.Index;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TensorTest {
  @Test
  void holdsValuesInRowMajorOrder() {
    try (Scope _ = Scope.open()) {
      Tensor t = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
      assertThat(t.shape()).containsExactly(2, 3);
      assertThat(t.size(-1)).isEqualTo(3);
      assertThat(t.get(1, 0)).isEqualTo(4);
      assertThat(t.transpose(0, 1).toFloats()).containsExactly(1, 4, 2, 5, 3, 6);
      assertThat(Tensor.of(new long[] {7, -8}).toLongs()).containsExactly(7, -8);
      assertThat(Tensor.scalar(2.5f).item()).isEqualTo(2.5f);
      assertThat(Tensor.scalar(2.5f).rank()).isZero();
      assertThat(Tensor.zeros(0, 3).toFloats()).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyTypeHoldsItsValues(DType dtype) {
    try (Scope _ = Scope.open()) {
      Tensor t = Tensor.full(1, dtype, 3);
      assertThat(t.storage().byteSize()).isGreaterThanOrEqualTo(3L * dtype.bytes());
      assertThat(t.get(2)).isEqualTo(1);
      assertThat(t.toString()).startsWith(dtype + "[3] {1.0");
      if (dtype == DType.U8) assertThat(Tensor.full(200, dtype).get()).isEqualTo(200);
      if (dtype == DType.I8) assertThat(Tensor.full(-100, dtype).get()).isEqualTo(-100);
      if (dtype == DType.I64) {
        assertThat(Tensor.of(new long[] {Long.MAX_VALUE}).toLongs()[0]).isEqualTo(Long.MAX_VALUE);
      }
    }
  }

  @Test
  void promotionFollowsItsTable() {
    assertThat(DType.promote(DType.I64, DType.BF16)).isEqualTo(DType.BF16);
    assertThat(DType.promote(DType.F16, DType.BF16)).isEqualTo(DType.F32);
    assertThat(DType.promote(DType.U8, DType.I8)).isEqualTo(DType.I32);
    assertThat(DType.promote(DType.I32, DType.I64)).isEqualTo(DType.I64);
    assertThat(DType.promote(DType.BOOL, DType.U8)).isEqualTo(DType.U8);
    for (DType a : DType.values()) {
      assertThat(DType.promote(a, a)).isEqualTo(a);
      for (DType b : DType.values()) {
        assertThat(DType.promote(a, b)).isEqualTo(DType.promote(b, a));
      }
    }
  }

  @Test
  void bfloat16RoundsToNearestEven() {
    for (int upper = 0; upper < 0x10000; upper++) {
      float exact = Float.intBitsToFloat(upper << 16);
      short bits = Halves.toBf16(exact);
      if (Float.isNaN(exact)) {
        assertThat(Halves.fromBf16(bits)).isNaN();
        continue;
      }
      assertThat(bits).isEqualTo((short) upper);
      if (Float.isInfinite(exact)) continue;
      int even = upper + (upper & 1);
      assertThat(Halves.toBf16(Float.intBitsToFloat(upper << 16 | 0x8000))).isEqualTo((short) even);
      assertThat(Halves.toBf16(Float.intBitsToFloat(upper << 16 | 0x8001)))
          .isEqualTo((short) (upper + 1));
      assertThat(Halves.toBf16(Float.intBitsToFloat(upper << 16 | 0x7fff)))
          .isEqualTo((short) upper);
    }
  }

  @Test
  void randomTensorsAreTheSameEverywhere() {
    try (Scope _ = Scope.open()) {
      float[] a = Tensor.randn(new Rng(3), 2, 3, 4).toFloats();
      assertThat(Tensor.randn(new Rng(3), 2, 12).toFloats()).isEqualTo(a);
      assertThat(Tensor.randn(new Rng(4), 2, 12).toFloats()).isNotEqualTo(a);
      for (float f : Tensor.uniform(new Rng(1), -2, 5, 129).toFloats()) {
        assertThat(f).isBetween(-2f, 5f);
      }
    }
  }

  @Test
  void usesAfterCloseSayWhoMadeAndWhoFreedIt() {
    Tensor t = Tensor.zeros(3);
    Tensor view = t.reshape(1, 3);
    t.close();
    t.close();
    assertThatThrownBy(() -> view.add(1))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("full")
        .hasMessageContaining("freed by Tensor.close()");
    assertThat(view.toString()).isEqualTo("F32[1, 3] freed");
  }

  @Test
  void refusesWhatDoesNotFit() {
    try (Scope _ = Scope.open()) {
      Tensor t = Tensor.zeros(2, 3);
      assertThatThrownBy(() -> Tensor.of(new float[] {1, 2, 3}, 2, 2))
          .hasMessageContaining("3 values do not fill shape [2, 2]");
      assertThatThrownBy(() -> t.get(1)).hasMessageContaining("1 indices for shape [2, 3]");
      assertThatThrownBy(() -> t.get(1, 3))
          .hasMessageContaining("index 3 of dimension 1 of shape [2, 3]");
      assertThatThrownBy(t::item).hasMessageContaining("[2, 3] has 6 elements");
      assertThatThrownBy(() -> Tensor.of(new long[] {1}).requireGrad(true))
          .hasMessageContaining("I64 cannot carry a gradient");
      assertThatThrownBy(() -> Tensor.empty("test", DType.F32, 1L << 31, 1L << 31))
          .isInstanceOf(OutOfTensorMemoryException.class);
    }
  }

  /** A sparse file of 2^31 + 16 floats: only the pages touched here exist. */
  @Test
  void offsetsBeyondTwoToTheThirtyOne(@TempDir Path dir) throws Exception {
    long n = (1L << 31) + 16;
    Path file = dir.resolve("sparse");
    try (Arena arena = Arena.ofShared();
        FileChannel channel =
            FileChannel.open(
                file,
                StandardOpenOption.CREATE_NEW,
                StandardOpenOption.SPARSE,
                StandardOpenOption.READ,
                StandardOpenOption.WRITE);
        Scope _ = Scope.open()) {
      MemorySegment map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 4 * n, arena);
      for (long i = n - 16; i < n; i++) {
        map.set(ValueLayout.JAVA_FLOAT, 4 * i, i - n + 17);
      }
      CpuStorage storage = CpuStorage.wrap(map, "test");
      Tensor all = Tensor.wrap(new Strided(storage, DType.F32, Layout.contiguous(n)));
      Tensor tail = all.slice(0, n - 4, n);
      Tensor table = all.reshape(n / 16, 16);
      Tensor last = Tensor.of(new long[] {n / 16 - 1});
      List<Backend> backends = List.of(Backends.scalar(), Backends.cpu().backend());
      for (Backend backend : backends) {
        Backends.with(
            backend,
            () -> {
              assertThat(tail.toFloats()).containsExactly(13, 14, 15, 16);
              assertThat(tail.add(1).toFloats()).containsExactly(14, 15, 16, 17);
              assertThat(table.slice(0, n / 16 - 1, n / 16).sum(1, false).item()).isEqualTo(136);
              assertThat(table.select(1, 15).slice(0, n / 16 - 2, n / 16).toFloats())
                  .containsExactly(0, 16);
              assertThat(Index.gatherRows(table, last).get(0, 7)).isEqualTo(8);
              Tensor row = table.slice(0, n / 16 - 1, n / 16);
              assertThat(row.matmul(row.transpose(0, 1)).item()).isEqualTo(1496);
              return null;
            });
      }
      assertThat(all.get(n - 1)).isEqualTo(16);
    }
  }
}
