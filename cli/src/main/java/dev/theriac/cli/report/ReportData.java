package dev.theriac.cli.report;

import dev.theriac.vision.image.Image;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * All that a report shows; plain values, in the order of its sections. A share, accuracy or recall
 * is a number from 0 to 1, or NaN where there was nothing to measure (shown as a dash).
 *
 * @param title the heading
 * @param note one sentence under the heading, such as what the data is
 * @param configuration names and values of the run's settings and machine
 * @param plan what was trained in which stage
 * @param moe scores of the mixture of experts
 * @param dense scores of the dense model trained for as many steps, if there is one
 * @param losses the training losses, one chart for each stage
 * @param routing where tokens went, if anything was routed
 * @param samples test questions with the answers of the models
 */
public record ReportData(
    String title,
    String note,
    List<Setting> configuration,
    List<StagePlan> plan,
    Scores moe,
    Optional<Scores> dense,
    List<LossChart> losses,
    Optional<Routing> routing,
    List<Sample> samples) {

  /**
   * Copies the lists and checks that nothing is null.
   *
   * @throws IllegalArgumentException if the two models are scored on other modalities
   */
  public ReportData {
    Objects.requireNonNull(title, "title");
    Objects.requireNonNull(note, "note");
    configuration = List.copyOf(configuration);
    plan = List.copyOf(plan);
    Objects.requireNonNull(moe, "moe");
    Objects.requireNonNull(dense, "dense");
    List<String> rows = moe.modalities().stream().map(ModalityScore::modality).toList();
    dense.ifPresent(scores -> {
      List<String> others = scores.modalities().stream().map(ModalityScore::modality).toList();
      if (!rows.equals(others)) {
        throw new IllegalArgumentException(
            "report: %s has scores for %s, %s for %s; score both on the same test set"
                .formatted(moe.name(), rows, scores.name(), others));
      }
    });
    losses = List.copyOf(losses);
    Objects.requireNonNull(routing, "routing");
    samples = List.copyOf(samples);
  }

  /** One line of the configuration. */
  public record Setting(String name, String value) {}

  /**
   * One stage of training.
   *
   * @param trains the parts whose parameters change
   * @param frozen the parts whose parameters do not
   * @param trainable parameters that change
   * @param seconds how long the stage took, NaN if unknown
   */
  public record StagePlan(
      String stage, String trains, String frozen, long trainable, long steps, double seconds) {}

  /**
   * What one model reached on the test set.
   *
   * @param name as in "MoE"
   * @param modalities one row each, in the same order for every model of a report
   * @param routerAccuracy share of test pictures sent to the expert of their modality; NaN without
   *     a router
   * @param parametersActive parameters that take part in one token
   * @param seconds of training
   */
  public record Scores(
      String name,
      List<ModalityScore> modalities,
      double closedAccuracy,
      double openRecall,
      double routerAccuracy,
      long parametersTotal,
      long parametersActive,
      double tokensPerSecond,
      double seconds) {
    /** Copies the list. */
    public Scores {
      modalities = List.copyOf(modalities);
    }
  }

  /** The score on the questions about pictures of one modality. */
  public record ModalityScore(
      String modality,
      int closedQuestions,
      double closedAccuracy,
      int openQuestions,
      double openRecall) {}

  /** The losses of one stage; several curves where several models were trained in it. */
  public record LossChart(String title, List<LossCurve> curves) {
    /** Copies the list. */
    public LossChart {
      curves = List.copyOf(curves);
    }
  }

  /**
   * One loss after another, from step 1 on.
   *
   * @param losses one value for each step; values that are not finite are left out of the chart
   */
  public record LossCurve(String name, List<Double> losses) {
    /** Copies the list. */
    public LossCurve {
      losses = List.copyOf(losses);
    }
  }

  /**
   * Which share of the tokens of pictures of each modality went to which expert.
   *
   * @param layers indices of the layers that route
   * @param experts names of the experts
   * @param shares by modality, then layer, then expert; the last sum to 1
   */
  public record Routing(
      List<String> modalities,
      List<Integer> layers,
      List<String> experts,
      List<List<List<Double>>> shares) {
    /**
     * Copies the lists.
     *
     * @throws IllegalArgumentException if the shares are not modalities x layers x experts
     */
    public Routing {
      modalities = List.copyOf(modalities);
      layers = List.copyOf(layers);
      experts = List.copyOf(experts);
      shares = shares.stream().map(rows -> rows.stream().map(List::copyOf).toList()).toList();
      boolean fits = shares.size() == modalities.size();
      for (List<List<Double>> rows : shares) {
        fits &= rows.size() == layers.size();
        for (List<Double> row : rows) {
          fits &= row.size() == experts.size();
        }
      }
      if (!fits) {
        throw new IllegalArgumentException(
            "routing: shares must be %d modalities x %d layers x %d experts"
                .formatted(modalities.size(), layers.size(), experts.size()));
      }
    }
  }

  /**
   * One test question.
   *
   * @param reference the right answer
   * @param answers what the models said, by name of the model
   */
  public record Sample(
      Image image, String modality, String question, String reference, List<Answer> answers) {
    /** Copies the list. */
    public Sample {
      answers = List.copyOf(answers);
    }
  }

  /** What a model answered and whether that counts as right. */
  public record Answer(String model, String text, boolean right) {}
}
