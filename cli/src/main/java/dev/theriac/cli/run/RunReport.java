package dev.theriac.cli.run;

import dev.theriac.backend.Backends;
import dev.theriac.backend.Workers;
import dev.theriac.cli.config.TrainConfig;
import dev.theriac.cli.report.ReportData;
import dev.theriac.cli.report.ReportData.Answer;
import dev.theriac.cli.report.ReportData.LossChart;
import dev.theriac.cli.report.ReportData.LossCurve;
import dev.theriac.cli.report.ReportData.Routing;
import dev.theriac.cli.report.ReportData.Sample;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.cli.report.ReportData.Setting;
import dev.theriac.cli.result.StepMetrics;
import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.medmoe.data.ImageSource;
import dev.theriac.moe.medmoe.prompt.ImageTokens;
import dev.theriac.moe.medmoe.train.Evaluation;
import dev.theriac.moe.medmoe.train.Evaluation.Answered;
import dev.theriac.moe.medmoe.train.StagePlan;
import dev.theriac.tensor.Device;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Gathers what the report of a run shows.
 *
 * @param device where the models computed
 * @param seconds of the whole run
 */
record RunReport(
    TrainConfig config,
    Device device,
    String title,
    String note,
    RunPlan plan,
    List<StepMetrics> steps,
    double seconds) {
  private static final int SAMPLES = 12;

  /**
   * @param ofDense answers of the dense model, or null
   */
  ReportData data(
      Scores moe,
      Optional<Scores> dense,
      Evaluation ofMoe,
      Evaluation ofDense,
      ExpertUsage routing,
      RouterClasses classes) {
    return new ReportData(
        title,
        note,
        settings(),
        stages(),
        moe,
        dense,
        losses(),
        Optional.of(routing(routing, classes)),
        samples(ofMoe, ofDense));
  }

  private List<Setting> settings() {
    TrainConfig.Model model = config.model();
    return List.of(
        new Setting("Seed", Long.toString(config.seed())),
        new Setting("Data", config.data().format().name().toLowerCase(Locale.ROOT)),
        new Setting(
            "Experts",
            "%d, top-%d%s"
                .formatted(
                    model.experts().count(),
                    model.experts().topK(),
                    model.experts().meta() ? ", and a meta expert" : "")),
        new Setting("Router labels", config.router().labels().name().toLowerCase(Locale.ROOT)),
        new Setting("Whole run", String.format(Locale.ROOT, "%.0f s", seconds)),
        new Setting("Java", Runtime.version().toString()),
        new Setting("Device", device.toString()),
        new Setting("Back end", Backends.of(device).name()),
        new Setting("Threads", Integer.toString(Workers.threads())));
  }

  private List<ReportData.StagePlan> stages() {
    List<ReportData.StagePlan> rows = new ArrayList<>();
    plan.stages()
        .forEach((name, p) -> {
          rows.add(row(name, p));
          if (name.equals("instruct")) {
            rows.add(
                new ReportData.StagePlan(
                    "router",
                    "router",
                    "the whole model",
                    plan.routerParameters(),
                    plan.routerSteps(),
                    RunScores.seconds(steps, "router")));
          }
        });
    return rows;
  }

  private ReportData.StagePlan row(String name, StagePlan p) {
    return new ReportData.StagePlan(
        name,
        RunPlan.names(p.trained()),
        RunPlan.names(p.frozen()),
        p.trainedCount(),
        p.steps(),
        RunScores.seconds(steps, name));
  }

  private List<LossChart> losses() {
    List<LossChart> charts = new ArrayList<>();
    charts.add(new LossChart("Stage 1: alignment", curves("align", "MoE")));
    charts.add(new LossChart("Stage 2: instruction", curves("instruct", "MoE")));
    charts.add(new LossChart("Router", curves("router", "MoE")));
    List<LossCurve> last = new ArrayList<>(curves("moe", "MoE"));
    last.addAll(curves("dense", "Dense"));
    charts.add(new LossChart("Stage 3: experts", last));
    charts.removeIf(chart -> chart.curves().isEmpty());
    return charts;
  }

  private List<LossCurve> curves(String stage, String name) {
    List<Double> values =
        steps.stream().filter(s -> s.stage().equals(stage)).map(StepMetrics::loss).toList();
    return values.isEmpty() ? List.of() : List.of(new LossCurve(name, values));
  }

  private Routing routing(ExpertUsage usage, RouterClasses classes) {
    List<List<List<Double>>> values =
        usage.cohorts().stream()
            .map(group ->
                usage.layers().stream()
                    .map(layer -> Arrays.stream(usage.row(group, layer).shares()).boxed().toList())
                    .toList())
            .toList();
    return new Routing(
        usage.cohorts(), usage.layers(), classes.experts(config.model().experts().count()), values);
  }

  /** A few questions of every group, spread over the test set. */
  private static List<Sample> samples(Evaluation ofMoe, Evaluation ofDense) {
    List<String> groups =
        ofMoe.answers().stream().map(a -> RunData.group(a.sample())).distinct().toList();
    List<Sample> chosen = new ArrayList<>();
    for (String group : groups) {
      int[] of =
          IntStream.range(0, ofMoe.answers().size())
              .filter(i -> RunData.group(ofMoe.answers().get(i).sample()).equals(group))
              .filter(i -> !(ofMoe.answers().get(i).sample().image() instanceof ImageSource.None))
              .toArray();
      int count = Math.min(of.length, Math.max(1, SAMPLES / groups.size()));
      for (int k = 0; k < count; k++) {
        int i = of[(int) ((long) k * of.length / count)];
        List<Answer> answers = new ArrayList<>();
        answers.add(answer("MoE", ofMoe.answers().get(i)));
        if (ofDense != null) answers.add(answer("Dense", ofDense.answers().get(i)));
        chosen.add(sample(ofMoe.answers().get(i), group, answers));
      }
    }
    return chosen;
  }

  private static Sample sample(Answered answered, String group, List<Answer> answers) {
    var conversation = answered.sample().conversation();
    String question = conversation.asQuestion().turns().getLast().text();
    return new Sample(
        answered.sample().image().load(),
        group,
        question.replace(ImageTokens.MARK, "").strip(),
        conversation.answer(),
        answers);
  }

  private static Answer answer(String model, Answered answered) {
    return new Answer(model, answered.answer(), answered.right());
  }
}
