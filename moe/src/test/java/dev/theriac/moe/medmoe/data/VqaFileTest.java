package dev.theriac.moe.medmoe.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.moe.medmoe.data.VqaFile.Kind;
import dev.theriac.moe.medmoe.prompt.Conversation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class VqaFileTest {
  private static final String ITEM =
      """
      {"id": 7, "image": "slake/y2.jpg", "answer_type": "CLOSED", "conversations": [
        {"from": "human", "value": "Is the liver visible?\\n<image>"},
        {"from": "gpt", "value": "Yes"}]}\
      """;

  @TempDir Path folder;

  @BeforeEach
  void putImage() throws IOException {
    Files.createDirectories(folder.resolve("slake"));
    Files.write(folder.resolve("slake/y2.jpg"), new byte[] {1});
  }

  private Dataset read(Kind kind, String json) throws IOException {
    return VqaFile.read(Files.writeString(folder.resolve("data.json"), json), folder, kind);
  }

  private void fails(Kind kind, String item, String... words) {
    assertThatThrownBy(() -> read(kind, "[" + ITEM + ", " + item + "]"))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("data.json")
        .hasMessageContaining("item 1")
        .hasMessageContainingAll(words);
  }

  @Test
  void readsTestItemsAndMovesTheImageToTheFront() throws IOException {
    Dataset data = read(Kind.TEST, "[" + ITEM + "]");
    assertThat(data.size()).isEqualTo(1);
    assertThat(data.get(0))
        .isEqualTo(
            new Sample(
                "7",
                new ImageSource.File(folder.resolve("slake/y2.jpg")),
                null,
                Conversation.of("<image>\nIs the liver visible?", "Yes"),
                AnswerType.CLOSED));
  }

  @Test
  void keepsTheImageInItsPlaceForTraining() throws IOException {
    Sample sample = read(Kind.TRAIN, "[" + ITEM + "]").get(0);
    assertThat(sample.conversation())
        .isEqualTo(Conversation.of("Is the liver visible?\n<image>", "Yes"));
  }

  @Test
  void acceptsTheOtherSpellingOfTheList() throws IOException {
    String item = ITEM.replace("conversations", "conversatons");
    assertThat(read(Kind.TEST, "[" + item + "]").get(0).conversation().answer()).isEqualTo("Yes");
  }

  @ParameterizedTest
  @CsvSource({"CT, CT", "X-Ray, X_RAY", "xray, X_RAY", "Pathology, PATHOLOGY", "mri, MRI"})
  void readsModalities(String word, Modality modality) throws IOException {
    String item = ITEM.replace("\"id\"", "\"modality\": \"" + word + "\", \"id\"");
    assertThat(read(Kind.TRAIN, "[" + item + "]").get(0).modality()).isEqualTo(modality);
  }

  @ParameterizedTest
  @CsvSource({"open, OPEN", "OPEN, OPEN", "close, CLOSED", "CLOSED, CLOSED"})
  void readsAnswerTypes(String word, AnswerType type) throws IOException {
    assertThat(read(Kind.TEST, "[" + ITEM.replace("CLOSED", word) + "]").get(0).answerType())
        .isEqualTo(type);
  }

  @Test
  void leavesUnknownAnswerTypesUnscoredOnRequest() throws IOException {
    String item = ITEM.replace("CLOSED", "closed");
    assertThat(read(Kind.TEST_LENIENT, "[" + item + "]").get(0).answerType()).isNull();
    fails(Kind.TEST, item, "answer_type", "'closed'", "close, CLOSED");
    fails(Kind.TEST, ITEM.replace("answer_type", "type"), "answer_type", "missing");
  }

  @Test
  void readsCaptionsAndTextWithoutImage() throws IOException {
    String caption =
        """
        [{"id": "p1", "image": ["slake/y2.jpg"], "conversations": [
          {"from": "human", "value": "<image>"}, {"from": "gpt", "value": "A spot."}]}]\
        """;
    assertThat(read(Kind.ALIGN, caption).get(0).conversation())
        .isEqualTo(Conversation.of("<image>", "A spot."));
    String text =
        """
        [{"conversations": [{"from": "gpt", "value": "dropped"},
          {"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}]}]\
        """;
    Sample sample = read(Kind.TRAIN, text).get(0);
    assertThat(sample.image()).isEqualTo(ImageSource.NONE);
    assertThat(sample.id()).isEqualTo("0");
    assertThat(sample.conversation()).isEqualTo(Conversation.of("Hello?", "Hi."));
  }

  @Test
  void namesTheMissingImage() {
    fails(
        Kind.TEST,
        ITEM.replace("y2.jpg", "gone.jpg"),
        "'image'",
        folder.resolve("slake/gone.jpg").toString());
    fails(Kind.TEST, ITEM.replace("\"image\"", "\"picture\""), "'image'", "missing");
    fails(Kind.TRAIN, ITEM.replace("\"slake/y2.jpg\"", "5"), "'image'", "5");
    fails(Kind.TRAIN, ITEM.replace("\"slake/y2.jpg\"", "[\"a\", \"b\"]"), "2 images");
  }

  @ParameterizedTest
  @EnumSource(names = {"TRAIN", "TEST"})
  void namesTheEmptyQuestion(Kind kind) {
    fails(
        kind,
        ITEM.replace("Is the liver visible?", " "),
        "conversations[0].value",
        "empty question");
    fails(kind, ITEM.replace("Yes", ""), "conversations[1].value", "empty answer");
  }

  @Test
  void namesTheWrongTurn() {
    fails(Kind.TRAIN, ITEM.replace("\"gpt\"", "\"human\""), "conversations[1].from", "'human'");
    fails(Kind.TRAIN, ITEM.replace("\"human\"", "\"user\""), "conversations[0].from", "'user'");
    fails(Kind.TRAIN, ITEM.replace("\"Yes\"", "1"), "conversations[1].value", "expected text");
    fails(Kind.TRAIN, ITEM.replace("conversations", "turns"), "'conversations'", "missing");
    fails(Kind.TRAIN, ITEM.replace("<image>", ""), "0 times <image>", "one image");
    fails(Kind.TRAIN, ITEM.replace("<image>", "<image><image>"), "2 times <image>");
    fails(Kind.TRAIN, ITEM.replace("\"image\"", "\"x\""), "1 times <image>", "no image");
    fails(Kind.TRAIN, "3", "expected an object");
    fails(Kind.TRAIN, ITEM.replace("\"id\"", "\"modality\": \"PET\", \"id\""), "PET", "CT");
    fails(
        Kind.ALIGN,
        """
        {"image": "slake/y2.jpg", "conversations": [
          {"from": "human", "value": "<image>a"}, {"from": "gpt", "value": "b"},
          {"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}]}\
        """,
        "exactly 2 turns",
        "4");
  }

  @Test
  void namesTheBrokenFile() {
    assertThatThrownBy(() -> read(Kind.TRAIN, "[" + ITEM + ", {\"id\": "))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("data.json")
        .hasMessageContaining("item 1")
        .hasMessageContaining("not valid JSON");
    assertThatThrownBy(() -> read(Kind.TRAIN, "[]")).hasMessageContaining("no item");
    assertThatThrownBy(() -> VqaFile.read(folder.resolve("none.json"), folder, Kind.TRAIN))
        .hasMessageContaining("none.json")
        .hasMessageContaining("no such file");
  }
}
