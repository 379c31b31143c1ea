package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.io.FileException;
import dev.theriac.nn.RopeScaling;
import dev.theriac.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class CausalLmConfigTest {
  @TempDir Path dir;

  private CausalLmConfig read(String fields) throws IOException {
    return CausalLmConfig.read(Files.writeString(dir.resolve("config.json"), "{" + fields + "}"));
  }

  /** What transformers takes where a file says nothing. */
  @Test
  void defaultsAreThoseOfTransformers() throws IOException {
    DecoderConfig phi = read("\"model_type\": \"phi\"").decoder();
    assertThat(phi.rotaryDims()).isEqualTo(32);
    assertThat(phi.intermediate()).isEqualTo(8192);
    assertThat(phi.options().headBias()).isTrue();
    assertThat(phi.options().activation()).isEqualTo(UnaryKind.GELU_TANH);
    DecoderConfig stable = read("\"model_type\": \"stablelm\"").decoder();
    assertThat(stable.rotaryDims()).isEqualTo(20);
    assertThat(stable.qkvBias()).isFalse();
    DecoderConfig mistral = read("\"model_type\": \"mistral\"").decoder();
    assertThat(mistral.kvHeads()).isEqualTo(8);
    assertThat(mistral.options().slidingWindow()).isEqualTo(4096);
    assertThat(read("\"model_type\": \"mistral\", \"sliding_window\": null").decoder().options())
        .isEqualTo(DecoderOptions.of(DecoderConfig.Family.LLAMA));
    assertThat(
            read("\"model_type\": \"mistral\", \"num_key_value_heads\": null").decoder().kvHeads())
        .isEqualTo(32);
    assertThat(read("\"model_type\": \"llama\"").decoder().kvHeads()).isEqualTo(32);
    assertThat(read("\"model_type\": \"qwen2\"").decoder().qkvBias()).isTrue();
  }

  /** A field that is null says that there is no such token; a missing one leaves the usual. */
  @Test
  void specialTokensHaveTheFamilysDefaults() throws IOException {
    CausalLmConfig usual = read("\"model_type\": \"llama\"");
    assertThat(usual.bosId()).isEqualTo(1);
    assertThat(usual.endIds()).containsExactly(2);
    assertThat(usual.padId()).isNull();
    CausalLmConfig none =
        read("\"model_type\": \"llama\", \"bos_token_id\": null, \"eos_token_id\": null");
    assertThat(none.bosId()).isNull();
    assertThat(none.endIds()).isEmpty();
    assertThat(read("\"model_type\": \"stablelm\"").endIds()).containsExactly(0);
    assertThat(read("\"model_type\": \"qwen2\"").endIds()).isEmpty();
    assertThat(read("\"model_type\": \"phi\", \"pad_token_id\": -1").padId()).isEqualTo(-1);
  }

  @Test
  void dropoutsAreRead() throws IOException {
    DecoderConfig phi =
        read("\"model_type\": \"phi\", \"resid_pdrop\": 0.1, \"embd_pdrop\": 0.2,"
                + " \"attention_dropout\": 0.3")
            .decoder();
    assertThat(phi.residualDropout()).isEqualTo(0.1);
    assertThat(phi.options().embeddingDropout()).isEqualTo(0.2);
    assertThat(phi.options().attentionDropout()).isEqualTo(0.3);
  }

  @Test
  void readsPublishedFiles() throws IOException {
    CausalLmConfig phi2 =
        read(
            """
            "architectures": ["PhiForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 50256,
            "embd_pdrop": 0.0, "eos_token_id": 50256, "hidden_act": "gelu_new",
            "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size": 10240,
            "layer_norm_eps": 1e-05, "max_position_embeddings": 2048, "model_type": "phi",
            "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
            "partial_rotary_factor": 0.4, "qk_layernorm": false, "resid_pdrop": 0.1,
            "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings": false,
            "torch_dtype": "float16", "transformers_version": "4.37.0", "use_cache": true,
            "vocab_size": 51200
            """);
    assertThat(phi2).isEqualTo(CausalLmConfig.phi2());
    CausalLmConfig stableLm2 =
        read(
            """
            "architectures": ["StableLmForCausalLM"], "bos_token_id": 100257,
            "eos_token_id": 100257, "hidden_act": "silu", "hidden_size": 2048,
            "initializer_range": 0.02, "intermediate_size": 5632, "layer_norm_eps": 1e-05,
            "max_position_embeddings": 4096, "model_type": "stablelm",
            "num_attention_heads": 32, "num_hidden_layers": 24, "num_key_value_heads": 32,
            "partial_rotary_factor": 0.25, "rope_theta": 10000, "tie_word_embeddings": false,
            "torch_dtype": "float16", "use_cache": true, "use_qkv_bias": true,
            "vocab_size": 100352
            """);
    assertThat(stableLm2).isEqualTo(CausalLmConfig.stableLm2());
    CausalLmConfig llama3 =
        read(
            """
            "attention_bias": false, "bos_token_id": 128000,
            "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu",
            "hidden_size": 2048, "intermediate_size": 8192, "max_position_embeddings": 131072,
            "mlp_bias": false, "model_type": "llama", "num_attention_heads": 32,
            "num_hidden_layers": 16, "num_key_value_heads": 8, "pretraining_tp": 1,
            "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
            "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
            "rope_type": "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": true,
            "vocab_size": 128256
            """);
    assertThat(llama3.endIds()).containsExactly(128001, 128008, 128009);
    assertThat(llama3.decoder().options().ropeScaling())
        .isEqualTo(RopeScaling.llama3(32, 1, 4, 8192));
    assertThat(llama3.decoder().tiedHead()).isTrue();
    assertThat(llama3.decoder().ropeTheta()).isEqualTo(500_000);
  }

  static Iterable<String> names() {
    return CausalReference.NAMES;
  }

  /** Nothing is lost on the way through a file. */
  @ParameterizedTest
  @MethodSource("names")
  void writesWhatItReads(String name) throws IOException {
    CausalLmConfig config = new CausalReference(name).config();
    Path file = Files.writeString(dir.resolve("config.json"), config.json(DType.BF16));
    assertThat(CausalLmConfig.read(file)).isEqualTo(config);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "gpt2 | | \"model_type\" is \"gpt2\"; one of phi, stablelm, llama, mistral, qwen2",
        "llama | 'hidden_act': 'mish' | \"hidden_act\" is \"mish\"; one of silu",
        "llama | 'attention_dropout': 1.5 | \"attention_dropout\" is 1.5; a number from 0 to below",
        "phi | 'embd_pdrop': -1 | \"embd_pdrop\" is -1",
        "phi | 'resid_pdrop': 1 | \"resid_pdrop\" is 1",
        "stablelm | 'hidden_dropout': 'x' | \"hidden_dropout\" is \"x\"",
        "llama | 'per_layer_config': {} | \"per_layer_config\" is",
        "llama | 'sliding_window': 16 | \"sliding_window\" is 16; null",
        "phi | 'layer_types': ['sliding_attention'] | \"layer_types\" is",
        "mistral | 'layer_types': ['full_attention'] | \"layer_types\" is",
        "llama | 'pad_token_id': 32000 | \"pad_token_id\" is 32000",
        "llama | 'num_hidden_layers': 2000000000 | \"num_hidden_layers\" is 2000000000; a whole",
        "llama | 'num_attention_heads': 4000000, 'head_dim': 2 | \"num_attention_heads\" is"
            + " 4000000",
        "llama | 'head_dim': 0 | \"head_dim\" is 0",
        "llama | 'rms_norm_eps': 1e999 | \"rms_norm_eps\"",
        "llama | 'rope_theta': 0 | \"rope_theta\" is 0",
        "llama | 'rope_parameters': {'full_attention': {}} | \"rope_parameters.full_attention\"",
        "llama | 'rope_scaling': 'linear' | \"rope_scaling\" is \"linear\"; an object",
        "llama | 'rope_scaling': {'type': 'longrope', 'short_factor': [1], 'long_factor': [1]} |"
            + " 1 short and 1 long factors for 64 pairs",
        "llama | 'rope_scaling': {'type': 'longrope', 'short_factor': [1], 'long_factor': [-1]} |"
            + " numbers above 0",
        "llama | 'rope_scaling': {'type': 'longrope'} | \"rope_scaling.short_factor\" is missing",
        "phi | 'rope_scaling': {'type': 'proportional'} | \"partial_rotary_factor\"",
        "llama | 'head_dim': 2, 'rope_scaling': {'type': 'dynamic', 'factor': 2} | 4 or more",
        "qwen2 | 'use_sliding_window': true, 'sliding_window': 0 | \"sliding_window\" is 0; 1",
        "llama | 'quantization_config': {'bits': 4} | \"quantization_config\" is",
        "llama | 'rope_scaling': {'type': 'mrope'} | \"rope_scaling.type\" is \"mrope\"; one"
            + " of",
        "llama | 'rope_scaling': {'type': 'linear'} | \"rope_scaling.factor\" is missing",
        "llama | 'rope_scaling': {'type': 'linear', 'factor': 0.5} | factor of 1 or more",
        "llama | 'partial_rotary_factor': 0.5 | \"partial_rotary_factor\" is 0.5; 1",
        "phi | 'partial_rotary_factor': 0.18 | so that 11 turn",
        "phi | 'num_attention_heads': 7 | a divisor of hidden_size, which is 2048,",
        "llama | 'num_key_value_heads': 5 | 32 heads and 5 key-value heads",
        "stablelm | 'head_dim': 16 | 32 heads of 16 in a model of width 2560",
        "llama | 'vocab_size': 'many' | \"vocab_size\" is \"many\"; a whole number",
        "llama | 'vocab_size': 0 | \"vocab_size\" is 0; a whole number from 1",
        "mistral | 'sliding_window': -1 | \"sliding_window\" is -1; 1 or more",
        "qwen2 | 'layer_types': ['sliding_attention'] | use_sliding_window is false",
        "qwen2 | 'use_sliding_window': true, 'layer_types': ['full_attention'] | for each layer",
      })
  void saysWhatItCannotRead(String type, String field, String message) {
    String more = field == null ? "" : ", " + field.replace('\'', '"');
    assertThatThrownBy(() -> read("\"model_type\": \"" + type + "\"" + more))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("config.json")
        .hasMessageContaining(message);
  }
}
