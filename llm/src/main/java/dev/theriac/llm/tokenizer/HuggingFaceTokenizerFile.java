package dev.theriac.llm.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.theriac.io.AtomicFile;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import tools.jackson.databind.node.ObjectNode;

/**
 * A tokenizer in Hugging Face's files, run by that project's own library: {@code tokenizer.json},
 * or {@code vocab.json} and {@code merges.txt} of GPT-2, CodeGen (Phi-2) and Qwen2, with what
 * {@link TokenizerConfig} names beside them. Ids and texts are those of transformers.
 *
 * <p>Nothing is fetched: the library is told to stay offline and to send no usage statistics.
 * Truncation and padding in the file are ignored, since prompts are cut and padded elsewhere; so is
 * {@code clean_up_tokenization_spaces}, as in transformers for such vocabularies.
 *
 * <p>Safe for concurrent use until {@link #close}.
 */
public final class HuggingFaceTokenizerFile implements Tokenizer, AutoCloseable {
  private static final String TOKENIZER = "tokenizer.json";
  private static final String DEFAULT_END = "<|endoftext|>";
  private static final String DEFAULT_PAD = "<|pad|>";

  private final HuggingFaceTokenizer library;
  private final Vocabulary vocabulary;
  private final TokenizerConfig config;
  private final SequencedMap<String, byte[]> files;
  private final String folder;
  private final OptionalInt bosId;
  private final int eosId;
  private final int padId;

  private HuggingFaceTokenizerFile(
      TokenizerJson json,
      byte[] original,
      String name,
      TokenizerConfig config,
      Map<String, byte[]> beside) {
    this.vocabulary = json.vocabulary();
    this.config = config;
    this.bosId = config.bos().map(vocabulary::id).orElse(OptionalInt.empty());
    this.eosId = end(config.eos().orElse(DEFAULT_END), name);
    this.padId = pad(config.pad(), name).orElse(eosId);
    this.folder = name.substring(0, name.lastIndexOf(java.io.File.separatorChar) + 1);
    this.files = new LinkedHashMap<>();
    files.put(TOKENIZER, json.bytes(original));
    files.putAll(beside);
    this.library = load(json.checked(files.get(TOKENIZER)), name);
  }

  /**
   * Reads {@code tokenizer.json}, or a directory with that file or with {@code vocab.json} and
   * {@code merges.txt}, and the files beside it. Where they do not name end and pad tokens, these
   * are {@code <|endoftext|>} and {@code <|pad|>}, and the end token pads where there is no pad
   * token.
   *
   * @throws TokenizerException if a file is missing or malformed, names no usable end token, or the
   *     native part of the library cannot be loaded
   */
  public static HuggingFaceTokenizerFile open(Path path) {
    Path file = Files.isDirectory(path) ? path.resolve(TOKENIZER) : path;
    Path directory = file.toAbsolutePath().getParent();
    if (path.equals(file.getParent())) directory = path;
    TokenizerConfigReader reader = new TokenizerConfigReader(directory);
    TokenizerConfig config = reader.read();
    byte[] original = null;
    ObjectNode root;
    String name = file.toString();
    if (Files.exists(file)) {
      original = JsonFiles.read(file);
      root = JsonFiles.object(original, name);
    } else if (BytePairFiles.exist(directory)) {
      name = directory.resolve(BytePairFiles.VOCAB).toString();
      root = BytePairFiles.read(directory, config);
    } else {
      throw new TokenizerException(missing(file, directory));
    }
    TokenizerJson json = new TokenizerJson(root, name);
    json.apply(config, reader.added);
    if (original == null) json.surround(config);
    // Its tokens are in tokenizer.json from now on.
    reader.files.remove(TokenizerConfigReader.ADDED);
    return new HuggingFaceTokenizerFile(json, original, name, config, reader.files);
  }

  private static String missing(Path file, Path directory) {
    String text =
        "%s: no such file, nor %s and %s beside it; a model directory needs its tokenizer"
            .formatted(file, BytePairFiles.VOCAB, BytePairFiles.MERGES);
    for (String other : List.of("tokenizer.model", "tekken.json", "vocab.txt")) {
      if (Files.exists(directory.resolve(other))) {
        text +=
            ". %s is not read; make a tokenizer.json of it with transformers:".formatted(other)
                + " AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)";
      }
    }
    return text;
  }

  /** As {@link #open(Path)} of one file alone, with the end and pad tokens named by the caller. */
  public static HuggingFaceTokenizerFile open(Path file, String end, String pad) {
    return parse(JsonFiles.read(file), file.toString(), end, pad);
  }

  /**
   * Reads the content of a {@code tokenizer.json}.
   *
   * @param name what errors call the content, a path as a rule
   * @param end text of the end token, or null for {@code <|endoftext|>}
   * @param pad text of the pad token, or null for {@code <|pad|>} or else the end token
   */
  public static HuggingFaceTokenizerFile parse(byte[] json, String name, String end, String pad) {
    TokenizerJson file = new TokenizerJson(JsonFiles.object(json, name), name);
    TokenizerConfig config =
        TokenizerConfig.named(Optional.ofNullable(end), Optional.ofNullable(pad));
    file.apply(config, List.of());
    return new HuggingFaceTokenizerFile(file, json.clone(), name, config, Map.of());
  }

  private int end(String text, String name) {
    return vocabulary
        .id(text)
        .orElseThrow(() ->
            new TokenizerException(
                name
                    + ": no token '"
                    + text
                    + "' to end a text; name the model's own in tokenizer_config.json"
                    + " (eos_token)"));
  }

  private OptionalInt pad(Optional<String> named, String name) {
    OptionalInt id = vocabulary.id(named.orElse(DEFAULT_PAD));
    if (named.isPresent() && id.isEmpty()) {
      throw new TokenizerException(
          name
              + ": no token '"
              + named.get()
              + "', which tokenizer_config.json names as pad_token");
    }
    return id;
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

  /** What the files beside {@code tokenizer.json} say. */
  public TokenizerConfig config() {
    return config;
  }

  /** Where a chat template of {@link #config} was read, for error messages. */
  public String chatTemplateFile(String template) {
    String beside =
        template.equals("default")
            ? TokenizerConfigReader.TEMPLATE
            : TokenizerConfigReader.TEMPLATES + "/" + template + ".jinja";
    return files.containsKey(beside)
        ? folder + beside
        : folder + TokenizerConfigReader.CONFIG + ": chat_template";
  }

  /**
   * The files of the tokenizer by name, for writing a model directory: {@code tokenizer.json} as it
   * is used, even where it was not read from one, and those beside it as read.
   */
  public SequencedMap<String, byte[]> files() {
    SequencedMap<String, byte[]> copy = new LinkedHashMap<>();
    files.forEach((name, bytes) -> copy.put(name, bytes.clone()));
    return copy;
  }

  /**
   * Writes {@link #files} into a directory, each replaced in one step.
   *
   * @throws dev.theriac.io.FileException when one cannot be written
   */
  public void save(Path directory) {
    files.forEach((name, bytes) -> AtomicFile.write(directory.resolve(name), bytes));
  }

  /** The bytes of {@code tokenizer.json}, for writing a model directory. */
  public byte[] json() {
    return files.get(TOKENIZER).clone();
  }

  @Override
  public int[] encode(String text) {
    return encode(text, false);
  }

  @Override
  public int[] encode(String text, boolean addSpecial) {
    // The library would read the whole text wrong, not only the half pair.
    long[] ids = library.encode(Surrogates.repaired(text), addSpecial, false).getIds();
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
      if (ids[i] < 0) vocabulary.check(ids[i], i);
      wide[i] = ids[i];
    }
    return wide.length == 0 ? "" : library.decode(wide, skipSpecial);
  }

  @Override
  public boolean has(int id) {
    return vocabulary.has(id);
  }

  @Override
  public boolean isByte(int id) {
    return vocabulary.isByte(id);
  }

  @Override
  public OptionalInt bosId() {
    return bosId;
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
