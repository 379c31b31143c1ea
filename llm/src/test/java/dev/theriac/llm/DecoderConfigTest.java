package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** What a configuration makes of a decoder. */
class DecoderConfigTest {
  private static DecoderConfig llama() {
    return new DecoderConfig(Family.LLAMA, 11, 12, 20, 2, 3, 1, 4, 1e4, 16, 1e-5, 0, 0.3);
  }

  @Test
  void theLlamaFamilyHasTheKeysOfItsCheckpoints() {
    assertThat(new Decoder(llama(), new Rng(1)).parameters().keySet())
        .containsExactly(
            "embed_tokens.weight",
            "layers.0.self_attn.q_proj.weight",
            "layers.0.self_attn.k_proj.weight",
            "layers.0.self_attn.v_proj.weight",
            "layers.0.self_attn.o_proj.weight",
            "layers.0.mlp.gate_proj.weight",
            "layers.0.mlp.up_proj.weight",
            "layers.0.mlp.down_proj.weight",
            "layers.0.input_layernorm.weight",
            "layers.0.post_attention_layernorm.weight",
            "layers.1.self_attn.q_proj.weight",
            "layers.1.self_attn.k_proj.weight",
            "layers.1.self_attn.v_proj.weight",
            "layers.1.self_attn.o_proj.weight",
            "layers.1.mlp.gate_proj.weight",
            "layers.1.mlp.up_proj.weight",
            "layers.1.mlp.down_proj.weight",
            "layers.1.input_layernorm.weight",
            "layers.1.post_attention_layernorm.weight",
            "norm.weight",
            "lm_head.weight");
  }

  @Test
  void optionsAddTheirParameters() {
    DecoderConfig wide = llama().withHeadDim(6).withQkvBias(true).withQkNorm(true);
    var parameters = new Decoder(wide, new Rng(1)).parameters();
    assertThat(wide.rotaryDims()).isEqualTo(6);
    assertThat(parameters.get("layers.1.self_attn.q_proj.weight").value().shape())
        .containsExactly(18, 12);
    assertThat(parameters.get("layers.1.self_attn.o_proj.weight").value().shape())
        .containsExactly(12, 18);
    assertThat(parameters.get("layers.1.self_attn.k_proj.bias").value().shape()).containsExactly(6);
    assertThat(parameters.get("layers.1.self_attn.q_norm.weight").value().shape())
        .containsExactly(18);
    assertThat(parameters.get("layers.1.self_attn.k_norm.weight").value().shape())
        .containsExactly(6);
    assertThat(parameters).doesNotContainKey("layers.1.self_attn.o_proj.bias");
  }

  @Test
  void aTiedHeadIsTheTableAndBothUsesGiveItGradient() {
    try (Scope _ = Scope.open()) {
      Decoder tied = new Decoder(llama().withTiedHead(true), new Rng(1));
      assertThat(tied.parameters()).doesNotContainKey("lm_head.weight");
      Tensor table = tied.parameters().get("embed_tokens.weight").value();
      Tensor hidden = Tensor.randn(new Rng(2), 1, 3, 12);
      assertThat(tied.logits(hidden).toFloats())
          .isEqualTo(hidden.matmul(table.transpose(0, 1)).toFloats());
      Tensor ids = Tensor.of(new long[] {5}, 1, 1);
      Tensor logits =
          tied.logits(
              tied.forward(tied.embed(ids), Tensor.of(new long[] {0}, 1, 1), null, null, false)
                  .hidden());
      Gradients grads = logits.mul(logits).sum().backward();
      float[] of = grads.get(table).toFloats();
      for (int row : new int[] {4, 5}) assertThat(of[row * 12]).as("row %d", row).isNotZero();
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    assertThatThrownBy(
            () -> new DecoderConfig(Family.LLAMA, 11, 12, 20, 2, 5, 1, 2, 1e4, 16, 1e-5, 0, 0.3))
        .hasMessageContaining("width 12, 5 heads");
    assertThatThrownBy(() -> DecoderConfig.phi2().withQkvBias(false)).hasMessageContaining("PHI");
    assertThatThrownBy(() -> DecoderConfig.stableLm2().withHeadDim(80))
        .hasMessageContaining("32 heads of 80");
    assertThatThrownBy(() -> llama().withHeadDim(3)).hasMessageContaining("head of 3");
  }

  private static DecoderConfig numbers(
      int inner, double theta, int positions, double eps, double dropout, double std) {
    return new DecoderConfig(
        Family.LLAMA, 11, 12, inner, 2, 3, 1, 4, theta, positions, eps, dropout, std);
  }

  /** What is made in code knows the bounds of what is read from files. */
  @Test
  void refusesNumbersThatMakeNoSense() {
    for (double theta : new double[] {0, -1e4, 0.5, 1e13, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertThatThrownBy(() -> numbers(20, theta, 16, 1e-5, 0, 0.3))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "decoder: base of the rotary frequencies %s; from 1.0 to 1.0E12 is wanted", theta);
    }
    for (double p : new double[] {-0.1, 1, 2, Double.NaN}) {
      assertThatThrownBy(() -> numbers(20, 1e4, 16, 1e-5, p, 0.3))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "decoder: dropout %s after attention and feed-forward; from 0 to below 1 is wanted",
              p);
      DecoderOptions options = llama().options();
      assertThatThrownBy(() -> options.withEmbeddingDropout(p))
          .hasMessageContaining("dropout " + p);
      assertThatThrownBy(() -> options.withAttentionDropout(p))
          .hasMessageContaining("dropout " + p);
    }
    for (double share : new double[] {-1e-9, 1.5, Double.NaN}) {
      assertThatThrownBy(() -> numbers(20, 1e4, 16, share, 0, 0.3))
          .hasMessageContaining("epsilon of the norms " + share);
      assertThatThrownBy(() -> numbers(20, 1e4, 16, 1e-5, 0, share))
          .hasMessageContaining("standard deviation of fresh weights " + share);
    }
    assertThatThrownBy(() -> numbers(20, 1e4, 0, 1e-5, 0, 0.3)).hasMessageContaining("0 positions");
    assertThatThrownBy(() -> numbers(0, 1e4, 16, 1e-5, 0, 0.3)).hasMessageContaining("width 0");
    numbers(1, 1, 1, 0, 0.99, 0);
    numbers(1, 1e12, Integer.MAX_VALUE, 1, 0, 1);
  }
}
