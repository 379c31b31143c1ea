package dev.theriac.llm.chat;

import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.llm.tokenizer.TokenizerConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model's chat template: a Jinja text that writes a conversation as the model was trained on it,
 * rendered as transformers' {@code apply_chat_template} does ({@code trim_blocks}, {@code
 * lstrip_blocks}, its functions and filters).
 *
 * <p>A template comes with a model and is not trusted: it sees the values that it is given and
 * nothing else, can change none of them, and is stopped after 20 million steps, 16 Mi characters or
 * 200 levels. What Theriac does not know of Jinja (such as {@code include}) is an error that names
 * file, line and construct, never left out in silence. Whole numbers have 64 bits.
 *
 * <p>Immutable and safe for concurrent use.
 */
public final class ChatTemplate {
  private static final int LONGEST = 1 << 20;

  private final String name;
  private final List<Node> nodes;
  private final Map<String, Object> constants;

  private ChatTemplate(String name, List<Node> nodes, Map<String, Object> constants) {
    this.name = name;
    this.nodes = nodes;
    this.constants = constants;
  }

  /**
   * Reads a template of at most 1 Mi characters.
   *
   * @param source the Jinja text
   * @param name what errors call it, a path as a rule
   * @throws ChatTemplateException naming line and construct where it is no Jinja or not supported
   */
  public static ChatTemplate parse(String source, String name) {
    if (source.length() > LONGEST) {
      throw new ChatTemplateException(
          "%s: %d characters; a template has at most %d".formatted(name, source.length(), LONGEST));
    }
    return new ChatTemplate(name, Parser.parse(name, source), Map.of());
  }

  /**
   * The default template of a model, which knows its {@code bos_token} and other named tokens.
   *
   * @throws ChatTemplateException if there is none; names those there are
   */
  public static ChatTemplate of(HuggingFaceTokenizerFile tokenizer) {
    return of(tokenizer, "default");
  }

  /** The template of that name. */
  public static ChatTemplate of(HuggingFaceTokenizerFile tokenizer, String template) {
    TokenizerConfig config = tokenizer.config();
    String source = config.chatTemplates().get(template);
    String name = tokenizer.chatTemplateFile(template);
    if (source == null) {
      throw new ChatTemplateException(
          "%s: no chat template '%s', only %s; write the prompt yourself or pass a template"
              .formatted(name, template, config.chatTemplates().keySet()));
    }
    ChatTemplate parsed = parse(source, name);
    Map<String, Object> constants = new LinkedHashMap<>();
    config.bos().ifPresent(text -> constants.put("bos_token", text));
    config.eos().ifPresent(text -> constants.put("eos_token", text));
    config.unk().ifPresent(text -> constants.put("unk_token", text));
    config.pad().ifPresent(text -> constants.put("pad_token", text));
    return new ChatTemplate(name, parsed.nodes, constants);
  }

  /**
   * Writes a conversation out. The text holds all special tokens; encode it with nothing added.
   *
   * @param addGenerationPrompt whether the beginning of the model's answer follows
   * @throws ChatTemplateException if the template refuses the conversation or fails
   */
  public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
    return render(messages, addGenerationPrompt, Map.of());
  }

  /**
   * The same with further variables that the template may ask for, such as {@code tools}: texts,
   * numbers, truth values, null, lists and maps of these.
   */
  public String render(
      List<ChatMessage> messages, boolean addGenerationPrompt, Map<String, ?> more) {
    List<Object> fields = new ArrayList<>();
    for (ChatMessage message : messages) fields.add(message.fields());
    Map<String, Object> variables = new LinkedHashMap<>(constants);
    variables.put("messages", fields);
    variables.put("tools", null);
    variables.put("documents", null);
    variables.put("add_generation_prompt", addGenerationPrompt);
    variables.putAll(more);
    return render(variables);
  }

  /** Renders with these variables alone. */
  public String render(Map<String, ?> variables) {
    Map<String, Object> values = new LinkedHashMap<>();
    variables.forEach((key, value) -> values.put(key, imported(key, value, 0)));
    return Renderer.render(name, nodes, values);
  }

  /** Copies a value of the caller into the types that templates know. */
  private static Object imported(String path, Object value, int depth) {
    if (depth > 100) throw new IllegalArgumentException(path + " nests more than 100 deep");
    return switch (value) {
      case null -> null;
      case String _, Boolean _, Long _, Double _ -> value;
      case Integer _, Short _, Byte _ -> ((Number) value).longValue();
      case Float f -> (double) f;
      case List<?> list -> {
        List<Object> out = new ArrayList<>();
        for (Object element : list) out.add(imported(path + "[]", element, depth + 1));
        yield out;
      }
      case Map<?, ?> map -> {
        Map<Object, Object> out = new LinkedHashMap<>();
        map.forEach(
            (key, element) -> out.put(Py.key(key), imported(path + "." + key, element, depth + 1)));
        yield out;
      }
      default ->
          throw new IllegalArgumentException(
              path + " is a " + value.getClass().getName() + ", which templates do not know");
    };
  }

  @Override
  public String toString() {
    return "ChatTemplate[" + name + "]";
  }
}
