package dev.theriac.moe.medmoe;

import dev.theriac.io.FileException;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.ModelFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a model's directory held that the model itself does not say, to be written back by whoever
 * saves it.
 *
 * @param config the object in {@code config.json}; not to be changed
 * @param files other small files by name: those of the tokenizer too, as its older forms, of which
 *     a tokenizer.json is made, are all that older tools read
 * @param generation how the directory says the model should generate; null when it does not
 */
record KeptFiles(ObjectNode config, Map<String, byte[]> files, GenerationConfig generation) {
  /** Tokens of an answer where nobody says how many. */
  static final int NEW_TOKENS = 64;

  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** Nothing was read. */
  static final KeptFiles NONE = new KeptFiles(JSON.createObjectNode(), Map.of(), null);

  /** Those of the image processor, and how to generate. */
  private static final List<String> OTHERS =
      List.of(ModelFiles.GENERATION, "preprocessor_config.json", "processor_config.json");

  /**
   * @param tokenizers directory of the tokenizer, as a rule the same
   */
  static KeptFiles read(Path directory, Path tokenizers) {
    List<String> names = new ArrayList<>(OTHERS);
    names.addAll(ModelFiles.TOKENIZER);
    Map<String, byte[]> files = ModelFiles.read(names, directory, tokenizers);
    GenerationConfig generation = null;
    for (Path at : new Path[] {tokenizers, directory}) {
      Path file = at.resolve(ModelFiles.GENERATION);
      if (Files.isRegularFile(file)) generation = GenerationConfig.read(file, NEW_TOKENS);
    }
    Path config = directory.resolve(ModelFiles.CONFIG);
    try {
      byte[] json = ModelFiles.read(List.of(ModelFiles.CONFIG), directory).get(ModelFiles.CONFIG);
      JsonNode root = JSON.readTree(json);
      if (root instanceof ObjectNode object) return new KeptFiles(object, files, generation);
    } catch (JacksonException e) {
      throw new FileException(config, "is not valid JSON: " + e.getOriginalMessage(), e);
    }
    throw new FileException(config, "is not a JSON object");
  }
}
