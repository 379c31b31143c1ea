package dev.theriac.cli.run;

import dev.theriac.cli.config.TrainConfig.Labels;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.Modality;
import dev.theriac.moe.medmoe.data.Sample;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.ToIntFunction;

/**
 * What the router tells apart, and which expert is for what.
 *
 * @param names of the classes; class i is expert i
 * @param of class of a sample, from 0; -1 for one of an unknown class
 */
record RouterClasses(List<String> names, ToIntFunction<Sample> of) {

  /**
   * Finds the classes of the labelled samples.
   *
   * @throws IllegalArgumentException if there are fewer than two, or more than experts
   */
  static RouterClasses of(Labels labels, Dataset labelled, int experts) {
    return switch (labels) {
      case MODALITY -> modalities(labelled, experts);
      case ANSWER -> answers(labelled, experts);
    };
  }

  private static RouterClasses modalities(Dataset labelled, int experts) {
    List<Modality> found =
        RunData.samples(labelled).stream()
            .map(Sample::modality)
            .filter(Objects::nonNull)
            .distinct()
            .toList();
    int classes = Modality.values().length;
    if (found.size() < 2) {
      throw new IllegalArgumentException(
          "router: the data has samples of %s alone; set router.labels to \"answer\", or add others"
              .formatted(found.isEmpty() ? "no modality" : found.getFirst().word()));
    }
    if (experts < classes) {
      throw new IllegalArgumentException(
          "router: %d experts for %d modalities; set model.experts.count to %d or more"
              .formatted(experts, classes, classes));
    }
    List<String> names = Arrays.stream(Modality.values()).map(Modality::word).toList();
    return new RouterClasses(names, s -> s.modality() == null ? -1 : s.modality().ordinal());
  }

  private static RouterClasses answers(Dataset labelled, int experts) {
    List<String> names =
        RunData.samples(labelled).stream()
            .map(s -> s.conversation().answer())
            .distinct()
            .sorted()
            .toList();
    if (names.size() < 2 || names.size() > experts) {
      throw new IllegalArgumentException(
          "router: the labelled samples have %d different answers, 2 to %d (model.experts.count) can be told apart"
              .formatted(names.size(), experts));
    }
    return new RouterClasses(names, s -> names.indexOf(s.conversation().answer()));
  }

  /** The samples of a class that the router learnt; on others it cannot be measured. */
  Dataset known(Dataset data) {
    return Dataset.of(RunData.samples(data).stream().filter(s -> of.applyAsInt(s) >= 0).toList());
  }

  /** Names of all experts: that of the class where there is one. */
  List<String> experts(int count) {
    return java.util.stream.IntStream.range(0, count)
        .mapToObj(i -> i < names.size() ? names.get(i) : "expert " + i)
        .toList();
  }
}
