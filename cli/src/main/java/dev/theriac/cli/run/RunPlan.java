package dev.theriac.cli.run;

import dev.theriac.cli.config.TrainConfig;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.train.Stage;
import dev.theriac.moe.medmoe.train.StagePlan;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * What a run will do, known before it starts.
 *
 * @param stages what trains, by the name that the log gives the stage
 * @param routerSamples labelled samples of the router
 * @param routerSteps of the router
 * @param routerParameters of the router
 * @param parametersTotal of the mixture
 * @param parametersActive of the mixture, of one token
 */
record RunPlan(
    SequencedMap<String, StagePlan> stages,
    int routerSamples,
    int routerSteps,
    long routerParameters,
    long parametersTotal,
    long parametersActive) {

  static RunPlan of(TrainConfig config, RunData data, MedMoe model) {
    SequencedMap<String, StagePlan> stages = new LinkedHashMap<>();
    long seed = config.seed();
    stages.put(
        "align",
        Stage.ALIGN.trainer(model, data.align()).options(config.align().options(seed)).plan());
    stages.put(
        "instruct",
        Stage.INSTRUCT
            .trainer(model, data.instruct())
            .options(config.instruct().options(seed))
            .plan());
    TrainConfig.Router router = config.router();
    int perEpoch = Math.ceilDiv(data.labelled().size(), router.batchSize());
    int dim = model.language().config().dim();
    int experts = config.model().experts().count();
    long gate = (dim + 1L) * experts;
    try (Scope _ = Scope.open()) {
      Router blank = new Router(dim, experts, 1, Router.Weighting.PROBABILITY, new Rng(0));
      MedMoe mixture = model.copy().upcycle(blank, config.model().experts().options());
      stages.put(
          "moe", Stage.MOE.trainer(mixture, data.moe()).options(config.moe().options(seed)).plan());
      if (config.evaluation().dense()) {
        stages.put(
            "dense",
            Stage.MOE.trainer(model, data.moe()).options(config.moe().options(seed)).plan());
      }
      return new RunPlan(
          stages,
          data.labelled().size(),
          router.epochs() * perEpoch,
          gate,
          mixture.parameterCount(),
          mixture.activeParameters());
    }
  }

  /** Room on disk: checkpoints of every stage, model directories, log and report. */
  long diskBytes(int keep) {
    long bytes = 16L << 20;
    for (StagePlan plan : stages.values()) {
      bytes += (keep + 1) * 4 * (plan.frozenCount() + 3 * plan.trainedCount());
    }
    return bytes;
  }

  void print(PrintWriter out) {
    out.printf(
        "A Med-MoE of %,d parameters, %,d of them active for a token.%n",
        parametersTotal, parametersActive);
    for (var stage : stages.entrySet()) {
      StagePlan plan = stage.getValue();
      out.printf(
          "%-9s %,d steps, %,d of %,d parameters, %.1f MiB for weights, gradients and moments%n",
          stage.getKey(),
          plan.steps(),
          plan.trainedCount(),
          plan.trainedCount() + plan.frozenCount(),
          plan.stateBytes() / 1048576.0);
      out.printf("          trains %s%n", StagePlan.describe(plan.trained()));
      out.printf("          frozen %s%n", StagePlan.describe(plan.frozen()));
      if (stage.getKey().equals("instruct")) {
        out.printf(
            "%-9s %,d steps, %,d parameters, on %,d labelled samples%n",
            "router", routerSteps, routerParameters, routerSamples);
      }
    }
  }

  /** The names of the parts in a map of {@link StagePlan}. */
  static String names(SequencedMap<String, Long> parts) {
    List<String> names = new ArrayList<>(parts.keySet());
    return names.isEmpty() ? "nothing" : String.join(", ", names);
  }
}
