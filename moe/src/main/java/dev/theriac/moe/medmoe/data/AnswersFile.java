package dev.theriac.moe.medmoe.data;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Answers of a model, one JSON object per line with {@code question_id}, {@code prompt}, {@code
 * text}, {@code answer_id}, {@code model_id} and {@code metadata}, as the published scripts read
 * them. Each line is on its way to disk when {@link #add} returns, so that an interrupted run keeps
 * what it has.
 *
 * <p>For one thread.
 */
public final class AnswersFile implements AutoCloseable {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final Path file;
  private final String modelId;
  private final BufferedWriter out;
  private int count;

  private AnswersFile(Path file, String modelId, BufferedWriter out) {
    this.file = file;
    this.modelId = modelId;
    this.out = out;
  }

  /** Starts a file, replacing one of that name; folders on the way are made. */
  public static AnswersFile create(Path file, String modelId) {
    try {
      if (file.getParent() != null) {
        Files.createDirectories(file.getParent());
      }
      return new AnswersFile(file, modelId, Files.newBufferedWriter(file, StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written (" + e + ")", e);
    }
  }

  /** Adds the answer to one question. The answer's id is a function of its content and place. */
  public void add(String questionId, String prompt, String text) {
    String key = modelId + '\n' + count + '\n' + questionId + '\n' + prompt + '\n' + text;
    String answerId = UUID.nameUUIDFromBytes(key.getBytes(StandardCharsets.UTF_8)).toString();
    ObjectNode answer = JSON.createObjectNode();
    putId(answer, questionId);
    answer.put("prompt", prompt).put("text", text);
    answer.put("answer_id", answerId).put("model_id", modelId).putObject("metadata");
    try {
      out.write(JSON.writeValueAsString(answer));
      out.write('\n');
      out.flush();
    } catch (IOException e) {
      throw new DataException("%s: answer %d cannot be written (%s)".formatted(file, count, e), e);
    }
    count++;
  }

  /** Published files number their questions; an id that is a number is written as one. */
  private static void putId(ObjectNode answer, String id) {
    if (id.matches("0|-?[1-9][0-9]{0,17}")) {
      answer.put("question_id", Long.parseLong(id));
    } else {
      answer.put("question_id", id);
    }
  }

  /**
   * The answers of a file in their order.
   *
   * @throws DataException for a line that is not such an object; names file and line
   */
  public static List<String> texts(Path file) {
    List<String> texts = new ArrayList<>();
    List<String> lines;
    try {
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read (" + e + ")", e);
    }
    for (String line : lines) {
      try {
        JsonNode text = JSON.readTree(line).path("text");
        if (!text.isString()) {
          throw new DataException(
              "%s: line %d: key 'text': expected text".formatted(file, texts.size() + 1));
        }
        texts.add(text.asString());
      } catch (JacksonException e) {
        throw new DataException(
            "%s: line %d: not valid JSON: %s"
                .formatted(file, texts.size() + 1, e.getOriginalMessage()),
            e);
      }
    }
    return texts;
  }

  @Override
  public void close() {
    try {
      out.close();
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be finished", e);
    }
  }
}
