package dev.theriac.moe.medmoe.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.FeedForward.SideOutput;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.TinyModels;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.PhantomSets;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.tensor.Scope;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Counts by group against a plain recount. */
class RoutedSamplesTest {
  private static final int PER_GROUP = 3;
  private final MedMoe model = TinyModels.mixture(Family.STABLELM);
  private final Dataset data = PhantomSets.questions(Phantoms.test(5, 6, 16));

  private static String group(Sample sample) {
    return switch (sample.modality()) {
      case CT -> "site A";
      case MRI -> "site B";
      default -> null;
    };
  }

  @Test
  void countsAreThoseOfAPlainRecount() {
    Map<String, long[][]> wanted = new HashMap<>();
    Map<String, Integer> taken = new HashMap<>();
    PromptEncoder encoder = new PromptEncoder(model.tokenizer(), Template.PHI, Integer.MAX_VALUE);
    for (int i = 0; i < data.size(); i++) {
      Sample sample = data.get(i);
      String group = group(sample);
      if (group == null || taken.merge(group, 1, Integer::sum) > PER_GROUP) continue;
      long[][] counts = wanted.computeIfAbsent(group, _ -> new long[2][4]);
      try (Scope _ = Scope.open()) {
        float[][] pixels = {model.preprocess(sample.image().load())};
        var out = model.forward(List.of(encoder.training(sample.conversation())), pixels).output();
        int layer = 0;
        for (SideOutput side : out.sides()) {
          if (!(side instanceof MoeLayer.Side s)) continue;
          for (long id : s.routing().experts().toLongs()) counts[layer][(int) id]++;
          layer++;
        }
      }
    }
    ExpertUsage usage = RoutedSamples.usage(model, data, PER_GROUP, RoutedSamplesTest::group);
    assertThat(usage.cohorts()).containsExactly("site A", "site B");
    assertThat(usage.layers()).containsExactly(0, 2);
    for (String group : usage.cohorts()) {
      for (int l = 0; l < 2; l++) {
        ExpertUsage.Row row = usage.row(group, 2 * l);
        assertThat(row.routes()).isEqualTo(wanted.get(group)[l]);
        assertThat(row.meanEntropy()).isBetween(0.0, Math.log(4));
        assertThat(row.meanMargin()).isPositive();
      }
    }
  }
}
