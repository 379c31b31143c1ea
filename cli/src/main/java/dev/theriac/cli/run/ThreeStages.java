package dev.theriac.cli.run;

import dev.theriac.cli.config.TrainConfig;
import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.report.Report;
import dev.theriac.cli.report.ReportData;
import dev.theriac.cli.report.ReportData.Scores;
import dev.theriac.cli.result.MetricsLog;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.result.StepMetrics;
import dev.theriac.io.SafeTensors;
import dev.theriac.moe.Router;
import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.Provenance;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.train.Evaluation;
import dev.theriac.moe.medmoe.train.RoutedSamples;
import dev.theriac.moe.medmoe.train.RouterTrainer;
import dev.theriac.moe.medmoe.train.Stage;
import dev.theriac.moe.medmoe.train.StageOptions;
import dev.theriac.moe.medmoe.train.StageTrainer;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Tensor;
import dev.theriac.train.Checkpoints;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Trains a Med-MoE as a configuration says: alignment, instruction, router, experts, and beside the
 * experts a dense model for as many steps; evaluates both on the test set and writes model
 * directories, log and report. Stopped at any moment, the same run started again goes on from its
 * last checkpoint and ends with the same bits.
 */
public final class ThreeStages {
  /** Checkpoints kept of a stage besides the best. */
  private static final int KEEP = 2;

  private static final int ROUTED_PER_GROUP = 24;

  private final TrainConfig config;
  private final Device device;
  private final Path out;
  private final String title;
  private final PrintWriter print;
  private final Progress progress;
  private final long begin = System.nanoTime();

  private RunFolder folder;
  private MetricsLog log;
  private List<StepMetrics> before = List.of();

  /**
   * @param device where the models compute
   * @param title heading of the report
   * @param print where the plan and the table go
   */
  public ThreeStages(
      TrainConfig config,
      Device device,
      Path out,
      String title,
      PrintWriter print,
      Progress progress) {
    this.config = config;
    this.device = device;
    this.out = out;
    this.title = title;
    this.print = print;
    this.progress = progress;
  }

  /** Runs everything and returns the table of results, which is printed too. */
  public ResultTable run() {
    RunData data = RunData.of(config);
    RouterClasses classes =
        RouterClasses.of(
            config.router().labels(), data.labelled(), config.model().experts().count());
    MedMoe model = Device.with(device, () -> Models.start(config));
    RunPlan plan = RunPlan.of(config, data, model);
    folder = RunFolder.open(out, config.identity(), plan.diskBytes(KEEP + 1));
    plan.print(print);
    print.println();
    print.flush();
    if (folder.resumed()) {
      before = Files.exists(metrics()) ? MetricsLog.read(metrics()) : List.of();
      progress.note(out + ": going on with the run that was started here");
    }
    try (MetricsLog opened = MetricsLog.append(metrics());
        progress) {
      log = opened;
      return train(data, classes, model, plan);
    }
  }

  private Path metrics() {
    return folder.file("metrics.jsonl");
  }

  private ResultTable train(RunData data, RouterClasses classes, MedMoe model, RunPlan plan) {
    stage("align", config.align(), Stage.ALIGN.trainer(model, data.align()), null);
    stage("instruct", config.instruct(), Stage.INSTRUCT.trainer(model, data.instruct()), null);
    Router router = router(data, classes, model);
    Dataset told = classes.known(data.routerTest());
    progress.note("router: measuring on %,d samples".formatted(told.size()));
    double routerAccuracy = RouterTrainer.accuracy(router, model, told, classes.of());
    MedMoe dense = config.evaluation().dense() ? model.copy() : null;
    MedMoe moe = model.upcycle(router, config.model().experts().options());
    StageTrainer experts =
        Stage.MOE.trainer(moe, data.moe()).untouched(config.model().experts().untouched());
    stage("moe", config.moe(), experts, data.validation());
    if (dense != null) {
      StageTrainer twin = Stage.MOE.trainer(dense, data.moe()).denseTwin();
      stage("dense", config.moe(), twin, data.validation());
    }
    Provenance origin = Provenance.of(config.seed(), config.identity(), "");
    moe.save(
        folder.file("model"),
        origin.withExperts(classes.experts(config.model().experts().count())));
    if (dense != null) dense.save(folder.file("dense"), origin);
    Evaluation ofMoe = evaluate("test", moe, data.test());
    Evaluation ofDense = dense == null ? null : evaluate("test dense", dense, data.test());
    ExpertUsage routing = RoutedSamples.usage(moe, data.test(), ROUTED_PER_GROUP, RunData::group);
    List<StepMetrics> steps = MetricsLog.read(metrics());
    double seconds = folder.secondsBefore() + seconds();
    Scores moeScores = RunScores.of("MoE", "moe", moe, ofMoe, routerAccuracy, steps);
    Optional<Scores> denseScores =
        Optional.ofNullable(dense)
            .map(d -> RunScores.of("Dense", "dense", d, ofDense, Double.NaN, steps));
    ReportData report =
        new RunReport(config, device, title, data.note(), plan, steps, seconds)
            .data(moeScores, denseScores, ofMoe, ofDense, routing, classes);
    Report.write(report, folder.file("report.html"));
    progress.close();
    ResultText.print(print, moeScores, denseScores, seconds);
    folder.save(seconds(), true);
    boolean classified = config.data().format() == TrainConfig.Format.PNEUMONIA_MNIST;
    return RunScores.table(moeScores, denseScores, seconds, classified);
  }

  private double seconds() {
    return (System.nanoTime() - begin) * 1e-9;
  }

  private void stage(
      String name, TrainConfig.Stage settings, StageTrainer trainer, Dataset validation) {
    StageOptions options = settings.options(config.seed());
    StageLog stageLog =
        new StageLog(name, progress, log, before, () -> folder.save(seconds(), false));
    trainer.options(options).onProgress(stageLog);
    int steps = trainer.plan().steps();
    int every = config.checkpointEvery();
    if (name.equals("moe") || name.equals("dense")) {
      every = config.evaluation().every();
      if (every == 0) every = Math.ceilDiv(steps, settings.epochs());
      if (validation != null) {
        trainer.score(model -> Scored.quality(answers(model, validation, done -> {})));
      }
    }
    trainer.checkpoints(new Checkpoints(folder.checkpoints(name), KEEP), every);
    try {
      trainer.run();
    } finally {
      stageLog.flush();
      progress.close();
    }
  }

  private Router router(RunData data, RouterClasses classes, MedMoe model) {
    Path file = folder.file("checkpoints").resolve("router.safetensors");
    if (Files.exists(file)) {
      SafeTensors saved = SafeTensors.open(file);
      Router read =
          Router.of(saved.get("wg.weight"), saved.get("wg.bias"), 1, Router.Weighting.PROBABILITY);
      read.to(device);
      return read;
    }
    TrainConfig.Router settings = config.router();
    progress.note("router: reading %,d labelled samples".formatted(data.labelled().size()));
    StageLog stageLog = new StageLog("router", progress, log, before, () -> {});
    Router router =
        RouterTrainer.on(model, data.labelled())
            .classes(config.model().experts().count(), classes.of())
            .epochs(settings.epochs())
            .batchSize(settings.batchSize())
            .learningRate(settings.learningRate())
            .seed(config.seed())
            .onProgress(stageLog)
            .run();
    stageLog.flush();
    progress.close();
    Map<String, Tensor> weights = new LinkedHashMap<>();
    router.parameters().forEach((path, p) -> weights.put(path, p.value()));
    SafeTensors.write(file, weights, Map.of());
    return router;
  }

  private Evaluation evaluate(String name, MedMoe model, Dataset test) {
    progress.start(name, test.size());
    return answers(model, test, done -> progress.step(done, Double.NaN, Double.NaN));
  }

  private Evaluation answers(MedMoe model, Dataset data, IntConsumer done) {
    TrainConfig.Evaluation settings = config.evaluation();
    return Evaluation.of(model, data, settings.batchSize(), settings.maxNewTokens(), done);
  }
}
