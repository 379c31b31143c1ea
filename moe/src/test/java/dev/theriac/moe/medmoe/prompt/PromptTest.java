package dev.theriac.moe.medmoe.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class PromptTest {
  private static final String OPENING =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
          + " helpful, detailed, and polite answers to the user's questions. ";
  private static final Conversation TWO_ROUNDS =
      new Conversation(
          List.of(
              new Turn(Role.USER, "<image>\nQ1"),
              new Turn(Role.ASSISTANT, "A1"),
              new Turn(Role.USER, "Q2"),
              new Turn(Role.ASSISTANT, "A2")));

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void writesChatsByteForByte(Template template) {
    assertThat(template.training(TWO_ROUNDS))
        .isEqualTo(
            OPENING
                + "USER: <image>\n"
                + "Q1 ASSISTANT: A1<|endoftext|>USER: Q2 ASSISTANT: A2<|endoftext|>");
    assertThat(template.inference(Conversation.ask("Q1")))
        .isEqualTo(OPENING + "USER: <image>\nQ1 ASSISTANT:");
    assertThat(template.inference(TWO_ROUNDS.asQuestion()))
        .isEqualTo(OPENING + "USER: <image>\nQ1 ASSISTANT: A1<|endoftext|>USER: Q2 ASSISTANT:");
  }

  @Test
  void keepsTheImageWhereTrainingDataHasIt() {
    assertThat(Template.PHI.training(Conversation.of("Is it?\n<image>", "no")))
        .isEqualTo(OPENING + "USER: Is it?\n<image> ASSISTANT: no<|endoftext|>");
  }

  @Test
  void movesTheImageToTheFrontOfAQuestion() {
    assertThat(Conversation.imageFirst("Is the liver visible?\n<image>"))
        .isEqualTo("<image>\nIs the liver visible?");
    assertThat(Conversation.imageFirst("  <image>\nWhat? ")).isEqualTo("<image>\nWhat?");
  }

  @Test
  void asksWithTheImageInFrontWhereverTheConversationHadIt() {
    Conversation late =
        new Conversation(
            List.of(
                new Turn(Role.USER, "Q1"),
                new Turn(Role.ASSISTANT, "A1"),
                new Turn(Role.USER, "Q2\n<image>"),
                new Turn(Role.ASSISTANT, "A2")));
    assertThat(late.asQuestion().images()).isEqualTo(1);
    assertThat(Template.PHI.inference(late.asQuestion()))
        .isEqualTo(OPENING + "USER: <image>\nQ1 ASSISTANT: A1<|endoftext|>USER: Q2 ASSISTANT:");
  }

  @Test
  void writesCaptionsPlainly() {
    assertThat(Template.PLAIN.training(Conversation.of("Describe it.\n<image>", "A spot.")))
        .isEqualTo("<image>A spot.\n");
    assertThat(Template.PLAIN.inference(Conversation.ask("anything"))).isEqualTo("<image>");
    assertThatThrownBy(() -> Template.PLAIN.training(TWO_ROUNDS)).hasMessageContaining("4 turns");
    assertThatThrownBy(() -> Template.PLAIN.training(Conversation.of("no picture", "a")))
        .hasMessageContaining("<image>")
        .hasMessageContaining("no picture");
  }

  @Test
  void refusesEmptyAndDisorderedConversations() {
    assertThatThrownBy(() -> Conversation.ask(" <image>\n "))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("empty question");
    assertThatThrownBy(() -> Conversation.of("Q", " ")).hasMessageContaining("empty answer");
    assertThatThrownBy(() -> new Conversation(List.of())).hasMessageContaining("at least one");
    assertThatThrownBy(() -> new Conversation(List.of(new Turn(Role.ASSISTANT, "A"))))
        .hasMessageContaining("turn 0")
        .hasMessageContaining("user begins");
    assertThatThrownBy(() -> Template.PHI.training(Conversation.ask("Q")))
        .hasMessageContaining("answer");
    assertThatThrownBy(() -> Template.PHI.inference(TWO_ROUNDS)).hasMessageContaining("answer");
  }
}
