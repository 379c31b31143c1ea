package dev.theriac.cuda.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class PtxSignaturesTest {
  private static final String PTX =
      """
      .version 8.0
      .target sm_80
      .visible .entry none()
      {
      	ret;
      }
      .visible .entry some(
      	.param .u64 .ptr .align 1 some_param_0,
      	.param .align 8 .b8 some_param_1[136],
      	.param .u32 some_param_2,
      	.param .f64 some_param_3
      )
      .maxntid 128, 1, 1
      {
      	ret;
      }
      """;

  @Test
  void readsSizesInOrder() {
    PtxSignatures signatures = new PtxSignatures(PTX);
    assertThat(signatures.names()).containsExactlyInAnyOrder("none", "some");
    assertThat(signatures.of("none")).isEmpty();
    assertThat(signatures.of("some")).containsExactly(8, 136, 4, 8);
    assertThatThrownBy(() -> signatures.of("other")).hasMessageContaining("no kernel other");
  }

  @Test
  void anUnknownTypeIsAnError() {
    assertThatThrownBy(() -> new PtxSignatures(".entry odd(.param .b128 odd_param_0)"))
        .hasMessageContaining(".b128");
  }
}
