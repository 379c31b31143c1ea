package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.bench.fullsize.Answer;
import dev.theriac.cli.result.MetricsLog;
import dev.theriac.cli.result.QuantizeResult;
import dev.theriac.cli.result.ResultTable;
import dev.theriac.cli.result.StepMetrics;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.vision.image.Image;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Every subcommand from its arguments to its output, on a model that is trained in seconds. */
class CommandsTest {
  static final String MICRO =
      """
      {"data": {"format": "phantoms", "train": 8, "held": 4},
       "model": {"image_size": 16,
         "vision": {"dim": 16, "layers": 1, "heads": 2, "intermediate": 32},
         "language": {"dim": 16, "layers": 2, "heads": 2, "intermediate": 32, "rotary_dims": 4}},
       "checkpoint_every": 2,
       "align": {"steps": 3, "batch_size": 4, "train_vision": true, "train_language": true,
         "augmentation": {"shift": 0.1}},
       "instruct": {"steps": 3, "batch_size": 4, "train_vision": true, "balanced": true},
       "router": {"epochs": 1, "samples": 12},
       "moe": {"steps": 4, "batch_size": 4},
       "evaluation": {"every": 2, "validation": 6, "max_new_tokens": 3}}
      """;

  @TempDir static Path folder;
  private static Path config;
  private static Path run;
  private static Path json;
  private static String printed;

  private record Ran(int status, String out, String err) {}

  private static Ran theriac(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Ran(status, out.toString(), err.toString());
  }

  @BeforeAll
  static void train() throws IOException {
    config = Files.writeString(folder.resolve("micro.json"), MICRO);
    run = folder.resolve("run");
    json = folder.resolve("new/result.json");
    Ran ran =
        theriac(
            "train",
            config.toString(),
            "--out",
            run.toString(),
            "--json",
            json.toString(),
            "--seed",
            "7");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.err).contains("theriac ", "align: 3 steps", "moe step 2: validation");
    printed = ran.out;
  }

  private static Path model() {
    return run.resolve("model");
  }

  private static String picture(String name, Image image) throws IOException {
    Path file = folder.resolve(name);
    Images.writePng(image, file);
    return file.toString();
  }

  private static Image phantom() {
    return Phantoms.test(1, 1, 16).getFirst().image();
  }

  @Test
  void trainPrintsPlanAndTable() {
    assertThat(printed)
        .containsSubsequence(
            "parameters",
            "align",
            "trains vision encoder",
            "frozen nothing",
            "instruct",
            "router",
            "12 labelled samples",
            "moe",
            "experts",
            "frozen vision encoder",
            "dense",
            "4 steps",
            "MoE",
            "Dense",
            "closed accuracy",
            "CT",
            "open recall",
            "router accuracy",
            "parameters in all",
            "active for a token",
            "report.html");
  }

  @Test
  void trainWritesTheTableForMachines() throws IOException {
    ResultTable table = ResultTable.parse(Files.readString(json));
    assertThat(table.closedAccuracy()).isBetween(0.0, 1.0);
    assertThat(table.openRecall()).isBetween(0.0, 1.0);
    assertThat(table.routerAccuracy()).isBetween(0.0, 1.0);
    assertThat(table.parametersTotal()).isGreaterThan(table.parametersActive());
    assertThat(table.tokensPerSecond()).isPositive();
    assertThat(table.testAccuracy()).isNull();
    assertThat(table.modalities()).containsOnlyKeys("CT", "MRI", "X-ray", "pathology");
    assertThat(table.modalities().get("CT").closedQuestions()).isPositive();
    assertThat(table.dense().parametersActive()).isEqualTo(table.dense().parametersTotal());
    assertThat(table.dense().parametersTotal()).isLessThan(table.parametersTotal());
    assertThat(table.dense().routerAccuracy()).isNull();
    assertThat(table.seconds()).isGreaterThan(table.dense().seconds());
  }

  @Test
  void trainLogsEveryStepAndItsValidations() {
    var steps = MetricsLog.read(run.resolve("metrics.jsonl"));
    assertThat(steps)
        .extracting(StepMetrics::stage)
        .containsExactly(
            "align",
            "align",
            "align",
            "instruct",
            "instruct",
            "instruct",
            "router",
            "moe",
            "moe",
            "moe",
            "moe",
            "dense",
            "dense",
            "dense",
            "dense");
    assertThat(steps)
        .filteredOn(s -> s.validation() != null)
        .extracting(s -> s.stage() + s.step())
        .containsExactly("moe2", "moe4", "dense2", "dense4");
    assertThat(steps).allSatisfy(s -> assertThat(s.loss()).isPositive().isFinite());
  }

  @Test
  void theReportStandsAlone() throws IOException {
    String html = Files.readString(run.resolve("report.html"));
    assertThat(html)
        .contains("Synthetic data", "data:image/png;base64,", "<svg", "id=\"routing\"", "MRI")
        .contains("Stage 3: experts", "Router");
    assertThat(html.replace("http://www.w3.org/2000/svg", ""))
        .doesNotContain("http:", "https:", "<script", "<link");
  }

  @Test
  void asksTheModel() throws IOException {
    String image = picture("x.png", phantom());
    Ran ran = theriac("ask", "-q", "--model", model().toString(), "--image", image, "Is this CT?");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out).endsWith(System.lineSeparator());
    assertThat(ran.err).isEmpty();
    Ran again =
        theriac("ask", "-q", "--model", model().toString(), "--image", image, "Is this CT?");
    assertThat(again.out).isEqualTo(ran.out);
  }

  @Test
  void saysWhenTheFirstTokenCame() throws IOException {
    String image = picture("times.png", phantom());
    Ran ran =
        theriac("ask", "--times", "--model", model().toString(), "--image", image, "Is this CT?");
    assertThat(ran.err)
        .containsPattern(
            "model loaded [0-9.]+ s, first token [0-9.]+ s, answer [0-9.]+ s after the JVM's"
                + " start");
    // The benchmark of full-size models reads them from there.
    Answer answer = Answer.of(ran.err, ran.out);
    assertThat(answer.text()).isEqualTo(ran.out.strip());
    assertThat(answer.positions()).isGreaterThan(10);
    assertThat(answer.steps()).isPositive();
    assertThat(answer.load() + answer.picture() + answer.prompt()).isPositive();
  }

  /** The model's own settings, unless options say otherwise. */
  @Test
  void asksAsTheModelsFilesSay() throws IOException {
    String image = picture("own.png", phantom());
    Path own = folder.resolve("own");
    Files.createDirectories(own);
    try (var files = Files.list(model())) {
      for (Path f : files.toList()) Files.copy(f, own.resolve(f.getFileName()));
    }
    Files.writeString(
        own.resolve("generation_config.json"), "{\"min_new_tokens\": 4, \"max_new_tokens\": 4}");
    String[][] options = {{}, {"--max-tokens", "2"}, {"--temperature", "3", "--seed", "5"}};
    long[] steps = new long[3];
    String[] texts = new String[3];
    for (int i = 0; i < options.length; i++) {
      List<String> args = new ArrayList<>(List.of("ask", "-q", "--times", "--model", "" + own));
      args.addAll(List.of(options[i]));
      args.addAll(List.of("--image", image, "Is this CT?"));
      Ran ran = theriac(args.toArray(String[]::new));
      assertThat(ran.status).as(ran.err).isZero();
      Answer answer = Answer.of(ran.err, ran.out);
      steps[i] = answer.steps();
      texts[i] = ran.out;
    }
    assertThat(steps[0]).isEqualTo(steps[1] + 2).isEqualTo(steps[2]);
    assertThat(texts[2]).isNotEqualTo(texts[0]);
  }

  @Test
  void asksAboutDeepAndCmykPictures() throws IOException {
    short[] samples = new short[20 * 10];
    for (int i = 0; i < samples.length; i++) samples[i] = (short) (i * 300);
    String deep = picture("deep.png", Image.of16(20, 10, 1, samples));
    for (String image : new String[] {deep, "../vision/src/test/resources/images/cmyk.jpg"}) {
      Ran ran = theriac("ask", "--model", model().toString(), "--image", image, "What is this?");
      assertThat(ran.status).as(ran.err).isZero();
    }
  }

  @Test
  void askSaysWhatIsMissing() throws IOException {
    String image = picture("y.png", phantom());
    Ran empty = theriac("ask", "--model", model().toString(), "--image", image, "  ");
    assertThat(empty.status).isEqualTo(2);
    assertThat(empty.err).contains("Empty question");
    Ran noImage = theriac("ask", "--model", model().toString(), "--image", "gone.png", "What?");
    assertThat(noImage.status).isEqualTo(1);
    assertThat(noImage.err)
        .contains("gone.png", "no such image file")
        .doesNotContain("NoSuchFileException");
    Ran noModel = theriac("ask", "--model", "nowhere", "--image", image, "What?");
    assertThat(noModel.status).isEqualTo(1);
    assertThat(noModel.err).contains("nowhere");
    assertThat(theriac("ask", "--image", image, "What?").status).isEqualTo(2);
  }

  @Test
  void evaluatesOnPhantomsAndOnAConfiguration() throws IOException {
    Path scores = folder.resolve("eval.json");
    Path answers = folder.resolve("answers.jsonl");
    Ran ran =
        theriac(
            "eval",
            "-q",
            "--model",
            model().toString(),
            "--data",
            "phantoms",
            "--count",
            "3",
            "--json",
            scores.toString(),
            "--answers",
            answers.toString());
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out).contains("closed accuracy", "MRI", "parameters in all");
    JsonNode read = JsonMapper.shared().readTree(Files.readString(scores));
    assertThat(read.path("closed_accuracy").asDouble()).isBetween(0.0, 1.0);
    assertThat(read.path("modalities").propertyNames()).containsExactly("CT", "MRI", "X-ray");
    assertThat(read.path("published").has("yes/no accuracy")).isTrue();
    assertThat(Files.readAllLines(answers)).isNotEmpty().allMatch(l -> l.contains("<image>"));

    Ran same = theriac("eval", "-q", "--model", model().toString(), "--config", config.toString());
    assertThat(same.status).as(same.err).isZero();
    assertThat(same.out).contains("pathology");
  }

  @Test
  void evaluatesOnAFileOfQuestions() throws IOException {
    picture("z.png", phantom());
    Path file = folder.resolve("test.json");
    Files.writeString(
        file,
        """
        [{"id": 1, "image": "z.png", "answer_type": "CLOSED", "conversations": [
          {"from": "human", "value": "<image>\\nIs this CT?"}, {"from": "gpt", "value": "yes"}]}]
        """);
    Ran ran = theriac("eval", "-q", "--model", model().toString(), "--data", file.toString());
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out).contains("closed accuracy").doesNotContain("open recall");
    Files.delete(folder.resolve("z.png"));
    Ran gone = theriac("eval", "-q", "--model", model().toString(), "--data", file.toString());
    assertThat(gone.status).isEqualTo(1);
    assertThat(gone.err).contains("test.json: item 0: key 'image'", "z.png");
    assertThat(theriac("eval", "--model", model().toString()).status).isEqualTo(2);
  }

  @Test
  void quantizesAModelThatAnswers() throws IOException {
    Path text = Files.writeString(folder.resolve("text.txt"), "Is there a fracture? No.");
    Path out = folder.resolve("int8");
    Ran ran =
        theriac(
            "quantize",
            "-q",
            model().toString(),
            "--to",
            "int8",
            "--output",
            out.toString(),
            "--text",
            text.toString(),
            "--window",
            "8");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out)
        .containsSubsequence(
            "quantised",
            "weights of",
            "to int8",
            "bytes",
            "width that 32 does not divide",
            "fc1",
            "q_proj",
            "compared",
            "text.txt",
            "logits",
            "divergence",
            "same choice",
            "loss",
            "perplexity",
            "quantization.json");
    QuantizeResult result =
        QuantizeResult.parse(Files.readString(out.resolve("quantization.json")));
    assertThat(result.format()).isEqualTo("int8");
    assertThat(result.weights()).allSatisfy(w -> assertThat(w.relativeError()).isLessThan(0.01));
    assertThat(result.projections()).containsKeys("q_proj", "k_proj", "v_proj", "dense", "fc2");
    assertThat(result.comparison().logitsMeanRelative()).isBetween(1e-7, 0.05);
    assertThat(result.comparison().topAgreement()).isBetween(0.5, 1.0);
    assertThat(result.comparison().quantisedPerplexity())
        .isEqualTo(Math.exp(result.comparison().quantisedLoss()));
    String image = picture("q.png", phantom());
    Ran answer = theriac("ask", "-q", "--model", out.toString(), "--image", image, "Is this CT?");
    assertThat(answer.status).as(answer.err).isZero();
    Ran inspected = theriac("inspect", out.toString());
    assertThat(inspected.status).as(inspected.out).isZero();
    assertThat(inspected.out).contains("quantised to int8");

    Path narrow = folder.resolve("int4");
    Ran four =
        theriac(
            "quantize",
            model().toString(),
            "--to",
            "int4",
            "--head",
            "--limit",
            "20",
            "--output",
            narrow.toString());
    assertThat(four.status).as(four.err).isZero();
    assertThat(four.out).contains("20 tokens (random tokens, seed 0)", "lm_head");
    QuantizeResult worse =
        QuantizeResult.parse(Files.readString(narrow.resolve("quantization.json")));
    assertThat(worse.bytesAfter()).isLessThan(result.bytesAfter());
    assertThat(worse.projections().get("q_proj").meanError())
        .isGreaterThan(result.projections().get("q_proj").meanError());

    Ran twice = theriac("quantize", out.toString(), "--to", "int4", "--output", folder + "/twice");
    assertThat(twice.status).isEqualTo(1);
    assertThat(twice.err).contains("quantised already (int8)");
  }

  @Test
  void quantizeSaysWhatIsWrong() throws IOException {
    String out = folder.resolve("never").toString();
    String dir = model().toString();
    Path ids = Files.writeString(folder.resolve("ids.txt"), "[1, 2,\n 3, 99999]\n");
    String[][] bad = {
      {"2", "--to int5: int8, int4, bf16 or f32", dir, "--to", "int5"},
      {"2", "--block 64", dir, "--to", "int8", "--block", "64"},
      {"2", "--limit", dir, "--to", "int8", "--limit", "0"},
      {"2", "--to", dir},
      {"2", "mutually exclusive", dir, "--to", "int8", "--text", "a", "--tokens", "b"},
      {"1", "nowhere", "nowhere", "--to", "int8"},
      {"1", "gone.txt: no such file", dir, "--to", "int8", "--text", "gone.txt"},
      {"1", "line 2: \"99999\" is not a token id", dir, "--to", "int8", "--tokens", "" + ids},
    };
    for (String[] b : bad) {
      String[] args = new String[b.length + 1];
      args[0] = "quantize";
      System.arraycopy(b, 2, args, 1, b.length - 2);
      args[b.length - 1] = "--output";
      args[b.length] = out;
      Ran ran = theriac(args);
      assertThat(ran.status).as(ran.err).isEqualTo(Integer.parseInt(b[0]));
      assertThat(ran.err).contains(b[1]);
    }
    assertThat(Path.of(out)).doesNotExist();
    Ran tokens =
        theriac(
            "quantize",
            dir,
            "--to",
            "int8",
            "--output",
            folder.resolve("ids8").toString(),
            "--tokens",
            Files.writeString(ids, "[1, 2,\n 3]\n").toString());
    assertThat(tokens.status).as(tokens.err).isZero();
    assertThat(tokens.out).contains("3 tokens");
    Ran none =
        theriac(
            "quantize",
            dir,
            "--to",
            "int8",
            "--output",
            folder.resolve("ids8").toString(),
            "--no-compare");
    assertThat(none.status).as(none.err).isZero();
    assertThat(none.out).doesNotContain("compared");
  }

  @Test
  void inspectsModelsAndCheckpoints() {
    Ran dir = theriac("inspect", model().toString());
    assertThat(dir.status).as(dir.err).isZero();
    assertThat(dir.out)
        .contains(
            "Med-MoE (Phi, experts)",
            "1 of 4 experts for a token in 1 of 2 layers",
            "theriac.seed = 7",
            "lm_head.weight",
            "F32",
            " x ",
            "active for a token",
            "whole; Theriac reads it");
    Ran file = theriac("inspect", run.resolve("checkpoints/moe/best.safetensors").toString());
    assertThat(file.status).as(file.err).isZero();
    assertThat(file.out).contains("step = ", "model.language.layers.0.mlp.experts.fc1.weight");
  }

  /** A model in the layout of its authors, of which parts lie elsewhere. */
  @Test
  void asksPublishedModels() {
    Path all = Path.of("../moe/src/test/resources/dev/theriac/moe/medmoe/published");
    List<String> args =
        List.of(
            "ask",
            "-q",
            "--model",
            all.resolve("llavaphi-2.7b-stage1").toString(),
            "--image",
            all.resolve("picture.png").toString(),
            "--max-tokens",
            "3",
            "Is there a nodule?");
    Ran alone = theriac(args.toArray(String[]::new));
    assertThat(alone.status).isEqualTo(1);
    assertThat(alone.err).contains("a projector alone", "--language");
    List<String> whole = new ArrayList<>(args);
    whole.addAll(1, List.of("--language", all.resolve("phi-2").toString()));
    Ran ran = theriac(whole.toArray(String[]::new));
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out).isNotBlank();
  }

  @Test
  void inspectsPyTorchFiles() {
    Path files = Path.of("..", "core", "src", "test", "resources", "dev", "theriac", "io", "torch");
    Ran ran = theriac("inspect", files.resolve("nested-2.pt").toString());
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out).contains("epoch = 3", "optimizer.state.0.exp_avg", "2 x 3");
    ran = theriac("inspect", files.resolve("refused-system.pt").toString());
    assertThat(ran.status).isEqualTo(1);
    assertThat(ran.err).contains("refused-system.pt", "posix.system").doesNotContain("Exception");
  }

  @Test
  void aTruncatedModelIsRefused() throws IOException {
    Path copy = folder.resolve("cut.safetensors");
    Files.copy(model().resolve("model.safetensors"), copy);
    try (FileChannel channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
      channel.truncate(channel.size() / 2);
    }
    Ran ran = theriac("inspect", copy.toString());
    assertThat(ran.status).isEqualTo(1);
    assertThat(ran.err).contains("cut.safetensors").doesNotContain("Exception");
  }

  @Test
  void aMistypedKeyIsExplained() throws IOException {
    Path wrong =
        Files.writeString(folder.resolve("wrong.json"), MICRO.replace("\"router\"", "\"ruoter\""));
    Ran ran = theriac("train", wrong.toString(), "--out", folder.resolve("no").toString());
    assertThat(ran.status).isEqualTo(1);
    assertThat(ran.err).contains("$.ruoter: unknown key; did you mean 'router'?");
    assertThat(folder.resolve("no")).doesNotExist();
  }

  @Test
  void refusesFoldersThatAreNotItsOwn() throws IOException {
    Path foreign = Files.createDirectories(folder.resolve("foreign"));
    Path treasure = Files.writeString(foreign.resolve("notes.txt"), "mine");
    Ran ran = theriac("train", config.toString(), "--out", foreign.toString());
    assertThat(ran.status).isEqualTo(1);
    assertThat(ran.err).contains("foreign: holds files that are not of a run").contains("--out");
    assertThat(treasure).hasContent("mine");
    Ran below = theriac("train", config.toString(), "--out", treasure.resolve("x").toString());
    assertThat(below.status).isEqualTo(1);
    assertThat(below.err).contains("cannot be written");
    Ran unwritable =
        theriac(
            "train",
            config.toString(),
            "--json",
            treasure.resolve("x.json").toString(),
            "--out",
            folder.resolve("never").toString());
    assertThat(unwritable.status).isEqualTo(1);
    assertThat(folder.resolve("never")).doesNotExist();
  }

  @Test
  void quickstartIsConfiguredAndListed() {
    assertThat(QuickstartCommand.config().data().held()).isGreaterThanOrEqualTo(100);
    assertThat(theriac("--help").out)
        .contains("quickstart", "train", "eval", "ask", "inspect", "doctor");
    Ran help = theriac("quickstart", "--help");
    assertThat(help.out).contains("--out", "--json", "--seed", "theriac-quickstart");
  }
}
