package dev.theriac.moe.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.moe.lm.ExpertKeys.Place;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExpertKeysTest {
  @ParameterizedTest
  @CsvSource({
    "MIXTRAL, model.layers.3.block_sparse_moe.experts.7.w1.weight,"
        + " layers.3.mlp.experts.gate_proj.weight, 7",
    "MIXTRAL, model.layers.3.block_sparse_moe.experts.0.w2.weight,"
        + " layers.3.mlp.experts.down_proj.weight, 0",
    "MIXTRAL, model.layers.3.block_sparse_moe.experts.12.w3.weight,"
        + " layers.3.mlp.experts.up_proj.weight, 12",
    "MIXTRAL, model.layers.3.block_sparse_moe.gate.weight, layers.3.mlp.gate.wg.weight, -1",
    "MIXTRAL, lm_head.weight, lm_head.weight, -1",
    "SEPARATE, model.layers.0.mlp.experts.5.up_proj.weight,"
        + " layers.0.mlp.experts.up_proj.weight, 5",
    "SEPARATE, model.layers.0.mlp.gate.weight, layers.0.mlp.gate.wg.weight, -1",
    "SEPARATE, model.layers.0.mlp.shared_expert_gate.weight,"
        + " layers.0.mlp.shared_expert_gate.weight, -1",
    "SEPARATE, model.layers.0.mlp.shared_expert.gate_proj.weight,"
        + " layers.0.mlp.shared_expert.gate_proj.weight, -1",
    "SEPARATE, model.layers.1.mlp.gate_proj.weight, layers.1.mlp.gate_proj.weight, -1",
    "SEPARATE, model.layers.1.self_attn.q_norm.weight, layers.1.self_attn.q_norm.weight, -1",
    "SEPARATE, model.embed_tokens.weight, embed_tokens.weight, -1",
    "SEPARATE, model.norm.weight, norm.weight, -1",
    "SEPARATE, experts.2.down_proj.weight, experts.down_proj.weight, 2",
    "SEPARATE, gate.weight, gate.wg.weight, -1",
    "SEPARATE, gate.e_score_correction_bias, gate.e_score_correction_bias, -1",
    "SEPARATE, shared_experts.up_proj.weight, shared_experts.up_proj.weight, -1",
  })
  void leadBothWays(ExpertKeys keys, String key, String path, int expert) {
    assertThat(keys.place(key)).isEqualTo(new Place(path, expert));
    assertThat(keys.key(new Place(path, expert))).isEqualTo(key);
  }

  @Test
  void onlyStackedParametersHaveExperts() {
    assertThatThrownBy(() -> ExpertKeys.SEPARATE.key(new Place("norm.weight", 1)))
        .hasMessageContaining("norm.weight");
  }
}
