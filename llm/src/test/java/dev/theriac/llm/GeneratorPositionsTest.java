package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Limits beyond the positions of a model, as {@code causal/check_positions.py} shows that
 * transformers takes them: it goes on, and warns.
 */
class GeneratorPositionsTest {
  private final Logger logger = Logger.getLogger("dev.theriac.llm");
  private final List<String> logged = new ArrayList<>();
  private final Handler handler =
      new Handler() {
        @Override
        public void publish(LogRecord message) {
          logged.add(message.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
      };
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
    logger.setUseParentHandlers(false);
    logger.addHandler(handler);
  }

  @AfterEach
  void close() {
    logger.removeHandler(handler);
    logger.setUseParentHandlers(true);
    scope.close();
  }

  /** The model of the fixture, but for its positions, on which its rotation does not depend. */
  private static CausalLm model(CausalReference reference, int positions) {
    CausalLmConfig c = reference.config();
    DecoderConfig d = c.decoder();
    DecoderConfig shape =
        new DecoderConfig(
            d.family(),
            d.vocabulary(),
            d.dim(),
            d.intermediate(),
            d.layers(),
            d.heads(),
            d.kvHeads(),
            d.headDim(),
            d.rotaryDims(),
            d.ropeTheta(),
            positions,
            d.normEps(),
            d.residualDropout(),
            d.initStd(),
            d.qkvBias(),
            d.qkNorm(),
            d.tiedHead(),
            d.options());
    CausalLm out =
        new CausalLm(
            new CausalLmConfig(c.kind(), shape, c.bosId(), c.endIds(), c.padId()),
            Rng.placeholders(0));
    out.loadCheckpoint(reference.weights(true));
    out.train(false);
    return out;
  }

  @ParameterizedTest
  @ValueSource(strings = {"phi", "stablelm", "llama"})
  void generationGoesOnBeyondThePositions(String name) {
    CausalReference reference = new CausalReference(name);
    CausalLm model = model(reference, 16);
    // Rows of different lengths, and a cache that grows several times.
    List<int[]> got = model.generate(reference.prompts(), GenerationConfig.greedy(64));
    for (int row = 0; row < 2; row++) {
      assertThat(got.get(row)).isEqualTo(reference.tokens("generated", row));
    }
    assertThat(logged)
        .containsExactly(
            "generation goes on beyond the model's 16 positions, for which it was not trained");
  }

  @Test
  void aLimitThatCountsThePromptMayLieBeyondThem() {
    CausalReference reference = new CausalReference("phi");
    var settings = new GenerationConfig(4096, 0, 0, 1, 1, 0, Set.of(), 0, List.of(), 40, 0);
    List<int[]> prompts = reference.prompts();
    List<int[]> got = model(reference, 16).generate(prompts, settings);
    for (int row = 0; row < 2; row++) {
      int count = 40 - prompts.get(row).length;
      assertThat(got.get(row)).isEqualTo(Arrays.copyOf(reference.tokens("generated", row), count));
    }
    assertThat(logged).hasSize(1);
    // A limit that nobody reaches takes no memory, and within the positions nothing is said.
    logged.clear();
    int end = reference.tokens("generated", 0)[3];
    GenerationConfig endless = GenerationConfig.greedy(2_000_000_000, end);
    assertThat(model(reference, 128).generate(prompts.subList(0, 1), endless).getFirst())
        .hasSizeLessThan(4);
    assertThat(logged).isEmpty();
    assertThatThrownBy(() -> model(reference, 16).generate(List.of(new int[40]), settings))
        .hasMessageContaining("prompt of 40 positions, and at most 40");
  }
}
