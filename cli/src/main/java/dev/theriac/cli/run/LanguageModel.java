package dev.theriac.cli.run;

import dev.theriac.io.ConfigFields;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.lm.MoeLanguageModel;
import dev.theriac.moe.lm.MoeModelConfig;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelDirectory;
import dev.theriac.moe.medmoe.ModelParts;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/**
 * The language half of a model directory of any family.
 *
 * @param decoder ready to answer
 * @param tokenizer opened when it is asked for
 */
public record LanguageModel(Decoder decoder, Supplier<Tokenizer> tokenizer) {
  /**
   * Reads a directory.
   *
   * @param parts of a Med-MoE that lie elsewhere
   * @throws dev.theriac.io.FileException when it is missing, of no known family or malformed, or
   *     parts are named of a model that has none
   */
  public static LanguageModel load(Path directory, ModelParts parts) {
    String type = family(directory);
    if (ModelDirectory.MODEL_TYPES.contains(type)) {
      MedMoe model = MedMoe.load(directory, parts);
      return new LanguageModel(model.language(), model::tokenizer);
    }
    parts.requireNone(directory, type);
    if (causal().contains(type)) {
      CausalLm model = CausalLm.load(directory);
      return new LanguageModel(model.decoder(), model::tokenizer);
    }
    MoeLanguageModel model = MoeLanguageModel.load(directory);
    return new LanguageModel(model.decoder(), model::tokenizer);
  }

  /**
   * The {@code model_type} of a directory.
   *
   * @throws dev.theriac.io.FileException when it is none that has a decoder here
   */
  public static String family(Path directory) {
    ConfigFields config = ConfigFields.read(directory.resolve(ModelFiles.CONFIG));
    String type = config.text("model_type");
    List<String> known = new ArrayList<>(causal());
    for (MoeModelConfig.Kind kind : MoeModelConfig.Kind.values()) {
      known.add(kind.modelType());
    }
    known.addAll(ModelDirectory.MODEL_TYPES);
    if (known.contains(type)) return type;
    throw config.wrong("model_type", "one of " + String.join(", ", known));
  }

  private static List<String> causal() {
    return Arrays.stream(CausalLmConfig.Kind.values()).map(CausalLmConfig.Kind::modelType).toList();
  }
}
