package dev.theriac.llm.chat;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * One message of a conversation.
 *
 * @param role {@code system}, {@code user} or {@code assistant}, as a rule
 * @param content what is said
 * @param more further fields that a template may ask for ({@code tool_calls}, say): texts, numbers,
 *     truth values, null, lists and maps of these
 */
public record ChatMessage(String role, String content, Map<String, Object> more) {

  /** Checks the arguments and copies the map. */
  public ChatMessage {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(content, "content");
    more = Collections.unmodifiableMap(new LinkedHashMap<>(more));
  }

  /** One without further fields. */
  public ChatMessage(String role, String content) {
    this(role, content, Map.of());
  }

  /** An instruction to the model that stands before the conversation. */
  public static ChatMessage system(String content) {
    return new ChatMessage("system", content);
  }

  /** What the user says. */
  public static ChatMessage user(String content) {
    return new ChatMessage("user", content);
  }

  /** What the model said. */
  public static ChatMessage assistant(String content) {
    return new ChatMessage("assistant", content);
  }

  Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("role", role);
    fields.put("content", content);
    fields.putAll(more);
    return fields;
  }
}
