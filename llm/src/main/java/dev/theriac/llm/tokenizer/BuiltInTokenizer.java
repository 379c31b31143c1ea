package dev.theriac.llm.tokenizer;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/**
 * The tokenizer of the built-in models: byte-level BPE over 512 tokens, in which the words of the
 * built-in data are single tokens and any other text falls apart into bytes at worst.
 *
 * <p>The opening sentence of the chat templates is one added token. {@code src/main/tokenizer}
 * holds the corpus and the script that made the file.
 */
public final class BuiltInTokenizer {
  private static final String RESOURCE = "tokenizer.json";

  private BuiltInTokenizer() {}

  /** Reads it anew; the caller closes it. */
  public static HuggingFaceTokenizerFile load() {
    return HuggingFaceTokenizerFile.parse(json(), "built-in " + RESOURCE, null, null);
  }

  /** The bytes of its {@code tokenizer.json}, for writing a model directory. */
  public static byte[] json() {
    try (InputStream in = BuiltInTokenizer.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new TokenizerException(
            "the jar of theriac-llm lacks its resource " + RESOURCE + "; build it again");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
