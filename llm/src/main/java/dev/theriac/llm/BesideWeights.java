package dev.theriac.llm;

import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.Set;

/**
 * What a language model's directory holds beside weights and configuration: how the model is meant
 * to generate, and its tokenizer, which is opened when it is asked for. Settings belong to one
 * thread; the tokenizer may be asked for by several.
 */
public final class BesideWeights {
  /** Tokens that a model generates whose files say nothing, as in transformers. */
  private static final int NEW_TOKENS = 20;

  private final Path source;
  private GenerationConfig generation;
  private HuggingFaceTokenizerFile tokenizer;

  private BesideWeights(Path source, GenerationConfig generation) {
    this.source = source;
    this.generation = generation;
  }

  /** For a model that was not read: greedily 20 tokens, no tokenizer. */
  public static BesideWeights none(Collection<Integer> endIds) {
    return new BesideWeights(
        null, GenerationConfig.greedy(NEW_TOKENS).withEndIds(Set.copyOf(endIds)));
  }

  /**
   * Reads {@code generation_config.json} if there is one.
   *
   * @param endIds tokens that end a text where it names none
   * @throws dev.theriac.io.FileException as {@link GenerationConfig#read(Path)}
   */
  public static BesideWeights read(Path directory, Collection<Integer> endIds) {
    Path settings = directory.resolve(ModelFiles.GENERATION);
    GenerationConfig usual = none(endIds).generation;
    if (!Files.exists(settings)) return new BesideWeights(directory, usual);
    GenerationConfig read = GenerationConfig.read(settings);
    return new BesideWeights(
        directory, read.endIds().isEmpty() ? read.withEndIds(usual.endIds()) : read);
  }

  /** How the files say the model should generate. */
  public GenerationConfig generation() {
    return generation;
  }

  /** Sets what {@link #files} gives as {@code generation_config.json}. */
  public void setGeneration(GenerationConfig settings) {
    generation = settings;
  }

  /**
   * The tokenizer of the directory, opened when it is first asked for.
   *
   * @throws dev.theriac.llm.tokenizer.TokenizerException when its files are missing or at fault
   * @throws IllegalStateException for a model that was not read and was given none
   */
  public synchronized HuggingFaceTokenizerFile tokenizer() {
    if (tokenizer != null) return tokenizer;
    if (source == null) {
      throw new IllegalStateException("language model: no tokenizer; give the model one");
    }
    tokenizer = HuggingFaceTokenizerFile.open(source);
    return tokenizer;
  }

  /** Sets the tokenizer, whose files {@link #files} gives. */
  public synchronized void setTokenizer(HuggingFaceTokenizerFile newTokenizer) {
    tokenizer = newTokenizer;
  }

  /**
   * The files by name, for a directory to which the model is saved; those of a tokenizer that
   * nobody asked for as they are, unread.
   *
   * @throws dev.theriac.io.FileException when one cannot be read
   */
  public synchronized SequencedMap<String, byte[]> files() {
    SequencedMap<String, byte[]> out = new LinkedHashMap<>();
    out.put(ModelFiles.GENERATION, ModelFiles.utf8(generation.json()));
    if (tokenizer != null) out.putAll(tokenizer.files());
    else if (source != null) out.putAll(ModelFiles.read(ModelFiles.TOKENIZER, source));
    return out;
  }
}
