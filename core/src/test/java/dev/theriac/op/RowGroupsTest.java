package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@ExtendWith(TensorScope.class)
class RowGroupsTest {
  @ParameterizedTest
  @CsvSource({"0,2,3", "1,1,1", "3,2,2", "17,3,5", "129,4,33", "20000,2,16", "5000,8,513"})
  void sortsStably(int tokens, int topK, int groups) {
    long[] ids = ids(tokens, topK, groups);
    List<long[]> rows = new ArrayList<>(); // token, slot
    long[] offsets = new long[groups + 1];
    for (int e = 0; e < groups; e++) {
      for (int slot = 0; slot < ids.length; slot++) {
        if (ids[slot] == e) rows.add(new long[] {slot / topK, slot});
      }
      offsets[e + 1] = rows.size();
    }
    int before = Workers.threads();
    try {
      for (int threads : new int[] {1, 2, 7}) {
        Workers.setThreads(threads);
        RowGroups g = RowGroups.of(Tensor.of(ids, tokens, topK), groups);
        assertThat(g.offsets().toLongs()).containsExactly(offsets);
        assertThat(g.rowToken().toLongs()).isEqualTo(rows.stream().mapToLong(r -> r[0]).toArray());
        assertThat(g.rowSlot().toLongs()).isEqualTo(rows.stream().mapToLong(r -> r[1]).toArray());
        checkTokens(g);
      }
    } finally {
      Workers.setThreads(before);
    }
  }

  private static void checkTokens(RowGroups g) {
    long[] start = g.tokenStart().toLongs();
    long[] tokenRow = g.tokenRow().toLongs();
    long[] rowToken = g.rowToken().toLongs();
    assertThat(start).hasSize((int) g.tokens() + 1);
    assertThat(start[start.length - 1]).isEqualTo(g.rows());
    for (int t = 0; t < g.tokens(); t++) {
      for (long i = start[t]; i < start[t + 1]; i++) {
        assertThat(rowToken[(int) tokenRow[(int) i]]).isEqualTo(t);
        if (i > start[t]) {
          assertThat(tokenRow[(int) i]).isGreaterThan(tokenRow[(int) i - 1]);
        }
      }
    }
  }

  /** Different ids in a token, one in ten dropped. */
  private static long[] ids(int tokens, int topK, int groups) {
    SplittableRandom random = new SplittableRandom(7);
    long[] ids = new long[tokens * topK];
    for (int t = 0; t < tokens; t++) {
      List<Long> free = new ArrayList<>();
      for (long e = 0; e < groups; e++) free.add(e);
      for (int j = 0; j < topK; j++) {
        long id = free.remove(random.nextInt(free.size()));
        ids[t * topK + j] = random.nextInt(10) == 0 ? -1 : id;
      }
    }
    return ids;
  }

  @Test
  void takesTokensChosenByGroups() {
    Tensor chosen = Tensor.of(new long[] {2, 0, -1, 2, 3, 1}, 2, 3);
    RowGroups g = RowGroups.ofColumns(chosen, 5);
    assertThat(g.offsets().toLongs()).containsExactly(0, 2, 5);
    assertThat(g.rowToken().toLongs()).containsExactly(2, 0, 2, 3, 1);
    assertThat(g.rowSlot().toLongs()).containsExactly(0, 1, 3, 4, 5);
    assertThat(g.tokenStart().toLongs()).containsExactly(0, 1, 2, 4, 5, 5);
    assertThat(g.tokenRow().toLongs()).containsExactly(1, 4, 0, 2, 3);
    checkTokens(g);
  }

  @Test
  void refusesWhatIsNotAChoice() {
    assertThatThrownBy(() -> RowGroups.of(Tensor.of(new long[] {0, 1, 2, 3}, 2, 2), 3))
        .hasMessageContaining("id 3 of token 1, choice 1 is not in [0, 3)");
    assertThatThrownBy(() -> RowGroups.of(Tensor.of(new long[] {-2, 1}, 1, 2), 3))
        .hasMessageContaining("id -2 of token 0, choice 0");
    assertThatThrownBy(() -> RowGroups.of(Tensor.of(new long[] {0, 1, 2, 2}, 2, 2), 3))
        .hasMessageContaining("token 1 chose 2 twice, the second time with choice 1");
    assertThatThrownBy(() -> RowGroups.ofColumns(Tensor.of(new long[] {0, 1, 2, 5}, 2, 2), 5))
        .hasMessageContaining("token 5 in place 1 of group 1 is not in [0, 5)");
    assertThatThrownBy(() -> RowGroups.ofColumns(Tensor.of(new long[] {1, 1}, 1, 2), 5))
        .hasMessageContaining("token 1 in place 1 of group 0 is there twice");
  }

  @Test
  void refusesOffsetsThatDoNotAscendToTheRows() {
    Tensor rows = Tensor.of(new long[] {0, 1, 2});
    Tensor start = Tensor.of(new long[] {0, 1, 2, 3});
    assertThatThrownBy(
            () -> new RowGroups(3, Tensor.of(new long[] {0, 2, 1, 3}), rows, rows, start, rows))
        .hasMessageContaining("offsets[2] is 1 after 2; they ascend from 0 to the 3 rows");
    assertThatThrownBy(
            () -> new RowGroups(3, Tensor.of(new long[] {0, 2}), rows, rows, start, rows))
        .hasMessageContaining("offsets ends at 2, there are 3 rows");
    assertThatThrownBy(
            () -> new RowGroups(2, Tensor.of(new long[] {0, 3}), rows, rows, start, rows))
        .hasMessageContaining("tokenStart must have shape [3]");
  }

  @Test
  void refusesRowsThatDoNotFindBack() {
    Tensor offsets = Tensor.of(new long[] {0, 2});
    Tensor start = Tensor.of(new long[] {0, 1, 2});
    Tensor up = Tensor.of(new long[] {0, 1});
    Tensor down = Tensor.of(new long[] {1, 0});
    Tensor same = Tensor.of(new long[] {0, 0});
    assertThat(new RowGroups(2, offsets, up, down, start, up).rows()).isEqualTo(2);
    assertThatThrownBy(() -> new RowGroups(2, offsets, up, up, start, down))
        .hasMessageContaining("tokenRow lists row 1 after row -1 for token 0");
    assertThatThrownBy(() -> new RowGroups(2, offsets, up, same, start, up))
        .hasMessageContaining("slot 0 of row 1 is taken");
    Tensor both = Tensor.of(new long[] {0, 2});
    assertThatThrownBy(() -> new RowGroups(1, offsets, same, up, both, up))
        .hasMessageContaining("group 0 has token 0 twice");
    assertThatThrownBy(() -> new RowGroups(1, offsets, same, up, both, down))
        .hasMessageContaining("tokenRow lists row 0 after row 1 for token 0");
    Tensor none = Tensor.of(new long[0]);
    assertThatThrownBy(() ->
            new RowGroups(1, Tensor.of(new long[1]), none, none, Tensor.of(new long[2]), none))
        .hasMessageContaining("no group");
  }
}
