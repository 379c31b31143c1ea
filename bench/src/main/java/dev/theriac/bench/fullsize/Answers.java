package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.Stats;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** Both programs' answers of each round: ours in some precisions, PyTorch's in BF16. */
final class Answers {
  private final Map<Precision, List<Answer>> ours = new EnumMap<>(Precision.class);
  private final List<Answer> theirs = new ArrayList<>();

  Answers(Collection<Precision> precisions) {
    for (Precision p : precisions) ours.put(p, new ArrayList<>());
  }

  /** Empty where that precision was not asked for. */
  List<Answer> ours(Precision precision) {
    return ours.getOrDefault(precision, List.of());
  }

  /** As many as ours in BF16, or one less where a round was not finished. */
  List<Answer> theirs() {
    return theirs;
  }

  static double median(List<Answer> answers, ToDoubleFunction<Answer> part) {
    double[] values = answers.stream().mapToDouble(part).toArray();
    Arrays.sort(values);
    return Stats.median(values);
  }

  /** PyTorch's time over ours within each round, ascending. */
  double[] ratios(Precision precision, ToDoubleFunction<Answer> part) {
    List<Answer> mine = ours(precision);
    double[] out = new double[Math.min(theirs.size(), mine.size())];
    for (int i = 0; i < out.length; i++) {
      out[i] = part.applyAsDouble(theirs.get(i)) / part.applyAsDouble(mine.get(i));
    }
    Arrays.sort(out);
    return out;
  }
}
