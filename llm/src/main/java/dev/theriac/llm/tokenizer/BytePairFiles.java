package dev.theriac.llm.tokenizer;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The byte-level BPE of {@code vocab.json} and {@code merges.txt}, written as the {@code
 * tokenizer.json} that transformers makes of them, so that one engine runs both layouts.
 */
final class BytePairFiles {
  static final String VOCAB = "vocab.json";
  static final String MERGES = "merges.txt";

  /** How Qwen2 cuts text: contractions, words with the sign before them, single digits, signs. */
  private static final String QWEN2 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
          + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private final Path directory;
  private final TokenizerConfig config;

  private BytePairFiles(Path directory, TokenizerConfig config) {
    this.directory = directory;
    this.config = config;
  }

  static boolean exist(Path directory) {
    return Files.exists(directory.resolve(VOCAB)) && Files.exists(directory.resolve(MERGES));
  }

  /**
   * The content of a {@code tokenizer.json}, without added tokens.
   *
   * @throws TokenizerException naming the file and line or token that is wrong, or the class of
   *     tokenizer for which the two files do not say enough
   */
  static ObjectNode read(Path directory, TokenizerConfig config) {
    return new BytePairFiles(directory, config).json();
  }

  private ObjectNode json() {
    boolean qwen2 = config.tokenizerClass().equals("Qwen2Tokenizer");
    if (!qwen2) checkClass();
    ObjectNode root = JsonFiles.JSON.createObjectNode().put("version", "1.0");
    root.putNull("truncation").putNull("padding").putArray("added_tokens");
    if (qwen2) root.putObject("normalizer").put("type", "NFC");
    else root.putNull("normalizer");
    if (qwen2) {
      ObjectNode sequence = root.putObject("pre_tokenizer").put("type", "Sequence");
      ArrayNode steps = sequence.putArray("pretokenizers");
      ObjectNode split = steps.addObject().put("type", "Split");
      split.putObject("pattern").put("Regex", QWEN2);
      split.put("behavior", "Isolated").put("invert", false);
      byteLevel(steps.addObject(), config.addPrefixSpace(), false);
    } else {
      byteLevel(root.putObject("pre_tokenizer"), config.addPrefixSpace(), true);
    }
    root.putNull("post_processor");
    byteLevel(root.putObject("decoder"), true, true);
    model(root.putObject("model"));
    return root;
  }

  private void checkClass() {
    switch (config.tokenizerClass()) {
      case "", "GPT2Tokenizer", "CodeGenTokenizer" -> {}
      default ->
          throw new TokenizerException(
              "%s: tokenizer_class is %s, whose rules for cutting text are not in %s and %s; write"
                      .formatted(
                          directory.resolve(TokenizerConfigReader.CONFIG),
                          config.tokenizerClass(),
                          VOCAB,
                          MERGES)
                  + " a tokenizer.json with transformers:"
                  + " AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)");
    }
  }

  private static void byteLevel(ObjectNode step, boolean prefixSpace, boolean regex) {
    step.put("type", "ByteLevel").put("add_prefix_space", prefixSpace);
    step.put("trim_offsets", true).put("use_regex", regex);
  }

  private void model(ObjectNode model) {
    model.put("type", "BPE").putNull("dropout").putNull("unk_token");
    model.put("continuing_subword_prefix", "").put("end_of_word_suffix", "");
    model.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
    String name = directory.resolve(VOCAB).toString();
    ObjectNode vocab = JsonFiles.object(JsonFiles.read(directory.resolve(VOCAB)), name);
    vocab
        .properties()
        .forEach(entry -> {
          JsonNode id = entry.getValue();
          if (!id.isInt() || id.asInt() < 0)
            throw JsonFiles.wrong(name, entry.getKey(), id, "an id");
        });
    model.set("vocab", vocab);
    merges(model.putArray("merges"), vocab);
  }

  private void merges(ArrayNode merges, ObjectNode vocab) {
    Path file = directory.resolve(MERGES);
    String[] lines = new String(JsonFiles.read(file), StandardCharsets.UTF_8).split("\n", -1);
    for (int i = 0; i < lines.length; i++) {
      String line =
          lines[i].endsWith("\r") ? lines[i].substring(0, lines[i].length() - 1) : lines[i];
      if (line.startsWith("#version") || line.isEmpty() && i == lines.length - 1) continue;
      int blank = line.indexOf(' ');
      if (blank < 1 || blank == line.length() - 1 || line.indexOf(' ', blank + 1) >= 0) {
        throw bad(file, i, "'" + shortened(line) + "' is not two tokens with a blank between");
      }
      String left = line.substring(0, blank);
      String right = line.substring(blank + 1);
      for (String token : new String[] {left, right, left + right}) {
        if (!vocab.has(token)) throw bad(file, i, "'" + shortened(token) + "' is not in " + VOCAB);
      }
      merges.add(line);
    }
  }

  private static String shortened(String text) {
    return text.length() > 80 ? text.substring(0, 80) + "..." : text;
  }

  private static TokenizerException bad(Path file, int line, String why) {
    return new TokenizerException("%s: line %d: %s".formatted(file, line + 1, why));
  }
}
