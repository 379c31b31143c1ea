package dev.theriac.llm.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalInt;

/**
 * A tokenizer read from a Hugging Face {@code tokenizer.json}, run by that project's own library.
 *
 * <p>Nothing is fetched: the library is told to stay offline and to send no usage statistics.
 * Truncation and padding in the file are ignored, since prompts are cut and padded elsewhere.
 *
 * <p>Safe for concurrent use until {@link #close}.
 */
public final class HuggingFaceTokenizerFile implements Tokenizer, AutoCloseable {
  private static final String DEFAULT_END = "<|endoftext|>";
  private static final String DEFAULT_PAD = "<|pad|>";

  private final HuggingFaceTokenizer library;
  private final Vocabulary vocabulary;
  private final byte[] json;
  private final int eosId;
  private final int padId;

  private HuggingFaceTokenizerFile(
      HuggingFaceTokenizer library, Vocabulary vocabulary, byte[] json, int eosId, int padId) {
    this.library = library;
    this.vocabulary = vocabulary;
    this.json = json;
    this.eosId = eosId;
    this.padId = padId;
  }

  /**
   * Reads {@code tokenizer.json}, or the file of that name in a directory. End and pad tokens are
   * those of {@code tokenizer_config.json} beside it; without that file they are {@code
   * <|endoftext|>} and {@code <|pad|>}, and the end token pads where there is no pad token.
   *
   * @throws TokenizerException if the file is missing or malformed, names no usable end token, or
   *     the native part of the library cannot be loaded
   */
  public static HuggingFaceTokenizerFile open(Path path) {
    Path file = Files.isDirectory(path) ? path.resolve("tokenizer.json") : path;
    byte[] json = read(file);
    Path config = file.resolveSibling("tokenizer_config.json");
    SpecialTokens special =
        Files.exists(config) ? SpecialTokens.parse(read(config), config) : SpecialTokens.NONE;
    return parse(json, file.toString(), special.end(), special.pad());
  }

  /** As {@link #open(Path)}, with the end and pad tokens named by the caller. */
  public static HuggingFaceTokenizerFile open(Path file, String end, String pad) {
    return parse(read(file), file.toString(), end, pad);
  }

  /**
   * Reads the content of a {@code tokenizer.json}.
   *
   * @param name what errors call the content, a path as a rule
   * @param end text of the end token, or null for {@code <|endoftext|>}
   * @param pad text of the pad token, or null for {@code <|pad|>} or else the end token
   */
  public static HuggingFaceTokenizerFile parse(byte[] json, String name, String end, String pad) {
    Vocabulary vocabulary = Vocabulary.parse(json, name);
    String endText = end == null ? DEFAULT_END : end;
    int eosId =
        vocabulary
            .id(endText)
            .orElseThrow(() ->
                new TokenizerException(
                    name
                        + ": no token '"
                        + endText
                        + "' to end a text; name the model's own in tokenizer_config.json"
                        + " (eos_token)"));
    OptionalInt padId = vocabulary.id(pad == null ? DEFAULT_PAD : pad);
    if (pad != null && padId.isEmpty()) {
      throw new TokenizerException(
          name + ": no token '" + pad + "', which tokenizer_config.json names as pad_token");
    }
    return new HuggingFaceTokenizerFile(
        load(json, name), vocabulary, json, eosId, padId.orElse(eosId));
  }

  private static HuggingFaceTokenizer load(byte[] json, String name) {
    NativeTokenizers.require();
    try {
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(json),
          Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false"));
    } catch (IOException | RuntimeException e) {
      throw new TokenizerException(
          name + ": not a tokenizer that this library reads (" + e.getMessage() + ")", e);
    }
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new TokenizerException(
          file + ": no such file; a model directory needs its tokenizer.json", e);
    } catch (IOException e) {
      throw new TokenizerException(file + ": cannot be read (" + e + ")", e);
    }
  }

  /** The bytes of {@code tokenizer.json} as read, for writing a model directory. */
  public byte[] json() {
    return json.clone();
  }

  @Override
  public int[] encode(String text) {
    long[] ids = library.encode(text, false, false).getIds();
    int[] result = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      result[i] = Math.toIntExact(ids[i]);
    }
    return result;
  }

  @Override
  public String decode(int[] ids, boolean skipSpecial) {
    long[] wide = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      vocabulary.check(ids[i], i);
      wide[i] = ids[i];
    }
    return wide.length == 0 ? "" : library.decode(wide, skipSpecial);
  }

  @Override
  public int vocabSize() {
    return vocabulary.size();
  }

  @Override
  public String token(int id) {
    vocabulary.check(id, 0);
    return vocabulary.token(id);
  }

  @Override
  public OptionalInt id(String token) {
    return vocabulary.id(token);
  }

  @Override
  public boolean isSpecial(int id) {
    return vocabulary.isSpecial(id);
  }

  @Override
  public int eosId() {
    return eosId;
  }

  @Override
  public int padId() {
    return padId;
  }

  /** Frees the library's copy of the vocabulary; no method may be called afterwards. */
  @Override
  public void close() {
    library.close();
  }

  @Override
  public String toString() {
    return "HuggingFaceTokenizerFile[vocabSize=%d, eos=%d, pad=%d]"
        .formatted(vocabSize(), eosId, padId);
  }
}
