package dev.theriac.moe.medmoe;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.moe.Router;
import dev.theriac.tensor.Rng;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;

/** Models of a few thousand parameters for tests. */
public final class TinyModels {
  private static final Tokenizer TOKENIZER = BuiltInTokenizer.load();

  private TinyModels() {}

  public static VisionConfig vision() {
    return new VisionConfig(16, 8, 12, 3, 2, 20, 1e-5, -2, 0.1);
  }

  public static DecoderConfig decoder(Family family, double dropout) {
    return new DecoderConfig(family, 512, 16, 24, 3, 2, 2, 4, 1e4, 512, 1e-5, dropout, 0.1);
  }

  public static MedMoe dense(Family family) {
    return dense(family, 0);
  }

  public static MedMoe dense(Family family, double dropout) {
    MedMoe model =
        MedMoe.builder()
            .vision(new VisionTransformer(vision(), new Rng(1)))
            .language(new Decoder(decoder(family, dropout), new Rng(2)))
            .tokenizer(TOKENIZER)
            .seed(3)
            .build();
    model.train(false);
    return model;
  }

  public static MedMoe mixture(Family family) {
    MedMoe model = dense(family).upcycle(router(), MoeOptions.medMoe());
    model.train(false);
    return model;
  }

  public static Router router() {
    return new Router(16, 4, 1, Router.Weighting.PROBABILITY, new Rng(4));
  }
}
