package dev.theriac.moe.medmoe.prompt;

import static dev.theriac.moe.medmoe.prompt.Example.IGNORE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PromptEncoderTest {
  private static final HuggingFaceTokenizerFile TOKENIZER = BuiltInTokenizer.load();
  private static final PromptEncoder CHAT = new PromptEncoder(TOKENIZER, Template.PHI, 2048);

  @AfterAll
  static void close() {
    TOKENIZER.close();
  }

  private static List<String> spell(int[] ids) {
    return Arrays.stream(ids)
        .mapToObj(id -> id == IGNORE ? "." : id == ImageTokens.ID ? "IMAGE" : TOKENIZER.token(id))
        .toList();
  }

  @Test
  void learnsTheAnswerAndItsEnd() {
    Example example = CHAT.training(Conversation.of("<image>\nIs there a nodule?", "yes"));
    assertThat(spell(example.ids()))
        .containsExactly(
            Template.SYSTEM,
            "ĠUSER",
            ":",
            "Ġ",
            "IMAGE",
            "Ċ",
            "Is",
            "Ġthere",
            "Ġa",
            "Ġnodule",
            "?",
            "ĠASSISTANT",
            ":",
            "Ġyes",
            "<|endoftext|>");
    assertThat(spell(example.labels()))
        .containsExactly(
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            "Ġyes",
            "<|endoftext|>");
    assertThat(example.images()).isEqualTo(1);
    assertThat(example.learned()).isEqualTo(2);
  }

  @Test
  void learnsTheAnswerOfEveryRound() {
    Example example =
        CHAT.training(
            new Conversation(
                List.of(
                    new Turn(Role.USER, "What is this?\n<image>"),
                    new Turn(Role.ASSISTANT, "an MRI slice"),
                    new Turn(Role.USER, "Is there a nodule?"),
                    new Turn(Role.ASSISTANT, "no"))));
    assertThat(spell(example.ids()))
        .containsExactly(
            Template.SYSTEM,
            "ĠUSER",
            ":",
            "Ġ",
            "What",
            "Ġis",
            "Ġthis",
            "?",
            "Ċ",
            "IMAGE",
            "ĠASSISTANT",
            ":",
            "Ġan",
            "ĠMRI",
            "Ġslice",
            "<|endoftext|>",
            "USER",
            ":",
            "Ġ",
            "Is",
            "Ġthere",
            "Ġa",
            "Ġnodule",
            "?",
            "ĠASSISTANT",
            ":",
            "Ġno",
            "<|endoftext|>");
    assertThat(spell(example.labels()))
        .containsExactly(
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            "Ġan",
            "ĠMRI",
            "Ġslice",
            "<|endoftext|>",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            ".",
            "Ġno",
            "<|endoftext|>");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "yes",
        "Yes, there is.",
        "left lung",
        "3 mitoses",
        "12.5",
        "X-ray",
        "é",
        "肺炎",
        "(left)",
        "'tis",
        "n't",
        " two blanks",
        "\nnew line",
        "trailing ",
        "USER: who?"
      })
  void learnsExactlyTheAnswer(String answer) {
    Example example = CHAT.training(Conversation.aboutImage("What?", answer));
    int[] learned = Arrays.stream(example.labels()).filter(label -> label != IGNORE).toArray();
    assertThat(TOKENIZER.decode(learned, false)).isEqualTo(" " + answer + "<|endoftext|>");
    int first = example.length() - learned.length;
    assertThat(Arrays.copyOf(example.labels(), first)).containsOnly(IGNORE);
    assertThat(Arrays.copyOf(example.ids(), first))
        .as("what the model sees before it answers")
        .isEqualTo(CHAT.inference(Conversation.ask("What?")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"no ASSISTANT: yes", "no<|endoftext|>yes", "a<|pad|>b"})
  void learnsNothingWhereThePartsDoNotAddUp(String answer) {
    Example example = CHAT.training(Conversation.aboutImage("What?", answer));
    assertThat(example.labels()).containsOnly(IGNORE);
    assertThat(example.length()).isGreaterThan(12);
  }

  @Test
  void learnsCaptionAndLineBreakWithPlain() {
    PromptEncoder plain = new PromptEncoder(TOKENIZER, Template.PLAIN, 2048);
    Example example = plain.training(Conversation.of("<image>", "No finding."));
    assertThat(spell(example.ids())).containsExactly("IMAGE", "No", "Ġfinding", ".", "Ċ");
    assertThat(spell(example.labels())).containsExactly(".", "No", "Ġfinding", ".", "Ċ");
    assertThat(spell(plain.inference(Conversation.ask("ignored")))).containsExactly("IMAGE");
  }

  @Test
  void endsAQuestionWithoutABlank() {
    assertThat(spell(CHAT.inference(Conversation.ask("Is there a nodule?"))))
        .containsExactly(
            Template.SYSTEM,
            "ĠUSER",
            ":",
            "Ġ",
            "IMAGE",
            "Ċ",
            "Is",
            "Ġthere",
            "Ġa",
            "Ġnodule",
            "?",
            "ĠASSISTANT",
            ":");
  }

  @Test
  void cutsAtTheMaximumWithThePictureCountedOnce() {
    Conversation conversation = Conversation.aboutImage("Is there a nodule?", "yes");
    Example whole = CHAT.training(conversation);
    for (int max : new int[] {1, 4, 5, 14, 15, 16}) {
      Example cut = new PromptEncoder(TOKENIZER, Template.PHI, max).training(conversation);
      int length = Math.min(max, 15);
      assertThat(cut.ids()).isEqualTo(Arrays.copyOf(whole.ids(), length));
      assertThat(cut.labels()).isEqualTo(Arrays.copyOf(whole.labels(), length));
    }
  }

  @Test
  void splitsAtTheImageMark() {
    assertThat(spell(ImageTokens.encode(TOKENIZER, "<image><image> no<image>")))
        .containsExactly("IMAGE", "IMAGE", "Ġno", "IMAGE");
    assertThat(ImageTokens.encode(TOKENIZER, "")).isEmpty();
    assertThat(ImageTokens.count("<image> and <image>")).isEqualTo(2);
  }
}
