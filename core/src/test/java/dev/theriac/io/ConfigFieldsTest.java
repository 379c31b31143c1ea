package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigFieldsTest {
  @TempDir Path dir;

  private ConfigFields fields(String json) throws IOException {
    return ConfigFields.read(Files.writeString(dir.resolve("config.json"), json));
  }

  @Test
  void fieldsOfEveryTypeAreRead() throws IOException {
    ConfigFields in =
        fields(
            """
            {"a": 3, "b": 1e-5, "c": "x", "d": true, "e": [1, 2], "f": [0.5, 1],
             "g": {"h": -7}, "i": null, "j": ["p", "q"]}
            """);
    assertThat(in.integer("a")).isEqualTo(3);
    assertThat(in.number("a")).isEqualTo(3.0);
    assertThat(in.number("b")).isEqualTo(1e-5);
    assertThat(in.text("c")).isEqualTo("x");
    assertThat(in.flag("d")).isTrue();
    assertThat(in.integers("e")).containsExactly(1, 2);
    assertThat(in.anyIntegers("a")).containsExactly(3);
    assertThat(in.floats("f")).containsExactly(0.5f, 1f);
    assertThat(in.isObject("g")).isTrue();
    assertThat(in.isObject("a")).isFalse();
    assertThat(in.object("g").integer("h")).isEqualTo(-7);
    assertThat(in.has("i")).isFalse();
    assertThat(in.isNull("i")).isTrue();
    assertThat(in.isNull("a") || in.isNull("z")).isFalse();
    assertThat(in.anyFloats("b")).containsExactly(1e-5f);
    assertThat(in.integer("i", 9)).isEqualTo(9);
    assertThat(in.text("z", "other")).isEqualTo("other");
    assertThat(in.texts("j")).isEqualTo(List.of("p", "q"));
    in.nothingBut();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'a': 2.5}|field \"g.a\" is 2.5; a whole number is wanted",
        "{'a': 3000000000}|field \"g.a\" is 3000000000; a whole number is wanted",
        "{'a': [1, {'b': 'c'}]}|field \"g.a\" is [1,{\"b\":\"c\"}]; a whole number is wanted",
        "{'b': 1}|field \"g.a\" is missing; a whole number is wanted",
      })
  void errorsNameFileAndField(String object, String message) throws IOException {
    ConfigFields in = fields("{\"g\": " + object.replace('\'', '"') + "}");
    assertThatThrownBy(() -> in.object("g").integer("a"))
        .isInstanceOf(FileException.class)
        .hasMessageContaining(dir.resolve("config.json").toString())
        .hasMessageContaining(message);
  }

  @Test
  void whatIsNoObjectIsRefused() throws IOException {
    assertThatThrownBy(() -> fields("[1]")).hasMessageContaining("is not a JSON object");
    assertThatThrownBy(() -> fields("{")).hasMessageContaining("not valid JSON");
    assertThatThrownBy(() -> fields("{\"a\":1,\"a\":1}")).hasMessageContaining("appears twice");
    assertThatThrownBy(() -> fields("[".repeat(100_000))).hasMessageContaining("nested deeper");
    assertThatThrownBy(() -> ConfigFields.read(dir.resolve("none.json")))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("no such file");
    ConfigFields in = fields("{\"a\": \"" + "x".repeat(1000) + "\"}");
    assertThatThrownBy(() -> in.flag("a")).hasMessageEndingWith("x...; true or false is wanted");
  }
}
