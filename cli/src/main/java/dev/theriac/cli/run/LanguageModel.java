package dev.theriac.cli.run;

import dev.theriac.io.ConfigFields;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.ModelFiles;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.lm.MoeLanguageModel;
import dev.theriac.moe.lm.MoeModelConfig;
import dev.theriac.moe.medmoe.MedMoe;
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
  private static final List<String> MED_MOE =
      List.of("llava_phi", "llava_stablelm", "moe_llava_phi", "moe_llava_stablelm");

  /**
   * Reads a directory.
   *
   * @throws dev.theriac.io.FileException when it is missing, of no known family or malformed
   */
  public static LanguageModel load(Path directory) {
    String type = family(directory);
    if (MED_MOE.contains(type)) {
      MedMoe model = MedMoe.load(directory);
      return new LanguageModel(model.language(), model::tokenizer);
    }
    if (causal().contains(type)) {
      CausalLm model = CausalLm.load(directory);
      return new LanguageModel(model.decoder(), model::tokenizer);
    }
    return new LanguageModel(
        MoeLanguageModel.load(directory).decoder(), () -> HuggingFaceTokenizerFile.open(directory));
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
    known.addAll(MED_MOE);
    if (known.contains(type)) return type;
    throw config.wrong("model_type", "one of " + String.join(", ", known));
  }

  private static List<String> causal() {
    return Arrays.stream(CausalLmConfig.Kind.values()).map(CausalLmConfig.Kind::modelType).toList();
  }
}
