package dev.theriac.cli.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigReaderTest {
  private static final Path FOLDER = Path.of("/runs");

  enum Colour {
    DARK_RED,
    BLUE
  }

  record Inner(
      @Setting(value = "8", min = 1, max = 64) int batchSize,
      @Setting(value = "0.001", min = 0) double learningRate,
      @Setting("true") boolean shuffle) {
    Inner {
      if (batchSize == 13) {
        throw new IllegalArgumentException("thirteen is refused");
      }
    }
  }

  record Outer(
      String name,
      @Setting("dark_red") Colour colour,
      @Setting(optional = true) Path file,
      @Setting(value = "5") long seed,
      Inner inner) {}

  private static Outer parse(String json) {
    return ConfigReader.parse(json, "run.json", FOLDER, Outer.class);
  }

  private static ConfigException fail(String json) {
    return catchThrowableOfType(ConfigException.class, () -> parse(json));
  }

  @Test
  void fillsInDefaults() {
    assertThat(parse("{\"name\": \"a\"}"))
        .isEqualTo(new Outer("a", Colour.DARK_RED, null, 5, new Inner(8, 0.001, true)));
  }

  @Test
  void readsEveryType() {
    assertThat(
            parse(
                """
                {"name": "a", "colour": "Blue", "file": "../data/x.npz", "seed": 9000000000,
                 "inner": {"batch_size": 64, "learning_rate": 1, "shuffle": false}}\
                """))
        .isEqualTo(
            new Outer(
                "a", Colour.BLUE, Path.of("/data/x.npz"), 9_000_000_000L, new Inner(64, 1, false)));
  }

  @ParameterizedTest
  @CsvSource({
    "batchsize, batch_size",
    "bach_size, batch_size",
    "learning_rat, learning_rate",
    "lerning_rates, learning_rate",
    "shufle, shuffle",
    "shfufle, shuffle",
  })
  void suggestsTheNearestKey(String typed, String meant) {
    assertThat(fail("{\"name\": \"a\", \"inner\": {\"%s\": 1}}".formatted(typed)).problems())
        .containsExactly("$.inner." + typed + ": unknown key; did you mean '" + meant + "'?");
  }

  @Test
  void listsTheKeysWhereNoneIsNear() {
    assertThat(fail("{\"name\": \"a\", \"zzzzzzzz\": 1}").problems())
        .containsExactly("$.zzzzzzzz: unknown key; known here: name, colour, file, seed, inner");
  }

  @Test
  void reportsEverythingAtOnce() {
    ConfigException e =
        fail(
            """
            {"colour": "green", "seed": "x", "nam": 1,
             "inner": {"batch_size": 0, "learning_rate": -1, "shuffle": 1}}\
            """);
    assertThat(e.problems())
        .containsExactly(
            "$.nam: unknown key; did you mean 'name'?",
            "$.name: missing; expected text in quotes",
            "$.colour: expected one of \"dark_red\", \"blue\", got \"green\"",
            "$.seed: expected a whole number, got \"x\"",
            "$.inner.batch_size: expected a whole number from 1 to 64, got 0",
            "$.inner.learning_rate: expected a number, 0 or more, got -1",
            "$.inner.shuffle: expected true or false, got 1");
    assertThat(e).hasMessageStartingWith("run.json: 7 problems:\n  $.nam");
  }

  @ParameterizedTest
  @CsvSource({"1.5", "1e30", "99999999999", "'\"8\"'", "[8]", "{}"})
  void takesNothingForAWholeNumberThatIsNone(String value) {
    assertThat(fail("{\"name\": \"a\", \"inner\": {\"batch_size\": " + value + "}}").problems())
        .singleElement()
        .asString()
        .startsWith("$.inner.batch_size: expected a whole number from 1 to 64, got ");
  }

  @Test
  void passesOnWhatARecordObjectsTo() {
    assertThat(fail("{\"name\": \"a\", \"inner\": {\"batch_size\": 13}}"))
        .hasMessage("run.json: $.inner: thirteen is refused");
    assertThat(fail("{\"name\": \"a\", \"inner\": 3}").problems())
        .containsExactly("$.inner: expected an object { ... }, got 3");
  }

  @Test
  void saysWhereJsonIsBroken(@TempDir Path folder) throws IOException {
    assertThat(fail("{\n  \"name\": \"a\",,\n}")).hasMessageContaining("line 2, column");
    assertThat(fail("{\"name\": \"a\", \"name\": \"b\"}")).hasMessageContaining("uplicate");
    Path file = Files.writeString(folder.resolve("c.json"), "{\"name\": \"a\", \"file\": \"d\"}");
    assertThat(ConfigReader.read(file, Outer.class).file()).isEqualTo(folder.resolve("d"));
    assertThatThrownBy(() -> ConfigReader.read(folder.resolve("none.json"), Outer.class))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("none.json")
        .hasMessageContaining("cannot be read");
  }

  @ParameterizedTest
  @CsvSource({"'', '', 0", "a, '', 1", "kitten, sitting, 3", "ab, ba, 1", "abc, abc, 0"})
  void measuresDistances(String a, String b, int distance) {
    assertThat(Nearest.distance(a, b)).isEqualTo(distance);
  }
}
