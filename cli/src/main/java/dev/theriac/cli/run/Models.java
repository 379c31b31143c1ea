package dev.theriac.cli.run;

import dev.theriac.cli.config.TrainConfig;
import dev.theriac.llm.Decoder;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.tensor.Rng;
import dev.theriac.vision.VisionTransformer;

/** Makes the model that a run starts from. */
final class Models {
  private Models() {}

  /** From the directory that the configuration names, or from random weights. */
  static MedMoe start(TrainConfig config) {
    TrainConfig.Model wanted = config.model();
    if (wanted.from() != null) {
      MedMoe loaded = MedMoe.load(wanted.from());
      if (loaded.moe() != null) {
        throw new IllegalArgumentException(
            wanted.from() + ": has experts already; training starts from a dense model");
      }
      return loaded;
    }
    Rng rng = new Rng(config.seed());
    Tokenizer tokenizer = BuiltInTokenizer.load();
    return MedMoe.builder()
        .vision(new VisionTransformer(wanted.visionConfig(), rng.split(1)))
        .language(new Decoder(wanted.language().config(tokenizer.vocabSize()), rng.split(2)))
        .tokenizer(tokenizer)
        .preprocessing(wanted.pixels().preprocessing(wanted.imageSize()))
        .seed(config.seed())
        .build();
  }
}
