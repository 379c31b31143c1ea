package dev.theriac.moe.lm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.WrongValues;
import dev.theriac.fuzz.WrongValues.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every field of a mixture's {@code config.json} that changes what is computed, made senseless. */
class MoeConfigValuesTest {
  @TempDir Path dir;

  @ParameterizedTest
  @ValueSource(strings = {"mixtral-options", "qwen2_moe-options", "olmoe-options"})
  void valuesOfNoSenseAreRefusedByFileAndField(String name) throws IOException {
    Path file = Files.copy(ReferenceFile.path(name + ".json"), dir.resolve("config.json"));
    WrongValues wrong =
        new WrongValues(file)
            .fields(Kind.SIZE, "vocab_size", "hidden_size", "intermediate_size")
            .fields(Kind.SIZE, "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
            .fields(Kind.SIZE, "num_experts_per_tok")
            .fields(Kind.COUNT, "max_position_embeddings")
            .fields(Kind.BASE, "rope_theta")
            .fields(Kind.POSITIVE, "factor")
            .fields(Kind.SHARE, "initializer_range", "rms_norm_eps")
            .fields(Kind.PROBABILITY, "attention_dropout")
            .fields(Kind.FACTOR, "router_aux_loss_coef")
            .fields(Kind.FLAG, "tie_word_embeddings")
            .fields(Kind.WORD, "model_type", "hidden_act", "rope_type");
    switch (name) {
      case "mixtral-options" ->
          wrong
              .fields(Kind.SIZE, "num_local_experts", "head_dim")
              .fields(Kind.PROBABILITY, "router_jitter_noise")
              .fields(Kind.COUNT, "sliding_window");
      case "qwen2_moe-options" ->
          wrong
              .fields(Kind.SIZE, "num_experts", "moe_intermediate_size")
              .fields(Kind.SIZE, "shared_expert_intermediate_size")
              .fields(Kind.COUNT, "decoder_sparse_step", "sliding_window")
              .fields(Kind.FLAG, "norm_topk_prob", "qkv_bias", "use_sliding_window");
      default ->
          wrong
              .fields(Kind.SIZE, "num_experts")
              .fields(Kind.POSITIVE, "low_freq_factor", "high_freq_factor")
              .fields(Kind.FLAG, "norm_topk_prob", "attention_bias");
    }
    assertThat(wrong.run(MoeModelConfig::read)).isGreaterThan(500);
  }
}
