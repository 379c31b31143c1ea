package dev.theriac.llm.chat;

import static java.time.Duration.ofSeconds;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates are not trusted: they end, stay small, reach nothing, and fail by name. */
class ChatTemplateLimitsTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ range(1000000) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9223372036854775807 * 'x' }}",
        "{{ [0] * 1000000000 }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ 10 ** 30 }}",
        "{{ 99999999999999999999 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% for i in [1, 2] %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}",
        "{% set n = namespace(x='xxxxxxxx') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{%"
            + " endfor %}",
        "{% set n = namespace(x=[]) %}{% for a in range(999) %}{% set n.x = [n.x] %}{% endfor %}{{"
            + " n.x }}",
        "{% set n = namespace(x=[]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor"
            + " %}{{ n.x }}",
        "{% set n = namespace(x=[]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor"
            + " %}{{ n.x | tojson }}",
        "{% set n = namespace(x=1) %}{% set n.y = n %}{{ n }}",
        "{% set n = namespace(x='a' * 9000) %}{% for a in range(99) %}{% set n.x = n.x.replace('a',"
            + " 'aaaa') %}{% endfor %}",
        "{{ 'a' | indent('x' * 10000000) | indent('x' * 10000000) }}{{ ('a\\n' * 9999) | indent('x'"
            + " * 9999) }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages.getClass().forName('java.lang.Runtime') }}",
        "{{ ''.class.x }}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% autoescape true %}{% endautoescape %}",
        "{{ f(*messages) }}",
        "{{ 'a'.format(1) }}",
        "{{ 'a'.encode('utf-8') }}",
        "{{ lipsum() }}",
        "{{ messages | pprint }}"
      })
  void stopsAndSaysWhy(String source) {
    Map<String, Object> variables =
        Map.of("messages", List.of(Map.of("role", "user", "content", "x")));
    assertTimeoutPreemptively(
        ofSeconds(20),
        () ->
            assertThatThrownBy(() -> ChatTemplate.parse(source, "dir/t.jinja").render(variables))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageStartingWith("dir/t.jinja: line "));
  }

  @Test
  void refusesDeepNestingWithoutExhaustingTheStack() {
    for (String source :
        List.of(
            "{{ " + "(".repeat(5000) + "1" + ")".repeat(5000) + " }}",
            "{{ " + "[".repeat(5000) + "]".repeat(5000) + " }}",
            "{{ " + "-".repeat(5000) + "1 }}",
            "{{ " + "not ".repeat(5000) + "1 }}",
            "{% if 1 %}".repeat(5000) + "{% endif %}".repeat(5000),
            "{{ " + "1 if 0 else ".repeat(5000) + "1 }}")) {
      assertThatThrownBy(() -> ChatTemplate.parse(source, "t"))
          .isInstanceOf(ChatTemplateException.class)
          .hasMessageContaining("deep");
    }
    String chain = "{{ 1" + " + 1".repeat(20_000) + " }}";
    assertThatThrownBy(() -> ChatTemplate.parse(chain, "t").render(Map.of()))
        .isInstanceOf(ChatTemplateException.class)
        .hasMessageContaining("long");
    assertThat(ChatTemplate.parse("{{ 1" + " + 1".repeat(100) + " }}", "t").render(Map.of()))
        .isEqualTo("101");
  }

  @Test
  void isTheTemplateOfAModelDirectory() throws IOException {
    Files.write(folder.resolve("tokenizer.json"), BuiltInTokenizer.json());
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        "{\"eos_token\": \"<|endoftext|>\", \"chat_template\": \"{{ eos_token }}{{ x.y }}\"}");
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      ChatTemplate template = ChatTemplate.of(tokenizer);
      assertThatThrownBy(() -> template.render(List.of(), true))
          .hasMessageContaining(folder.resolve("tokenizer_config.json") + ": chat_template: line 1")
          .hasMessageContaining("'x' is undefined");
      assertThat(template.render(List.of(), true, Map.of("x", Map.of("y", 2))))
          .isEqualTo("<|endoftext|>2");
      assertThatThrownBy(() -> ChatTemplate.of(tokenizer, "rag"))
          .hasMessageContaining("no chat template 'rag'")
          .hasMessageContaining("[default]");
    }
  }

  @Test
  void survivesMutatedTemplates() {
    List<String> sources = new ArrayList<>(ChatTemplateReferenceTest.templates());
    Random random = new Random(5);
    String alphabet = "{}%#()[]'\"\\|.,:~+-*/=<> \nabx019";
    Map<String, Object> variables =
        Map.of(
            "messages",
            List.of(Map.of("role", "user", "content", "x"), Map.of("role", "tool", "content", "y")),
            "bos_token",
            "<s>",
            "eos_token",
            "</s>");
    int failures = 0;
    for (int round = 0; round < 2000; round++) {
      StringBuilder source = new StringBuilder(sources.get(round % sources.size()));
      for (int edit = random.nextInt(4); edit >= 0; edit--) {
        int at = random.nextInt(source.length());
        switch (random.nextInt(4)) {
          case 0 -> source.deleteCharAt(at);
          case 1 -> source.insert(at, alphabet.charAt(random.nextInt(alphabet.length())));
          case 2 -> source.setCharAt(at, alphabet.charAt(random.nextInt(alphabet.length())));
          default -> source.setLength(Math.max(1, random.nextInt(8) == 0 ? at : source.length()));
        }
      }
      String text = source.toString();
      try {
        ChatTemplate.parse(text, "dir/t.jinja").render(variables);
      } catch (ChatTemplateException e) {
        failures++;
        assertThat(e).as(text).hasMessageStartingWith("dir/t.jinja: line ");
      }
    }
    assertThat(failures).isGreaterThan(500);
  }
}
