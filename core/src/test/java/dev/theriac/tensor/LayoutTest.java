package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LayoutTest {
  /** Storage positions in row-major order. */
  private static List<Long> positions(Layout l) {
    List<Long> out = new ArrayList<>();
    for (long i = 0; i < l.size(); i++) {
      long rest = i;
      long at = l.offset();
      for (int d = l.rank() - 1; d >= 0; d--) {
        at += rest % l.size(d) * l.stride(d);
        rest /= l.size(d);
      }
      out.add(at);
    }
    return out;
  }

  /** Views of views, among them all that reshape has to tell apart. */
  private static List<Layout> views() {
    List<Layout> all = new ArrayList<>();
    for (long[] shape :
        new long[][] {{}, {1}, {0}, {12}, {3, 4}, {2, 3, 4}, {2, 1, 6}, {1, 12, 1}, {2, 3, 2, 2}}) {
      Layout l = Layout.contiguous(shape);
      all.add(l);
      int rank = l.rank();
      if (rank >= 2) {
        int[] swap = new int[rank];
        for (int i = 0; i < rank; i++) swap[i] = rank - 1 - i;
        all.add(l.permute(swap));
        all.add(l.slice(0, 1, l.size(0)));
        all.add(l.slice(-1, 0, (l.size(-1) + 1) / 2));
        all.add(l.slice(1, 0, 1));
        all.add(l.permute(swap).slice(0, 0, 1));
      }
      long[] wide = new long[rank + 1];
      wide[0] = 3;
      System.arraycopy(shape, 0, wide, 1, rank);
      all.add(l.expand(wide));
    }
    return all;
  }

  private static List<long[]> shapesOf(long size) {
    List<long[]> out = new ArrayList<>();
    out.add(new long[] {size});
    for (long a = 1; a <= size; a++) {
      if (size % a != 0) continue;
      out.add(new long[] {a, size / a});
      out.add(new long[] {1, a, 1, size / a, 1});
      for (long b = 1; b <= size / a; b++) {
        if (size / a % b == 0) out.add(new long[] {a, b, size / a / b});
      }
    }
    return out;
  }

  @Test
  void reshapeIsAViewExactlyWhenStridesAllowIt() {
    int views = 0;
    int copies = 0;
    for (Layout l : views()) {
      for (long[] shape : shapesOf(l.size())) {
        Layout r = l.reshape(shape);
        if (r == null) {
          copies++;
          assertThat(expressible(positions(l), shape)).as("%s to %s", l, List.of(shape)).isFalse();
        } else {
          views++;
          assertThat(r.shape()).isEqualTo(shape);
          assertThat(positions(r)).isEqualTo(positions(l));
        }
      }
    }
    assertThat(views).isGreaterThan(100);
    assertThat(copies).isGreaterThan(50);
  }

  /**
   * Whether some strides give these positions in this shape: each stride is seen at its first step.
   */
  private static boolean expressible(List<Long> positions, long[] shape) {
    if (positions.isEmpty()) return true;
    long[] strides = new long[shape.length];
    long step = 1;
    for (int d = shape.length - 1; d >= 0; d--) {
      strides[d] = shape[d] > 1 ? positions.get((int) step) - positions.getFirst() : 0;
      step *= shape[d];
    }
    Layout guess = Layout.strided(shape, strides, positions.getFirst());
    return positions(guess).equals(positions);
  }

  @Test
  void contiguousIsWhatRowMajorPositionsSay() {
    for (Layout l : views()) {
      List<Long> at = positions(l);
      boolean want = true;
      for (int i = 0; i < at.size(); i++) want &= at.get(i) == at.getFirst() + i;
      assertThat(l.isContiguous()).as("%s", l).isEqualTo(want);
      long highest = at.stream().mapToLong(p -> p - l.offset()).max().orElse(-1);
      assertThat(l.span()).isEqualTo(highest + 1);
    }
  }

  @Test
  void permuteSliceAndExpandMoveWhatTheySay() {
    Layout l = Layout.contiguous(2, 3, 4);
    assertThat(positions(l.permute(2, 0, 1).slice(0, 1, 2)))
        .containsExactly(1L, 5L, 9L, 13L, 17L, 21L);
    assertThat(positions(l.slice(1, 2, 3).slice(2, 3, 4).expand(2, 2, 1)))
        .containsExactly(11L, 11L, 23L, 23L);
  }

  @Test
  void offsetsAre64Bit() {
    Layout l = Layout.contiguous(1L << 20, 1L << 21);
    assertThat(l.size()).isEqualTo(1L << 41);
    assertThat(l.slice(0, (1L << 20) - 1, 1L << 20).offset()).isEqualTo((1L << 41) - (1L << 21));
    assertThat(l.span()).isEqualTo(1L << 41);
    assertThatThrownBy(() -> Layout.contiguous(1L << 40, 1L << 40))
        .hasMessageContaining("[1099511627776, 1099511627776]");
  }

  @Test
  void broadcastsByTheRulesOfNumPy() {
    Layout a = Layout.contiguous(5, 1, 3);
    assertThat(Layout.broadcastShape("add", a, Layout.contiguous(2, 1))).containsExactly(5, 2, 3);
    assertThat(Layout.broadcastShape("add", a, Layout.contiguous())).containsExactly(5, 1, 3);
    assertThat(Layout.broadcastShape("add", a, Layout.contiguous(0, 3))).containsExactly(5, 0, 3);
    assertThatThrownBy(() -> Layout.broadcastShape("add", a, Layout.contiguous(2, 4)))
        .hasMessageContaining("add")
        .hasMessageContaining("[5, 1, 3]")
        .hasMessageContaining("[2, 4]")
        .hasMessageContaining("3 against 4");
  }

  @Test
  void refusesWhatDoesNotFit() {
    Layout l = Layout.contiguous(2, 3);
    assertThatThrownBy(() -> l.reshape(5)).hasMessageContaining("[2, 3] has 6 elements, [5] has 5");
    assertThatThrownBy(() -> l.permute(0, 2)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> l.axis(-3)).hasMessageContaining("dimension -3 of shape [2, 3]");
    assertThatThrownBy(() -> l.slice(0, -1, 1)).hasMessageContaining("slice [-1, 1)");
    assertThatThrownBy(() -> l.slice(0, 2, 1)).hasMessageContaining("slice [2, 1)");
    assertThatThrownBy(() -> l.expand(3)).hasMessageContaining("[2, 3] does not broadcast to [3]");
    assertThatThrownBy(() -> Layout.contiguous(2, -1)).hasMessageContaining("negative size");
    assertThatThrownBy(() -> Layout.strided(new long[] {1}, new long[0], 0))
        .hasMessageContaining("do not fit together");
    assertThatThrownBy(() -> Layout.strided(new long[] {1}, new long[] {1}, -1))
        .hasMessageContaining("offset -1");
  }
}
