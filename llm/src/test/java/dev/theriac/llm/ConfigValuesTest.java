package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.WrongValues;
import dev.theriac.fuzz.WrongValues.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every field of a language model's files that changes what is computed, with values of no sense.
 */
class ConfigValuesTest {
  @TempDir Path dir;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "phi-options",
        "stablelm-yarn",
        "llama-llama3",
        "llama-dynamic",
        "mistral-window",
        "qwen2-options"
      })
  void valuesOfNoSenseAreRefusedByFileAndField(String name) throws IOException {
    Path file = Files.copy(CausalReference.path(name + ".json"), dir.resolve("config.json"));
    WrongValues wrong =
        new WrongValues(file)
            .fields(Kind.SIZE, "vocab_size", "hidden_size", "intermediate_size")
            .fields(Kind.SIZE, "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
            .fields(Kind.COUNT, "max_position_embeddings")
            .fields(Kind.BASE, "rope_theta")
            .fields(Kind.SHARE, "initializer_range")
            .fields(Kind.PROBABILITY, "attention_dropout")
            .fields(Kind.FLAG, "tie_word_embeddings")
            .fields(Kind.WORD, "model_type", "hidden_act", "rope_type");
    switch (name.substring(0, name.indexOf('-'))) {
      case "phi" ->
          wrong
              .fields(Kind.PROBABILITY, "resid_pdrop", "embd_pdrop")
              .fields(Kind.SHARE, "layer_norm_eps")
              .fields(Kind.FLAG, "qk_layernorm");
      case "stablelm" ->
          wrong
              .fields(Kind.PROBABILITY, "hidden_dropout")
              .fields(Kind.SHARE, "layer_norm_eps")
              .fields(Kind.FLAG, "qk_layernorm", "use_parallel_residual", "use_qkv_bias")
              .fields(Kind.COUNT, "original_max_position_embeddings")
              .fields(Kind.POSITIVE, "factor");
      default -> wrong.fields(Kind.SIZE, "head_dim").fields(Kind.SHARE, "rms_norm_eps");
    }
    switch (name) {
      case "llama-llama3" ->
          wrong
              .fields(Kind.POSITIVE, "factor", "high_freq_factor", "low_freq_factor")
              .fields(Kind.COUNT, "original_max_position_embeddings")
              .fields(Kind.FLAG, "attention_bias", "mlp_bias");
      case "llama-dynamic" -> wrong.fields(Kind.POSITIVE, "factor");
      case "mistral-window" -> wrong.fields(Kind.COUNT, "sliding_window");
      case "qwen2-options" ->
          wrong.fields(Kind.COUNT, "sliding_window").fields(Kind.FLAG, "use_sliding_window");
      default -> {}
    }
    assertThat(wrong.run(CausalLmConfig::read)).isGreaterThan(400);
  }

  @Test
  void soAreThoseOfGenerationSettings() throws IOException {
    var settings = new GenerationConfig(9, 0.5, 3, 0.9, 1.1, 0, Set.of(7, 8));
    Path file = dir.resolve("generation_config.json");
    Files.writeString(file, settings.withMinNewTokens(2).json());
    int count =
        new WrongValues(file)
            .fields(Kind.FLAG, "do_sample")
            .fields(Kind.COUNT, "max_new_tokens")
            .fields(Kind.POSITIVE, "temperature", "repetition_penalty", "top_p")
            .run(GenerationConfig::read);
    assertThat(count).isGreaterThan(100);
  }
}
