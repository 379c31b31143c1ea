package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The distributions under which dispatch is measured. */
class FixedRouterTest extends ScopedTest {
  private static ExpertLoad load(FixedRouter router, int tokens, int experts, int topK) {
    return ExpertLoad.of(router.choose(tokens, experts, topK), experts);
  }

  @Test
  void idsAreDistinctAndRepeatable() {
    for (FixedRouter router :
        List.of(
            FixedRouter.roundRobin(),
            FixedRouter.uniform(1),
            FixedRouter.zipf(1.5, 1),
            FixedRouter.allToOne(),
            FixedRouter.halfEmpty(1))) {
      for (int[] shape : new int[][] {{0, 3, 1}, {1, 1, 1}, {50, 7, 3}, {50, 7, 7}, {33, 16, 2}}) {
        int k = shape[2];
        long[] ids = router.choose(shape[0], shape[1], k).toLongs();
        assertThat(ids).hasSize(shape[0] * k);
        for (int t = 0; t < shape[0]; t++) {
          assertThat(Arrays.stream(ids, t * k, t * k + k).distinct().count())
              .as("%s, token %d", router, t)
              .isEqualTo(k);
        }
        for (long id : ids) assertThat(id).isBetween(0L, shape[1] - 1L);
        assertThat(router.choose(shape[0], shape[1], k).toLongs()).isEqualTo(ids);
      }
    }
    assertThat(FixedRouter.uniform(1).choose(50, 7, 3).toLongs())
        .isNotEqualTo(FixedRouter.uniform(2).choose(50, 7, 3).toLongs());
  }

  @Test
  void distributionsHaveTheirShape() {
    assertThat(load(FixedRouter.roundRobin(), 64, 16, 2).maxOverMean()).isEqualTo(1);
    assertThat(load(FixedRouter.allToOne(), 64, 16, 1).counts()[0]).isEqualTo(64);
    assertThat(load(FixedRouter.allToOne(), 64, 16, 1).empty()).isEqualTo(15);
    assertThat(load(FixedRouter.halfEmpty(3), 512, 16, 2).empty()).isEqualTo(8);
    assertThat(load(FixedRouter.halfEmpty(3), 512, 16, 2).maxOverMean()).isBetween(2.0, 2.8);
    // Measured once for 128 experts, 4096 tokens, 8 of them each: 1.17, 5.2, 13.4, 15.9.
    assertThat(load(FixedRouter.uniform(3), 4096, 128, 8).maxOverMean())
        .isCloseTo(1.17, within(0.08));
    assertThat(load(FixedRouter.zipf(0.5, 3), 4096, 128, 8).maxOverMean())
        .isCloseTo(5.2, within(0.4));
    assertThat(load(FixedRouter.zipf(1, 3), 4096, 128, 8).maxOverMean())
        .isCloseTo(13.4, within(0.4));
    assertThat(load(FixedRouter.zipf(1.5, 3), 4096, 128, 8).maxOverMean())
        .isCloseTo(15.9, within(0.2));
    assertThat(load(FixedRouter.uniform(3), 4096, 128, 8))
        .asString()
        .startsWith("32768 rows, max/mean 1.");
  }

  @Test
  void aRouterPassesTokensWhereItIsTold() {
    Router plain = new Router(6, 5, 2, Router.Weighting.PROBABILITY, new Rng(1));
    Router told = plain.with(FixedRouter.roundRobin());
    Tensor u = normal(2, 4, 6);
    Routing r = told.route(u);
    assertThat(r.experts().toLongs()).containsExactly(0, 1, 2, 3, 4, 0, 1, 2);
    assertThat(r.logits().toFloats()).isEqualTo(plain.route(u).logits().toFloats());
    assertThat(told.copy().route(u).experts().toLongs()).isEqualTo(r.experts().toLongs());
  }

  @Test
  void recordedExpertsComeBack() {
    FixedRouter recorded = FixedRouter.recorded(Tensor.of(new long[] {3, 1, 0, 2}, 2, 2));
    assertThat(recorded.choose(2, 4, 2).toLongs()).containsExactly(3, 1, 0, 2);
    assertThatThrownBy(() -> recorded.choose(3, 4, 2))
        .hasMessageContaining("[2, 2]")
        .hasMessageContaining("3 tokens");
    assertThatThrownBy(() -> FixedRouter.uniform(1).choose(3, 4, 5))
        .hasMessageContaining("top-k 5 of 4");
  }
}
