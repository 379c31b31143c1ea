package dev.theriac.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.op.TensorScope;
import dev.theriac.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(TensorScope.class)
class TokenMaskTest {
  @Test
  void lengthsFillRowsAtTheirEnd() {
    TokenMask mask = TokenMask.ofLengths(Tensor.of(new long[] {2, 0, 3}, 3), 3);
    assertThat(mask.positions()).containsExactly(0, 1, 6, 7, 8);
    assertThat(mask.count()).isEqualTo(5);
    assertThat(mask.size()).isEqualTo(9);
    assertThat(mask.isAll()).isFalse();
    assertThat(mask.isValid(1)).isTrue();
    assertThat(mask.isValid(2)).isFalse();
    boolean[] same = {true, true, false, false, false, false, true, true, true};
    assertThat(mask).isEqualTo(TokenMask.of(same, 3, 3)).hasSameHashCodeAs(mask);
    assertThat(mask)
        .isNotEqualTo(TokenMask.of(same, 1, 9))
        .hasToString("TokenMask[3 x 3, 5 tokens]");
  }

  @Test
  void allAndNothing() {
    assertThat(TokenMask.all(2, 3).isAll()).isTrue();
    assertThat(TokenMask.all(2, 3).positions()).containsExactly(0, 1, 2, 3, 4, 5);
    assertThat(TokenMask.all(0, 3).count()).isZero();
    assertThat(TokenMask.all(0, 3).isAll()).isTrue();
  }

  @Test
  void refusesWhatDoesNotFit() {
    assertThatThrownBy(() -> TokenMask.ofLengths(Tensor.of(new long[] {2, 4}, 2), 3))
        .hasMessageContaining("row 1 has length 4")
        .hasMessageContaining("3 positions");
    assertThatThrownBy(() -> TokenMask.ofLengths(Tensor.of(new long[] {1, 1}, 2, 1), 3))
        .hasMessageContaining("[2, 1]");
    assertThatThrownBy(() -> TokenMask.of(new boolean[5], 2, 3)).hasMessageContaining("5 values");
    assertThatThrownBy(() -> TokenMask.all(1 << 20, 1 << 20)).isInstanceOf(RuntimeException.class);
    // Products that overflow to 0, to a small number, to a negative one
    for (long[] size :
        new long[][] {{1L << 32, 1L << 32}, {3, -6148914691236517205L}, {1L << 62, 2}}) {
      assertThatThrownBy(() -> TokenMask.all(size[0], size[1]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("up to 2^31-1 positions");
      assertThatThrownBy(() -> TokenMask.of(new boolean[0], size[0], size[1]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("up to 2^31-1 positions");
    }
    Tensor four = Tensor.of(new long[4], 4);
    assertThatThrownBy(() -> TokenMask.ofLengths(four, 1L << 62))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("up to 2^31-1 positions");
    assertThatThrownBy(() -> TokenMask.all(1, 2).isValid(2)).hasMessageContaining("position 2");
  }
}
