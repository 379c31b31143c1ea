package dev.theriac.cli.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.cli.config.ConfigReader;
import dev.theriac.cli.config.TrainConfig;
import dev.theriac.cli.progress.Progress;
import dev.theriac.cli.result.MetricsLog;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.result.StepMetrics;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.tensor.Device;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ThreeStagesTest {
  private static final String SMALL =
      """
      {"seed": 3, "checkpoint_every": 1,
       "data": {"format": "phantoms", "train": 8, "held": 4},
       "model": {"image_size": 16,
         "vision": {"dim": 8, "layers": 1, "heads": 2, "intermediate": 16},
         "language": {"dim": 8, "layers": 1, "heads": 2, "intermediate": 16, "rotary_dims": 2,
           "residual_dropout": 0.1}},
       "align": {"steps": 2, "batch_size": 4, "train_language": true},
       "instruct": {"steps": 3, "batch_size": 3, "accumulate": 3},
       "router": {"epochs": 1, "samples": 8},
       "moe": {"steps": 3, "batch_size": 4, "learning_rate": %s},
       "evaluation": {"every": 1, "validation": 5, "max_new_tokens": 2}}
      """;

  @TempDir Path folder;

  private static TrainConfig config(String rate) {
    return ConfigReader.parse(SMALL.formatted(rate), "small", Path.of(""), TrainConfig.class);
  }

  private static ResultTable run(TrainConfig config, Path out, Progress progress) {
    return new ThreeStages(
            config, Device.CPU, out, "Small", new PrintWriter(new StringWriter()), progress)
        .run();
  }

  /** Stops at a step of a stage as a pulled plug would. */
  private static final class Stopping implements Progress {
    private final String stage;
    private final long step;
    private String task = "";

    Stopping(String stage, long step) {
      this.stage = stage;
      this.step = step;
    }

    @Override
    public void start(String task, long done, long steps) {
      this.task = task;
    }

    @Override
    public void step(long at, double loss, double tokensPerSecond) {
      if (task.equals(stage) && at == step) throw new IllegalStateException("stopped");
    }

    @Override
    public void note(String line) {}

    @Override
    public void close() {}
  }

  private static final Progress SILENT = new Stopping("", 0);

  @Test
  void goesOnWhereItWasStoppedAndEndsWithTheSameBits() throws IOException {
    TrainConfig config = config("0.001");
    Path whole = folder.resolve("whole");
    Path cut = folder.resolve("cut");
    ResultTable expected = run(config, whole, SILENT);
    for (Stopping stop :
        List.of(new Stopping("align", 2), new Stopping("instruct", 2), new Stopping("dense", 2))) {
      assertThatThrownBy(() -> run(config, cut, stop)).hasMessage("stopped");
      assertThat(cut.resolve("model")).doesNotExist();
    }
    ResultTable resumed = run(config, cut, SILENT);
    for (String file : List.of("model/model.safetensors", "dense/model.safetensors")) {
      assertThat(cut.resolve(file)).hasSameBinaryContentAs(whole.resolve(file));
    }
    assertThat(resumed.closedAccuracy()).isEqualTo(expected.closedAccuracy());
    assertThat(resumed.routerAccuracy()).isEqualTo(expected.routerAccuracy());
    assertThat(MetricsLog.read(cut.resolve("metrics.jsonl")))
        .extracting(StepMetrics::stage, StepMetrics::step, StepMetrics::loss)
        .containsExactlyElementsOf(
            MetricsLog.read(whole.resolve("metrics.jsonl")).stream()
                .map(m -> org.assertj.core.groups.Tuple.tuple(m.stage(), m.step(), m.loss()))
                .toList());
  }

  @Test
  void anotherConfigurationDoesNotTouchAnUnfinishedRun() {
    Path out = folder.resolve("run");
    assertThatThrownBy(() -> run(config("0.001"), out, new Stopping("instruct", 1)));
    assertThatThrownBy(() -> run(config("0.002"), out, SILENT))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("unfinished run of another configuration");
    assertThat(out.resolve("checkpoints/align")).isDirectoryContaining("glob:**.safetensors");
  }

  @Test
  void aFinishedRunIsReplaced() {
    Path out = folder.resolve("run");
    run(config("0.001"), out, SILENT);
    run(config("0.007"), out, SILENT);
    assertThat(MetricsLog.read(out.resolve("metrics.jsonl")))
        .filteredOn(m -> m.stage().equals("moe"))
        .extracting(StepMetrics::learningRate)
        .contains(0.007)
        .doesNotContain(0.001);
  }

  @Test
  void aFullDiskIsFoundBeforehand() throws IOException {
    Path out = folder.resolve("full");
    assertThatThrownBy(() -> RunFolder.open(out, "c", 5 << 20, path -> 1 << 20))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("full: the run needs 6 MiB, the disk has 1 MiB left");
    assertThat(out.resolve("run.json")).doesNotExist();
    RunFolder.open(out, "c", 5 << 20, path -> 10 << 20);
    assertThat(out.resolve("run.json")).exists();
    Path written = Files.createDirectories(out.resolve("checkpoints")).resolve("c");
    Files.write(written, new byte[4 << 20]);
    assertThat(RunFolder.open(out, "c", 5 << 20, path -> 1 << 20).resumed()).isTrue();
    assertThat(written).exists();
  }

  private static String item(String extra, String question, String answer) {
    return """
    {%s "conversations": [{"from": "human", "value": "%s"}, {"from": "gpt", "value": "%s"}]}
    """
        .formatted(extra, question, answer);
  }

  /** Published test files name no modality, and have answers that training never saw. */
  @ParameterizedTest
  @ValueSource(strings = {"modality", "answer"})
  void filesOfQuestionsNeedNotTellTheRouterEverything(String labels) throws IOException {
    Images.writePng(Phantoms.test(1, 1, 16).getFirst().image(), folder.resolve("a.png"));
    String picture = "\"image\": \"a.png\",";
    String closed = picture + "\"answer_type\": \"CLOSED\",";
    String open = picture + "\"answer_type\": \"OPEN\",";
    List<String> train =
        List.of(
            item(picture + "\"modality\": \"CT\",", "<image>\\nIs this CT?", "yes"),
            item(picture + "\"modality\": \"MRI\",", "Is this CT?\\n<image>", "no"),
            item("", "Is water wet?", "yes"));
    Files.writeString(folder.resolve("train.json"), train.toString());
    Files.writeString(folder.resolve("align.json"), List.of(train.get(0)).toString());
    Files.writeString(
        folder.resolve("test.json"), List.of(item(open, "What is it?", "a lung")).toString());
    Files.writeString(
        folder.resolve("closed.json"), List.of(item(closed, "Is this CT?", "yes")).toString());
    String json =
        SMALL
            .formatted("0.001")
            .replace(
                "\"format\": \"phantoms\", \"train\": 8, \"held\": 4",
                "\"format\": \"vqa\", \"images\": \".\", \"align\": \"align.json\","
                    + "\"instruct\": \"train.json\", \"moe\": \"train.json\","
                    + "\"validation\": \"closed.json\", \"test\": \"test.json\"")
            .replace("\"router\": {", "\"router\": {\"labels\": \"" + labels + "\", ");
    TrainConfig config = ConfigReader.parse(json, "vqa", folder, TrainConfig.class);
    ResultTable table = run(config, folder.resolve("vqa"), SILENT);
    assertThat(table.openRecall()).isBetween(0.0, 1.0);
    assertThat(table.closedAccuracy()).isNull();
    assertThat(table.routerAccuracy()).isNull();
    assertThat(ResultTable.parse(table.json())).isEqualTo(table);
    assertThat(folder.resolve("vqa/report.html")).content().doesNotContain("NaN");
  }

  @Test
  void routersNeedSomethingToTell() {
    TrainConfig config = config("0.001");
    RunData data = RunData.of(config);
    assertThatThrownBy(() -> RouterClasses.of(TrainConfig.Labels.MODALITY, data.labelled(), 3))
        .hasMessageContaining("model.experts.count");
    assertThatThrownBy(() -> RouterClasses.of(TrainConfig.Labels.ANSWER, data.test(), 2))
        .hasMessageContaining("different answers");
    RouterClasses classes = RouterClasses.of(TrainConfig.Labels.MODALITY, data.labelled(), 5);
    assertThat(classes.experts(5)).containsExactly("CT", "MRI", "X-ray", "pathology", "expert 4");
  }
}
