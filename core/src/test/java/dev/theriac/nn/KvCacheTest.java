package dev.theriac.nn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.op.Rope;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KvCacheTest {
  private static final int DIM = 24;

  private static SelfAttention attention(int kvHeads) {
    var config = new SelfAttention.Config(DIM, 3, kvHeads, 8, true, true, "dense", true, 4, 10_000);
    return new SelfAttention(config, new Rng(3), 0.3, 0.3);
  }

  private static Tensor positions(long from, int count) {
    long[] all = new long[count];
    Arrays.setAll(all, i -> from + i);
    return Tensor.of(all, 1, count);
  }

  /** Row by row without a cache is what a batch of rows of different lengths must give with one. */
  @ParameterizedTest
  @CsvSource({"1, 1", "1, 7", "5, 3", "17, 17"})
  void aPaddedBatchWithACacheGivesWhatEachRowGivesAlone(int first, int second) {
    int[] prompt = {first, second};
    int width = Math.max(first, second);
    int more = 3;
    for (int kvHeads : new int[] {1, 3}) {
      try (Scope _ = Scope.open();
          KvCache cache = new KvCache(1, 2, width + more, kvHeads, 8)) {
        SelfAttention attention = attention(kvHeads);
        Tensor x = Tensor.randn(new Rng(5), 1, 2, width + more, DIM);
        Tensor start = x.slice(1, 0, width);
        long[] at = new long[2 * width];
        Arrays.setAll(at, i -> i % width);
        Tensor out =
            attention.forward(
                start, Tensor.of(at, 2, width), Tensor.of(new long[] {first, second}), cache, 0);
        cache.advance(new long[] {first, second});
        for (int row = 0; row < 2; row++) compare(attention, x, prompt, row, 0, out);
        for (int step = 1; step <= more; step++) {
          long[] seen = cache.lengths();
          Tensor where = Tensor.of(seen.clone(), 2, 1);
          Tensor next = pick(x, seen);
          seen[0]++;
          seen[1]++;
          out = attention.forward(next, where, Tensor.of(seen), cache, 0);
          cache.advance(new long[] {1, 1});
          for (int row = 0; row < 2; row++) compare(attention, x, prompt, row, step, out);
        }
        assertThat(cache.lengths()).containsExactly(first + more, second + more);
      }
    }
  }

  @Test
  void growsAndKeepsWhatItHolds() {
    try (Scope _ = Scope.open();
        KvCache small = new KvCache(2, 2, 3, 1, 4);
        KvCache large = new KvCache(2, 2, 9, 1, 4)) {
      Tensor x = Tensor.randn(new Rng(1), 1, 2, 3, 1, 4);
      for (KvCache cache : new KvCache[] {small, large}) {
        for (int layer = 0; layer < 2; layer++) cache.append(layer, x, x.mul(2));
        cache.advance(new long[] {3, 2});
      }
      small.reserve(3);
      assertThat(small.capacity()).isEqualTo(3);
      small.reserve(4);
      assertThat(small.capacity()).isEqualTo(4);
      small.reserve(5);
      assertThat(small.capacity()).isEqualTo(6);
      Tensor next = Tensor.randn(new Rng(2), 1, 2, 1, 1, 4);
      for (int layer = 0; layer < 2; layer++) {
        KvCache.Pair got = small.append(layer, next, next.mul(3));
        KvCache.Pair wanted = large.append(layer, next, next.mul(3));
        assertThat(got.key().toFloats()).isEqualTo(wanted.key().toFloats());
        assertThat(got.value().toFloats()).isEqualTo(wanted.value().toFloats());
      }
    }
  }

  /** Keys rotated into the cache have the bits of keys rotated before. */
  @Test
  void rotatesOnTheWay() {
    try (Scope _ = Scope.open();
        KvCache direct = new KvCache(1, 2, 9, 3, 8);
        KvCache copied = new KvCache(1, 2, 9, 3, 8)) {
      for (int count : new int[] {5, 1, 1}) {
        Tensor key = Tensor.randn(new Rng(count), 1, 2, count, 3, 8);
        long from = direct.length();
        long[] at = new long[2 * count];
        Arrays.setAll(at, i -> from + i % count);
        Tensor positions = Tensor.of(at, 2, count);
        Tensor rotated = Rope.rope(key, positions, 6, 10_000);
        Tensor one = direct.append(0, key, key, positions, RopeFrequencies.of(6, 10_000)).key();
        Tensor other = copied.append(0, rotated, key).key();
        assertThat(one.contiguous().toFloats()).isEqualTo(other.contiguous().toFloats());
        direct.advance(new long[] {count, count});
        copied.advance(new long[] {count, count});
      }
    }
  }

  /** The vectors at these positions of the two rows. */
  private static Tensor pick(Tensor x, long[] at) {
    float[] out = new float[2 * DIM];
    for (int row = 0; row < 2; row++) {
      for (int i = 0; i < DIM; i++) out[row * DIM + i] = (float) x.get(row, at[row], i);
    }
    return Tensor.of(out, 2, 1, DIM);
  }

  private static void compare(
      SelfAttention attention, Tensor x, int[] prompt, int row, int step, Tensor out) {
    int length = prompt[row] + step;
    Tensor alone = x.slice(0, row, row + 1).slice(1, 0, length);
    Tensor wanted = attention.forward(alone, positions(0, length), null, null, 0);
    int at = step == 0 ? prompt[row] - 1 : 0;
    for (int i = 0; i < DIM; i++) {
      assertThat(out.get(row, at, i))
          .as("row %d, step %d, value %d", row, step, i)
          .isCloseTo(wanted.get(0, length - 1, i), within(1e-5));
    }
  }

  @Test
  void refusesWhatItCannotHold() {
    try (Scope _ = Scope.open();
        KvCache cache = new KvCache(1, 2, 4, 1, 8)) {
      Tensor five = Tensor.zeros(2, 5, 1, 8);
      assertThatThrownBy(() -> cache.append(0, five, five))
          .hasMessage("KV cache: 0 positions and 5 new ones exceed the capacity of 4");
      Tensor two = Tensor.zeros(2, 2, 1, 8);
      cache.append(0, two, two);
      cache.advance(new long[] {2, 1});
      assertThatThrownBy(() -> cache.append(0, two, two))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "KV cache: 2 new positions for rows of lengths [2, 1]; append to them one at a time");
      Tensor one = Tensor.zeros(2, 1, 1, 8);
      assertThat(cache.append(0, one, one).key().shape()).containsExactly(2, 3, 1, 8);
    }
  }
}
