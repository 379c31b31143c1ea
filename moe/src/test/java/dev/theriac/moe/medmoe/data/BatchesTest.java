package dev.theriac.moe.medmoe.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.moe.medmoe.prompt.Conversation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BatchesTest {
  private static Dataset data(int size) {
    return Dataset.of(
        IntStream.range(0, size)
            .mapToObj(
                i -> new Sample("" + i, ImageSource.NONE, null, Conversation.of("q", "a"), null))
            .toList());
  }

  private static List<String> take(Batches batches, int count) {
    List<String> taken = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      taken.add(String.join(",", batches.next().stream().map(Sample::id).toList()));
    }
    return taken;
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "3, 1", "17, 4", "17, 17", "17, 40", "129, 8"})
  void givesEverySampleOncePerEpoch(int size, int batchSize) {
    Batches batches = Batches.shuffled(data(size), batchSize, 5);
    for (int epoch = 0; epoch < 3; epoch++) {
      assertThat(batches.state().epoch()).isEqualTo(epoch);
      List<String> ids = new ArrayList<>();
      for (int b = 0; b < batches.perEpoch(); b++) {
        List<Sample> batch = batches.next();
        assertThat(batch).hasSizeBetween(1, batchSize);
        batch.forEach(sample -> ids.add(sample.id()));
      }
      assertThat(ids)
          .containsExactlyInAnyOrderElementsOf(
              IntStream.range(0, size).mapToObj(Integer::toString).toList());
    }
  }

  @Test
  void shufflesBySeedAndEpoch() {
    Batches first = Batches.shuffled(data(50), 50, 1);
    List<String> orders = take(first, 2);
    assertThat(orders.get(0)).isNotEqualTo(orders.get(1));
    assertThat(take(Batches.shuffled(data(50), 50, 1), 2)).isEqualTo(orders);
    assertThat(take(Batches.shuffled(data(50), 50, 2), 1)).doesNotContain(orders.get(0));
  }

  @Test
  void keepsTheOrderOfTheDataOnRequest() {
    assertThat(take(Batches.inOrder(data(5), 2), 4)).containsExactly("0,1", "2,3", "4", "0,1");
  }

  @Test
  void goesOnFromAnySavedState() {
    Batches straight = Batches.shuffled(data(11), 3, 9);
    List<Batches.State> states = new ArrayList<>();
    List<String> expected = new ArrayList<>();
    for (int i = 0; i < 13; i++) {
      states.add(straight.state());
      expected.addAll(take(straight, 1));
    }
    for (int i = 0; i < 13; i++) {
      // Another seed and a used iterator: only the state may count.
      Batches resumed = Batches.shuffled(data(11), 3, 1234);
      resumed.next();
      resumed.restore(states.get(i));
      assertThat(take(resumed, 13 - i)).isEqualTo(expected.subList(i, 13));
    }
  }

  @Test
  void refusesStatesOfOtherData() {
    Batches batches = Batches.shuffled(data(4), 2, 0);
    assertThatThrownBy(() -> batches.restore(new Batches.State(0, 0, 4)))
        .hasMessageContaining("4 samples");
    assertThatThrownBy(() -> Batches.shuffled(data(0), 2, 0)).hasMessageContaining("0 samples");
    assertThatThrownBy(() -> Batches.shuffled(data(2), 0, 0)).hasMessageContaining("0 out of 2");
  }

  @Test
  void givesNumbersInsteadOfSamples() {
    int[] indices = Batches.shuffled(data(7), 7, 3).nextIndices();
    assertThat(Arrays.stream(indices).mapToObj(Integer::toString).toList())
        .isEqualTo(List.of(take(Batches.shuffled(data(7), 7, 3), 1).getFirst().split(",")));
  }
}
