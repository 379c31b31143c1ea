package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.bench.frame.Finding;
import dev.theriac.bench.frame.PeerProcess;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Whole training steps of small Med-MoEs, beside the same model in PyTorch (eager), which runs with
 * {@code --python}. Both start from the same parameters; the losses of the first steps must agree.
 */
final class StepsFamily implements Family {
  private static final int COMPARED = 4;

  /** Steps after which the peak of memory is read; fewer where each takes long. */
  private static final int STEPS = 10;

  private static final int FEW_STEPS = 4;
  private static final double LONG_MICROS = 5e5;
  private static final double MEBI = 1048576;
  private static final List<String> MODELS = List.of("quickstart", "d512-8-layers");

  @Override
  public String name() {
    return "steps";
  }

  @Override
  public List<Case> cases() {
    List<Case> all = new ArrayList<>();
    for (String model : MODELS) {
      Case c =
          Case.of("training-step", model)
              .work(StepModel.Shape.of(model).flops(), 0, Floor.FMA)
              .wanted(1.6, null)
              .result("losses", COMPARED)
              .tolerance(1e-5, 2e-3);
      all.add(c);
    }
    return all;
  }

  /** The smaller model's step takes 60 ms at first, 30 after ten seconds, 27 after fifteen. */
  @Override
  public double warmSeconds() {
    return 15;
  }

  @Override
  public List<String> rivals(Case c) {
    return List.of();
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    StepModel model = new StepModel(c.shape());
    return new Call() {
      @Override
      public void run() {
        model.step();
      }

      @Override
      public double[] values(int result, long[] indices) {
        double[] values = new double[indices.length];
        for (int i = 0; i < values.length; i++) values[i] = model.loss((int) indices[i]);
        return values;
      }

      @Override
      public void close() {
        model.close();
      }
    };
  }

  @Override
  public boolean changesInputs(Case c) {
    return true;
  }

  /** Of our own in this process: what is compared is one program with the other. */
  @Override
  public Expected expected(Case c, Inputs inputs) {
    try (StepModel model = new StepModel(c.shape())) {
      model.loss(COMPARED - 1);
      return (_, index) -> model.loss((int) index);
    }
  }

  @Override
  public List<String> script(Path python, Path folder, int threads) throws IOException {
    Path script = folder.resolve("pytorch_step.py");
    try (InputStream in = StepsFamily.class.getResourceAsStream("pytorch_step.py")) {
      if (in == null) throw new IOException("pytorch_step.py is missing");
      Files.copy(in, script, StandardCopyOption.REPLACE_EXISTING);
    }
    for (String name : MODELS) {
      try (StepModel model = new StepModel(name)) {
        model.write(folder.resolve(name + ".safetensors"));
      }
    }
    return List.of(
        python.toString(), script.toString(), folder.toString(), Integer.toString(threads));
  }

  /** Peak memory of a few steps, each program and model in a fresh process. */
  @Override
  public List<Finding> findings(List<PeerProcess> peers, Map<String, Double> micros, int threads)
      throws IOException {
    List<Finding> found = new ArrayList<>();
    for (Case c : cases()) {
      if (!micros.containsKey(c.id())) continue;
      int steps = micros.get(c.id()) > LONG_MICROS ? FEW_STEPS : STEPS;
      long ours;
      long tensors;
      long idle;
      try (PeerProcess fresh = PeerProcess.asUsersStartIt("performance", name(), threads)) {
        idle = fresh.residentPeak();
        tensors = fresh.peakBytes(c.id());
        for (int i = 0; i < steps; i++) fresh.run(c.id(), 0);
        ours = fresh.residentPeak();
      }
      String text =
          String.format(
              Locale.ROOT,
              "%.0f MiB, of which %.0f before the model was made; a step's tensors come to %.1f MiB"
                  + " beyond parameters and moments",
              ours / MEBI,
              idle / MEBI,
              tensors / MEBI);
      if (peers.size() < 2) {
        found.add(new Finding("peak resident MiB", c.shape(), threads, ours / MEBI, null, text));
        continue;
      }
      long theirs;
      long empty;
      try (PeerProcess fresh = peers.get(1).again()) {
        empty = fresh.residentPeak();
        for (int i = 0; i <= steps; i++) fresh.run(c.id(), 0);
        theirs = fresh.residentPeak();
      }
      text +=
          String.format(
              Locale.ROOT, "; PyTorch %.0f MiB, of which %.0f before", theirs / MEBI, empty / MEBI);
      found.add(
          new Finding(
              "peak resident memory over PyTorch's",
              c.shape(),
              threads,
              ours / (double) theirs,
              1.0,
              text));
    }
    return found;
  }
}
