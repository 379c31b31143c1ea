package dev.theriac.moe.medmoe;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.Tokenizer;
import dev.theriac.tensor.Rng;
import dev.theriac.vision.Projector;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import dev.theriac.vision.image.Preprocessing;

/** Puts a dense {@link MedMoe} together from its parts. */
public final class MedMoeBuilder {
  private VisionTransformer vision;
  private Projector projector;
  private Decoder language;
  private Tokenizer tokenizer;
  private Preprocessing preprocessing;
  private KeptFiles kept = KeptFiles.NONE;
  private long seed = 42;

  MedMoeBuilder() {}

  public MedMoeBuilder vision(VisionTransformer encoder) {
    vision = encoder;
    return this;
  }

  /** The projector; without one a fresh one is made. */
  public MedMoeBuilder projector(Projector trained) {
    projector = trained;
    return this;
  }

  public MedMoeBuilder language(Decoder decoder) {
    language = decoder;
    return this;
  }

  /** The decoder's tokenizer; without one the built-in one, whose vocabulary must fit. */
  public MedMoeBuilder tokenizer(Tokenizer matching) {
    tokenizer = matching;
    return this;
  }

  /** How pictures are prepared; without one as CLIP does, at the encoder's size. */
  public MedMoeBuilder preprocessing(Preprocessing wanted) {
    preprocessing = wanted;
    return this;
  }

  /** Seed of the fresh projector. */
  public MedMoeBuilder seed(long value) {
    seed = value;
    return this;
  }

  /** Files of the directory that the model comes from. */
  MedMoeBuilder kept(KeptFiles files) {
    kept = files;
    return this;
  }

  /**
   * @throws IllegalArgumentException when the parts do not fit each other, or one does what the
   *     files of a Med-MoE cannot say
   */
  public MedMoe build() {
    if (vision == null || language == null) {
      throw new IllegalStateException(
          "MedMoe.builder(): give it a vision encoder (vision) and a decoder (language)");
    }
    check(vision.config());
    check(language.config());
    Tokenizer t = tokenizer == null ? BuiltInTokenizer.load() : tokenizer;
    if (t.vocabSize() > language.config().vocabulary()) {
      throw new IllegalArgumentException(
          "the tokenizer has %d tokens, the decoder's table %d rows"
              .formatted(t.vocabSize(), language.config().vocabulary()));
    }
    Preprocessing p =
        preprocessing == null
            ? Preprocessing.clip(vision.config().imageSize(), true)
            : preprocessing;
    if (p.size() != vision.config().imageSize()) {
      throw new IllegalArgumentException(
          "preprocessing gives %d pixels, the encoder takes %d"
              .formatted(p.size(), vision.config().imageSize()));
    }
    Projector through =
        projector == null
            ? new Projector(
                vision.config().dim(),
                language.config().dim(),
                new Rng(seed).split(77),
                language.config().initStd())
            : projector;
    return new MedMoe(vision, through, language, t, p, null, kept);
  }

  private static void check(VisionConfig encoder) {
    if (encoder.channels() != 3) {
      throw new IllegalArgumentException(
          "MedMoe.builder(): the vision encoder takes %d channels; Med-MoE's pictures are RGB, 3"
              .formatted(encoder.channels()));
    }
  }

  /** Against what {@code config.json} can say. */
  private static void check(DecoderConfig d) {
    if (d.family() == DecoderConfig.Family.LLAMA) {
      throw new IllegalArgumentException(
          "Med-MoE's decoders are of the families PHI and STABLELM, this one is LLAMA");
    }
    DecoderConfig usual =
        new DecoderConfig(
            d.family(),
            d.vocabulary(),
            d.dim(),
            d.intermediate(),
            d.layers(),
            d.heads(),
            d.kvHeads(),
            d.rotaryDims(),
            d.ropeTheta(),
            d.maxPositions(),
            d.normEps(),
            d.residualDropout(),
            d.initStd());
    boolean phi = d.family() == DecoderConfig.Family.PHI;
    DecoderConfig said =
        usual.withOptions(
            usual
                .options()
                .withBiases(phi, phi, d.options().headBias())
                .withEmbeddingDropout(phi ? d.options().embeddingDropout() : 0));
    if (!d.equals(said)) {
      throw new IllegalArgumentException(
          "MedMoe.builder(): Med-MoE's decoders are %s, this one is %s".formatted(said, d));
    }
  }
}
