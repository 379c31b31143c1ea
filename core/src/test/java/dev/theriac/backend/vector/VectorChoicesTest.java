package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is said of the kernels is so at each width, and where the JVM refuses directives. */
class VectorChoicesTest {

  private static final boolean LARGE = JitDirectives.LARGE_KERNELS;

  @BeforeEach
  void registersFollowFromTheWidth() {
    assumeFalse("aarch64".equals(System.getProperty("os.arch")), "32 registers at any width");
  }

  @Test
  void narrowTilesOfAttentionAreExplainedByWhatIsMissing() {
    String wide = LARGE && Lanes.LENGTH == 16 ? "80" : String.valueOf(3 * Lanes.LENGTH);
    String why = "";
    if (Lanes.LENGTH < 16) why = " (wider ones need 32 vector registers)";
    else if (!LARGE) why = " (wider ones are large kernels, which are not in use)";
    assertThat(VectorChoices.attention(true))
        .isEqualTo("tiles of 4 rows and up to " + wide + " columns" + why);
  }

  @Test
  void transpositionByNumbersIsNamedWhereItIsUsed() {
    String line = VectorChoices.product(true);
    assertThat(line).startsWith("tiles of " + (LARGE ? 8 : 4) + " rows and " + 3 * Lanes.LENGTH);
    assertThat(line.contains("transposed number by number"))
        .isEqualTo(!LARGE && Lanes.LENGTH == 16)
        .isEqualTo(!GemmPack.SQUARES);
  }

  @Test
  void smallerFamiliesAreNamedWhereLargeKernelsAreNotUsed() {
    assertThat(VectorChoices.fewRows(true))
        .isEqualTo(
            LARGE
                ? "kernels of their own up to 4 rows, for weights in F32 and BF16"
                : "no kernels of their own, since large kernels are not in use: the tiles above");
    assertThat(VectorChoices.quantised(true))
        .isEqualTo(
            LARGE
                ? "tiles of 1, 2 and 4 rows"
                : "tiles of 1 row (those of more are large kernels, which are not in use)");
    assertThat(VectorChoices.packed(true))
        .isEqualTo(
            LARGE
                ? "tiles of 1, 2 and 4 rows, up to 128 rows"
                : "tiles of 1 row (those of more are large kernels, which are not in use)");
    assertThat(VectorChoices.fewColumns(true))
        .isEqualTo(
            "from 64 rows and up to 128 columns in F32, a multiple of "
                + Lanes.LENGTH
                + ", the tiles of attention, which need no packed rows");
  }

  @Test
  void kernelsThatAreNotCompiledNameTheirStandIn() {
    String late = ", not compiled yet after 30 s; until they are, ";
    assertThat(VectorChoices.product(false)).endsWith(late + "scalar code of the same bits");
    assertThat(VectorChoices.attention(false)).endsWith(late + "scalar code of the same bits");
    assertThat(VectorChoices.quantised(false)).endsWith(late + "scalar code of the same bits");
    assertThat(VectorChoices.packed(false))
        .endsWith(late + "the tiles of the matrix product, of the same bits");
    assertThat(VectorChoices.fewColumns(false))
        .endsWith(late + "those of the matrix product, of the same bits");
    if (LARGE) {
      assertThat(VectorChoices.fewRows(false)).endsWith(late + "the tiles above, of the same bits");
    }
  }
}
