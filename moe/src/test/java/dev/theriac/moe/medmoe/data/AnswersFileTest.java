package dev.theriac.moe.medmoe.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class AnswersFileTest {
  @TempDir Path folder;

  private List<String> write(Path file) throws IOException {
    try (AnswersFile answers = AnswersFile.create(file, "small")) {
      answers.add("7", "<image>\nIs the liver visible?", "Yes");
      assertThat(Files.readAllLines(file)).as("written at once").hasSize(1);
      answers.add("phantom-1", "<image>\nQ \"quoted\"", "né\n");
    }
    return Files.readAllLines(file);
  }

  @Test
  void writesOneObjectPerLine() throws IOException {
    Path file = folder.resolve("new/answers.jsonl");
    List<String> lines = write(file);
    assertThat(lines).hasSize(2);
    JsonNode first = JsonMapper.shared().readTree(lines.getFirst());
    assertThat(first.propertyNames())
        .containsExactly("question_id", "prompt", "text", "answer_id", "model_id", "metadata");
    assertThat(first.path("question_id").isInt()).isTrue();
    assertThat(first.path("prompt").asString()).isEqualTo("<image>\nIs the liver visible?");
    assertThat(first.path("model_id").asString()).isEqualTo("small");
    assertThat(lines.get(1)).contains("\"question_id\":\"phantom-1\"");
    assertThat(AnswersFile.texts(file)).containsExactly("Yes", "né\n");
    assertThat(write(folder.resolve("again.jsonl"))).as("no random ids").isEqualTo(lines);
  }

  @Test
  void namesTheBrokenLine() throws IOException {
    Path file = Files.writeString(folder.resolve("a.jsonl"), "{\"text\": \"x\"}\n{\"text\": 3}\n");
    assertThatThrownBy(() -> AnswersFile.texts(file))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("a.jsonl")
        .hasMessageContaining("line 2");
    Files.writeString(file, "{\"te");
    assertThatThrownBy(() -> AnswersFile.texts(file)).hasMessageContaining("not valid JSON");
    assertThatThrownBy(() -> AnswersFile.create(folder.resolve("a.jsonl/b"), "m"))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("cannot be written");
  }
}
