package dev.theriac.moe.medmoe.train;

import dev.theriac.llm.Generator.Pass;
import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.audit.RouteSink;
import dev.theriac.moe.audit.RoutingRecorder;
import dev.theriac.moe.audit.TrailHeader;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.ImageSource;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Scope;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.LongStream;

/** Counts which experts the samples of a data set pass. */
public final class RoutedSamples {
  private RoutedSamples() {}

  /**
   * Runs up to {@code perGroup} samples of each group, question and answer, one by one.
   *
   * @param group name of a sample's group (its modality, site, scanner), or null to leave it out
   */
  public static ExpertUsage usage(
      MedMoe model, Dataset data, int perGroup, Function<Sample, String> group) {
    PromptEncoder encoder = new PromptEncoder(model.tokenizer(), Template.PHI, Integer.MAX_VALUE);
    Map<String, Integer> taken = new LinkedHashMap<>();
    ExpertUsage usage = new ExpertUsage(TrailHeader.layersOf(model.language()));
    for (int i = 0; i < data.size(); i++) {
      Sample sample = data.get(i);
      String name = group.apply(sample);
      if (name == null || taken.merge(name, 1, Integer::sum) > perGroup) continue;
      run(model, encoder.training(sample.conversation()), sample, usage.by(_ -> name));
    }
    return usage;
  }

  /** One sample alone has no padding, so every routed token is one of its own. */
  private static void run(MedMoe model, Example example, Sample sample, RouteSink sink) {
    boolean pictured = !(sample.image() instanceof ImageSource.None);
    float[][] pixels =
        pictured ? new float[][] {model.preprocess(sample.image().load())} : new float[0][];
    try (Scope _ = Scope.open()) {
      Autograd.noGrad(() -> {
        var out = model.forward(List.of(example), pixels).output();
        int length = Math.toIntExact(out.hidden().size(1));
        Pass pass = new Pass(1, length, LongStream.range(0, length).toArray());
        new RoutingRecorder(sink).record(pass, out.sides());
        return null;
      });
    }
  }
}
