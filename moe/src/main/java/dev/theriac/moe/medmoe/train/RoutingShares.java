package dev.theriac.moe.medmoe.train;

import dev.theriac.llm.FeedForward;
import dev.theriac.moe.MoeLayer;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.ImageSource;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Scope;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;

/**
 * Which share of the tokens of each group of samples each expert gets.
 *
 * @param layers decoder layers that have experts
 * @param shares by group, in the order of their first samples: [layer][expert]; each row sums to 1
 */
public record RoutingShares(List<Integer> layers, SequencedMap<String, double[][]> shares) {

  /**
   * Runs up to {@code perGroup} samples of each group, question and answer, one by one.
   *
   * @param group name of a sample's group, or null to leave it out
   */
  public static RoutingShares of(
      MedMoe model, Dataset data, int perGroup, Function<Sample, String> group) {
    PromptEncoder encoder = new PromptEncoder(model.tokenizer(), Template.PHI, Integer.MAX_VALUE);
    Map<String, Integer> taken = new LinkedHashMap<>();
    SequencedMap<String, double[][]> counts = new LinkedHashMap<>();
    for (int i = 0; i < data.size(); i++) {
      Sample sample = data.get(i);
      String name = group.apply(sample);
      if (name == null || taken.merge(name, 1, Integer::sum) > perGroup) continue;
      double[][] sum =
          counts.computeIfAbsent(
              name, k -> new double[model.moeLayers().size()][model.moe().experts()]);
      count(model, encoder.training(sample.conversation()), sample, sum);
    }
    counts.values().forEach(RoutingShares::normalise);
    return new RoutingShares(layers(model), counts);
  }

  private static List<Integer> layers(MedMoe model) {
    List<Integer> found = new ArrayList<>();
    for (int i = 0; i < model.language().layers().size(); i++) {
      if (model.language().layers().get(i).feedForward() instanceof MoeLayer) found.add(i);
    }
    return found;
  }

  /** One sample alone has no padding, so every routed token is one of its own. */
  private static void count(MedMoe model, Example example, Sample sample, double[][] sum) {
    boolean pictured = !(sample.image() instanceof ImageSource.None);
    float[][] pixels =
        pictured ? new float[][] {model.preprocess(sample.image().load())} : new float[0][];
    try (Scope _ = Scope.open()) {
      Autograd.noGrad(() -> {
        int layer = 0;
        for (FeedForward.SideOutput side :
            model.forward(List.of(example), pixels).output().sides()) {
          if (!(side instanceof MoeLayer.Side s)) continue;
          for (long expert : s.routing().experts().toLongs()) sum[layer][(int) expert]++;
          layer++;
        }
        return null;
      });
    }
  }

  private static void normalise(double[][] counts) {
    for (double[] row : counts) {
      double all = 0;
      for (double c : row) all += c;
      for (int e = 0; e < row.length; e++) row[e] /= all;
    }
  }
}
