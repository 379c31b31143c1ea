package dev.theriac.cli.run;

import dev.theriac.io.FileException;
import dev.theriac.llm.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.stream.IntStream;

/** Texts and token ids in files that users give. */
public final class TokenFile {
  private TokenFile() {}

  /**
   * Text in UTF-8.
   *
   * @throws FileException when it is missing, empty or something else
   */
  public static String text(Path file) {
    try {
      String text = Files.readString(file);
      if (text.isBlank()) throw new FileException(file, "holds no text");
      return text;
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (CharacterCodingException e) {
      throw new FileException(file, "is not text in UTF-8", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * The tokens of a text.
   *
   * @param vocabulary ids that the model has
   * @throws FileException when the file holds no text, or the tokenizer gives other ids
   */
  public static int[] encoded(Path file, Tokenizer tokenizer, int vocabulary) {
    int[] ids = tokenizer.encode(text(file), true);
    for (int id : ids) {
      if (id < vocabulary) continue;
      throw new FileException(
          file,
          "token %d (\"%s\"), but the model's vocabulary has %d; does the tokenizer belong to this"
                  .formatted(id, tokenizer.token(id), vocabulary)
              + " model?");
    }
    if (ids.length == 0) throw new FileException(file, "holds no token");
    return ids;
  }

  /**
   * Token ids, separated by blanks, commas or ends of lines; brackets are passed over, so that a
   * list in JSON is read too.
   *
   * @param vocabulary ids there are
   * @throws FileException naming line and word when one is no id of the vocabulary
   */
  public static int[] ids(Path file, int vocabulary) {
    IntStream.Builder out = IntStream.builder();
    String[] lines = text(file).split("\\R");
    for (int i = 0; i < lines.length; i++) {
      for (String word : lines[i].split("[\\s,\\[\\]]+")) {
        if (word.isEmpty()) continue;
        int id = word.matches("\\d{1,9}") ? Integer.parseInt(word) : -1;
        if (id < 0 || id >= vocabulary) {
          throw new FileException(
              file,
              "line %d: \"%s\" is not a token id, 0 to %d"
                  .formatted(
                      i + 1, word.substring(0, Math.min(40, word.length())), vocabulary - 1));
        }
        out.add(id);
      }
    }
    int[] ids = out.build().toArray();
    if (ids.length == 0) throw new FileException(file, "holds no token id");
    return ids;
  }
}
