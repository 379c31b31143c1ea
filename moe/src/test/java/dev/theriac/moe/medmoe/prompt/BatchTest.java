package dev.theriac.moe.medmoe.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class BatchTest {
  private static final int IMG = ImageTokens.ID;
  private static final int NONE = Example.IGNORE;

  @Test
  void makesRoomForPicturesAndPadsOnTheRight() {
    Batch batch =
        Batch.of(
            List.of(
                new Example(new int[] {7, IMG, 8}, new int[] {NONE, NONE, 8}),
                new Example(new int[] {4, 5}, new int[] {NONE, 5}),
                new Example(new int[] {IMG, IMG}, new int[] {NONE, NONE})),
            3,
            1);
    assertThat(batch.size()).isEqualTo(3);
    assertThat(batch.length()).isEqualTo(6);
    assertThat(batch.lengths()).containsExactly(5, 2, 6);
    assertThat(batch.ids())
        .containsExactly(
            7, IMG, IMG, IMG, 8, 1, //
            4, 5, 1, 1, 1, 1, //
            IMG, IMG, IMG, IMG, IMG, IMG);
    assertThat(batch.labels())
        .containsExactly(
            NONE, NONE, NONE, NONE, 8, NONE, //
            NONE, 5, NONE, NONE, NONE, NONE, //
            NONE, NONE, NONE, NONE, NONE, NONE);
    assertThat(batch.nextLabels())
        .containsExactly(
            NONE, NONE, NONE, 8, NONE, NONE, //
            5, NONE, NONE, NONE, NONE, NONE, //
            NONE, NONE, NONE, NONE, NONE, NONE);
    assertThat(batch.textPositions()).containsExactly(0, 4, 6, 7);
    assertThat(batch.imagePositions()).containsExactly(1, 2, 3, 12, 13, 14, 15, 16, 17);
    assertThat(batch.imageOwners()).containsExactly(0, 2, 2);
  }

  @Test
  void neverLearnsThePictureId() {
    Batch batch = Batch.of(List.of(new Example(new int[] {IMG, 3}, new int[] {IMG, 3})), 2, 0);
    assertThat(batch.labels()).containsExactly(NONE, NONE, 3);
  }

  @Test
  void countsPositionsAsThePublishedModelDoes() {
    assertThat(ImageTokens.expandedLength(2048, 1, 576)).isEqualTo(2623);
    assertThat(ImageTokens.expandedLength(10, 1, 576)).isEqualTo(10 + 575);
    assertThat(ImageTokens.expandedLength(10, 0, 576)).isEqualTo(10);
  }

  @Test
  void needsAnExample() {
    assertThatThrownBy(() -> Batch.of(List.of(), 4, 0)).hasMessageContaining("0 examples");
  }
}
