package dev.theriac.moe.medmoe.data;

import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.ImageTokens;
import dev.theriac.moe.medmoe.prompt.Role;
import dev.theriac.moe.medmoe.prompt.Turn;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MappingIterator;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads the JSON files of LLaVA-Med and Med-MoE: an array of items with {@code id}, {@code image},
 * {@code conversations} (some files write {@code conversatons}), and where a file has them {@code
 * answer_type} and {@code modality}.
 *
 * <p>Strict: whatever does not keep to the format is a {@link DataException} that names file, item
 * and key, as is a missing image; no sample ever stands in for another. Items are read one at a
 * time, so that the file itself never lies in memory as a whole.
 */
public final class VqaFile {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** What a file is for, which decides what its items must have. */
  public enum Kind {
    /** Pictures with captions: exactly two turns. */
    ALIGN,
    /** Conversations to train on. */
    TRAIN,
    /** Questions to be asked and scored: {@code answer_type} is needed, {@code <image>} is not. */
    TEST,
    /**
     * As {@link #TEST}, but as lenient as the published scripts: an {@code answer_type} they do not
     * know makes a sample that is asked and not scored.
     */
    TEST_LENIENT
  }

  private final Path file;
  private final Path images;
  private final Kind kind;
  private int index;

  private VqaFile(Path file, Path images, Kind kind) {
    this.file = file;
    this.images = images;
    this.kind = kind;
  }

  /**
   * Reads a file.
   *
   * @param images folder that the items' {@code image} paths start from
   * @throws DataException as described above
   */
  public static Dataset read(Path file, Path images, Kind kind) {
    return new VqaFile(file, images, kind).read();
  }

  private Dataset read() {
    if (!Files.isRegularFile(file)) {
      throw new DataException(file + ": no such file");
    }
    List<Sample> samples = new ArrayList<>();
    try (MappingIterator<JsonNode> items =
        JSON.readerFor(JsonNode.class).readValues(file.toFile())) {
      while (items.hasNextValue()) {
        JsonNode item = items.nextValue();
        if (!item.isObject()) {
          throw wrong("", "expected an object with id, image and conversations, got " + item);
        }
        samples.add(sample(item));
        index++;
      }
    } catch (JacksonException e) {
      String place = e.getLocation() == null ? "" : ", line " + e.getLocation().getLineNr();
      throw new DataException(
          "%s: item %d%s: not valid JSON: %s".formatted(file, index, place, e.getOriginalMessage()),
          e);
    }
    if (samples.isEmpty()) {
      throw new DataException(file + ": holds no item");
    }
    return Dataset.of(samples);
  }

  private DataException wrong(String key, String what) {
    String at = key.isEmpty() ? "" : ": key '" + key + "'";
    return new DataException("%s: item %d%s: %s".formatted(file, index, at, what));
  }

  private Sample sample(JsonNode item) {
    ImageSource image = image(item);
    Conversation conversation = conversation(item, image != ImageSource.NONE);
    return new Sample(id(item), image, modality(item), conversation, answerType(item));
  }

  private String id(JsonNode item) {
    JsonNode id = item.path("id");
    return id.isMissingNode() || id.isNull() ? Integer.toString(index) : id.asString();
  }

  private ImageSource image(JsonNode item) {
    JsonNode image = item.path("image");
    if (image.isArray() && image.size() == 1) {
      image = image.get(0);
    } else if (image.isArray() && image.size() > 1) {
      throw wrong("image", image.size() + " images in one item are not supported, only one");
    }
    if (image.isMissingNode() || image.isNull()) {
      if (kind == Kind.TRAIN) {
        return ImageSource.NONE;
      }
      throw wrong("image", "missing");
    }
    if (!image.isString()) {
      throw wrong("image", "expected a path, got " + image);
    }
    Path path = images.resolve(image.asString());
    if (!Files.isRegularFile(path)) {
      throw wrong("image", "no image file " + path + "; is " + images + " the folder of images?");
    }
    return new ImageSource.File(path);
  }

  private Conversation conversation(JsonNode item, boolean hasImage) {
    String key = item.has("conversatons") ? "conversatons" : "conversations";
    JsonNode list = item.path(key);
    if (!list.isArray() || list.isEmpty()) {
      throw wrong(key, list.isMissingNode() ? "missing" : "expected a list of turns, got " + list);
    }
    int first = "gpt".equals(list.get(0).path("from").asString("")) ? 1 : 0;
    List<Turn> turns = new ArrayList<>();
    for (int i = first; i < list.size(); i++) {
      turns.add(turn(list.get(i), key + "[" + i + "]", turns.size()));
    }
    if (turns.isEmpty() || turns.getLast().role() == Role.USER) {
      throw wrong(key, "the last turn must be an answer (from 'gpt')");
    }
    if (kind == Kind.ALIGN && turns.size() != 2) {
      throw wrong(key, "a caption takes exactly 2 turns, got " + turns.size());
    }
    if (test() && hasImage) {
      Turn asked = turns.getFirst();
      turns.set(0, new Turn(Role.USER, question(asked.text(), key + "[" + first + "].value")));
    }
    Conversation conversation = new Conversation(turns);
    int wanted = hasImage ? 1 : 0;
    if (conversation.images() != wanted) {
      throw wrong(
          key,
          "%d times <image> in the turns, expected %d for %s"
              .formatted(conversation.images(), wanted, hasImage ? "one image" : "no image"));
    }
    return conversation;
  }

  private Turn turn(JsonNode turn, String key, int place) {
    Role expected = place % 2 == 0 ? Role.USER : Role.ASSISTANT;
    String from = turn.path("from").asString("");
    String wanted = expected == Role.USER ? "human" : "gpt";
    if (!from.equals(wanted)) {
      throw wrong(
          key + ".from", "expected '%s', got '%s': roles alternate".formatted(wanted, from));
    }
    JsonNode value = turn.path("value");
    if (!value.isString()) {
      throw wrong(
          key + ".value", value.isMissingNode() ? "missing" : "expected text, got " + value);
    }
    String text = value.asString();
    // An alignment item need not ask anything: its template drops the question.
    boolean onlyImage = text.replace(ImageTokens.MARK, "").isBlank();
    if (text.isBlank() || (onlyImage && (kind != Kind.ALIGN || expected != Role.USER))) {
      throw wrong(key + ".value", expected == Role.USER ? "empty question" : "empty answer");
    }
    return new Turn(expected, text);
  }

  private String question(String text, String key) {
    try {
      return Conversation.imageFirst(text);
    } catch (IllegalArgumentException e) {
      throw wrong(key, "empty question");
    }
  }

  private boolean test() {
    return kind == Kind.TEST || kind == Kind.TEST_LENIENT;
  }

  private AnswerType answerType(JsonNode item) {
    String type = item.path("answer_type").asString("");
    return switch (type) {
      case "open", "OPEN" -> AnswerType.OPEN;
      case "close", "CLOSED" -> AnswerType.CLOSED;
      default -> {
        if (kind == Kind.TEST) {
          throw wrong(
              "answer_type",
              type.isEmpty()
                  ? "missing; write OPEN or CLOSED"
                  : "'" + type + "' is not one of open, OPEN, close, CLOSED");
        }
        yield null;
      }
    };
  }

  private Modality modality(JsonNode item) {
    JsonNode modality = item.path("modality");
    if (modality.isMissingNode() || modality.isNull()) {
      return null;
    }
    String wanted = letters(modality.asString(""));
    for (Modality candidate : Modality.values()) {
      if (letters(candidate.word()).equals(wanted)) {
        return candidate;
      }
    }
    throw wrong(
        "modality",
        "%s is not one of %s"
            .formatted(modality, Arrays.stream(Modality.values()).map(Modality::word).toList()));
  }

  private static String letters(String text) {
    return text.toLowerCase(Locale.ROOT).replaceAll("[^a-z]", "");
  }
}
