package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.WrongValues;
import dev.theriac.fuzz.WrongValues.Kind;
import dev.theriac.io.PartialWeights;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every field of a Med-MoE's files that changes what is computed, with values of no sense. */
class ConfigValuesTest {
  @TempDir Path all;

  private static void read(Path model) {
    ModelDirectory.contents(model, ModelParts.none(), PartialWeights.open(model));
  }

  /** Of either decoder, in the form that Theriac writes. */
  @ParameterizedTest
  @EnumSource(
      value = Family.class,
      names = {"PHI", "STABLELM"})
  void valuesOfNoSenseAreRefusedByFileAndField(Family family) throws IOException {
    try (Scope _ = Scope.open()) {
      TinyModels.mixture(family).save(all, Provenance.unknown());
    }
    WrongValues wrong =
        decoder(new WrongValues(all.resolve("config.json")))
            .fields(Kind.SIZE, "mm_hidden_size", "image_size", "patch_size", "size")
            .fields(Kind.NUMBERS, "mean", "std")
            .fields(Kind.FLAG, "meta_expert")
            .fields(Kind.WORD, "weighting");
    boolean phi = family == Family.PHI;
    if (phi) wrong.fields(Kind.PROBABILITY, "resid_pdrop", "embd_pdrop");
    else
      wrong.fields(Kind.PROBABILITY, "hidden_dropout").fields(Kind.SHARE, "rope_pct", "norm_eps");
    if (phi) wrong.fields(Kind.SHARE, "partial_rotary_factor").fields(Kind.FLAG, "qk_layernorm");
    else wrong.fields(Kind.FLAG, "use_qkv_bias").fields(Kind.POSITIVE, "rotary_scaling_factor");
    assertThat(wrong.run(file -> read(all))).isGreaterThan(1000);
  }

  private static WrongValues decoder(WrongValues in) {
    return in.fields(Kind.SIZE, "vocab_size", "hidden_size", "intermediate_size")
        .fields(Kind.SIZE, "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
        .fields(Kind.SIZE, "top_k_experts")
        .fields(Kind.COUNT, "max_position_embeddings")
        .fields(Kind.BASE, "rope_theta")
        .fields(Kind.SHARE, "layer_norm_eps", "initializer_range")
        .fields(Kind.PROBABILITY, "attention_dropout")
        .fields(Kind.FACTOR, "router_aux_loss_coef")
        .fields(Kind.INDEX, "mm_vision_select_layer")
        .fields(Kind.FLAG, "moe_enable", "use_residual", "mm_use_im_start_end")
        .fields(Kind.FLAG, "tie_word_embeddings")
        .fields(Kind.SIZES, "num_experts")
        .fields(Kind.SIZES, "moe_layers_idx")
        .fields(Kind.WORD, "model_type", "hidden_act", "moe_mode", "image_aspect_ratio")
        .fields(Kind.WORD, "image_projector_type", "mm_vision_select_feature");
  }

  /** What is published lies in three files. */
  @Test
  void soAreThoseOfPublishedModels() throws IOException, URISyntaxException {
    PublishedModels.copy(all);
    Path model = all.resolve(PublishedModels.PHI);
    int count =
        decoder(new WrongValues(model.resolve("config.json")))
            .fields(Kind.SIZE, "mm_hidden_size")
            .run(file -> read(model));
    for (String name : new String[] {PublishedModels.CLIP, PublishedModels.SIGLIP}) {
      boolean clip = name.equals(PublishedModels.CLIP);
      Path seeing = clip ? model : all.resolve(PublishedModels.STABLELM);
      WrongValues encoder =
          new WrongValues(all.resolve(name).resolve("config.json"))
              .fields(Kind.SIZE, "hidden_size", "intermediate_size", "num_hidden_layers")
              .fields(Kind.SIZE, "num_attention_heads", "num_channels", "image_size", "patch_size")
              .fields(Kind.SHARE, "layer_norm_eps")
              .fields(Kind.PROBABILITY, "attention_dropout")
              .fields(Kind.WORD, "hidden_act");
      if (clip) encoder.fields(Kind.SHARE, "initializer_range");
      count += encoder.run(file -> read(seeing));
      WrongValues pictures =
          new WrongValues(all.resolve(name).resolve("preprocessor_config.json"))
              .fields(Kind.NUMBERS, "image_mean", "image_std")
              .fields(Kind.POSITIVE, "rescale_factor")
              .fields(Kind.INDEX, "resample")
              .fields(Kind.FLAG, "do_center_crop", "do_convert_rgb", "do_normalize", "do_rescale")
              .fields(Kind.FLAG, "do_resize");
      // SigLIP's has further heights and widths, of a crop that is not made.
      if (clip) pictures.fields(Kind.SIZE, "shortest_edge", "height", "width");
      count += pictures.run(file -> read(seeing));
    }
    assertThat(count).isGreaterThan(2000);
  }
}
