package dev.theriac.llm.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** What transformers renders, made by {@code make_chat.py} beside the fixture. */
class ChatTemplateReferenceTest {
  private static final Map<?, ?> FIXTURE = read();

  private static Map<?, ?> read() {
    try (InputStream in = ChatTemplateReferenceTest.class.getResourceAsStream("chat.json")) {
      return JsonMapper.builder().build().readValue(in.readAllBytes(), Map.class);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static List<String> templates() {
    return ((Map<?, ?>) FIXTURE.get("templates"))
        .values().stream().map(String.class::cast).toList();
  }

  private static Map<String, Object> variables(Map<?, ?> of, Object messages) {
    Map<String, Object> variables = new HashMap<>();
    for (String field : List.of("tokens", "more")) {
      Map<?, ?> map = (Map<?, ?>) (field.equals("tokens") ? FIXTURE : of).get(field);
      if (map != null) map.forEach((key, value) -> variables.put((String) key, value));
    }
    variables.put("messages", messages);
    variables.put("tools", of.get("tools"));
    variables.put("documents", null);
    variables.put("add_generation_prompt", of.get("prompt") == Boolean.TRUE);
    return variables;
  }

  private static void check(
      List<String> wrong, String template, Map<String, Object> variables, Map<?, ?> expected) {
    String found;
    try {
      found = ChatTemplate.parse(template, "t").render(variables);
    } catch (ChatTemplateException e) {
      found = e.getMessage();
      if (expected.containsKey("error") && found.startsWith("t: line ")) return;
    }
    if (!found.equals(expected.get("text"))) {
      wrong.add("%s%n gave %s%n not %s".formatted(template, found, expected));
    }
  }

  @Test
  void rendersConversationsOfEveryFamily() {
    Map<?, ?> templates = (Map<?, ?>) FIXTURE.get("templates");
    List<?> conversations = (List<?>) FIXTURE.get("conversations");
    List<String> wrong = new ArrayList<>();
    for (Object entry : (List<?>) FIXTURE.get("chats")) {
      Map<?, ?> chat = (Map<?, ?>) entry;
      Object messages = conversations.get((Integer) chat.get("chat"));
      String template = (String) templates.get(chat.get("template"));
      check(wrong, template, variables(chat, messages), chat);
    }
    assertThat(wrong).isEmpty();
  }

  @Test
  void rendersEachConstructAsJinjaDoes() {
    Object messages = ((List<?>) FIXTURE.get("conversations")).get(3);
    List<String> wrong = new ArrayList<>();
    for (Object entry : (List<?>) FIXTURE.get("pieces")) {
      Map<?, ?> piece = (Map<?, ?>) entry;
      check(wrong, (String) piece.get("template"), variables(piece, messages), piece);
    }
    assertThat(wrong).isEmpty();
  }

  @Test
  void namesTheLineAndTheRefusal() {
    String source = (String) ((Map<?, ?>) FIXTURE.get("templates")).get("llama2");
    ChatTemplate template = ChatTemplate.parse(source, "dir/chat_template.jinja");
    assertThatThrownBy(() ->
            template.render(
                List.of(ChatMessage.user("a"), ChatMessage.user("b")),
                true,
                Map.of("bos_token", "<s>")))
        .hasMessageContaining("dir/chat_template.jinja: line 10: ")
        .hasMessageContaining("Roles must alternate");
    assertThat(
            ChatTemplate.parse("{% if tools is none %}{{ messages[0].x }}{% endif %}", "t")
                .render(List.of(new ChatMessage("user", "a", Map.of("x", 1))), true))
        .isEqualTo("1");
  }
}
