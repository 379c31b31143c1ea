package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.cli.result.QuantizeResult;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Other subcommands from their arguments to their output, on a trained model. */
class CommandsTest extends TrainedFixture {
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
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.out()).contains("closed accuracy", "MRI", "parameters in all");
    JsonNode read = JsonMapper.shared().readTree(Files.readString(scores));
    assertThat(read.path("closed_accuracy").asDouble()).isBetween(0.0, 1.0);
    assertThat(read.path("modalities").propertyNames()).containsExactly("CT", "MRI", "X-ray");
    assertThat(read.path("published").has("yes/no accuracy")).isTrue();
    assertThat(Files.readAllLines(answers)).isNotEmpty().allMatch(l -> l.contains("<image>"));

    Ran same = theriac("eval", "-q", "--model", model().toString(), "--config", config.toString());
    assertThat(same.status()).as(same.err()).isZero();
    assertThat(same.out()).contains("pathology");
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
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.out()).contains("closed accuracy").doesNotContain("open recall");
    Files.delete(folder.resolve("z.png"));
    Ran gone = theriac("eval", "-q", "--model", model().toString(), "--data", file.toString());
    assertThat(gone.status()).isEqualTo(1);
    assertThat(gone.err()).contains("test.json: item 0: key 'image'", "z.png");
    assertThat(theriac("eval", "--model", model().toString()).status()).isEqualTo(2);
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
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.out())
        .containsSubsequence(
            "quantised",
            "weights of",
            "to int8",
            "bytes",
            "sizes that 64 does not divide",
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
    assertThat(answer.status()).as(answer.err()).isZero();
    Ran inspected = theriac("inspect", out.toString());
    assertThat(inspected.status()).as(inspected.out()).isZero();
    assertThat(inspected.out()).contains("quantised to int8");

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
    assertThat(four.status()).as(four.err()).isZero();
    assertThat(four.out()).contains("20 tokens (random tokens, seed 0)", "lm_head");
    QuantizeResult worse =
        QuantizeResult.parse(Files.readString(narrow.resolve("quantization.json")));
    assertThat(worse.bytesAfter()).isLessThan(result.bytesAfter());
    assertThat(worse.projections().get("q_proj").meanError())
        .isGreaterThan(result.projections().get("q_proj").meanError());

    Ran twice = theriac("quantize", out.toString(), "--to", "int4", "--output", folder + "/twice");
    assertThat(twice.status()).isEqualTo(1);
    assertThat(twice.err()).contains("quantised already (int8)");
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
      assertThat(ran.status()).as(ran.err()).isEqualTo(Integer.parseInt(b[0]));
      assertThat(ran.err()).contains(b[1]);
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
    assertThat(tokens.status()).as(tokens.err()).isZero();
    assertThat(tokens.out()).contains("3 tokens");
    Ran none =
        theriac(
            "quantize",
            dir,
            "--to",
            "int8",
            "--output",
            folder.resolve("ids8").toString(),
            "--no-compare");
    assertThat(none.status()).as(none.err()).isZero();
    assertThat(none.out()).doesNotContain("compared");
  }

  @Test
  void inspectsModelsAndCheckpoints() {
    Ran dir = theriac("inspect", model().toString());
    assertThat(dir.status()).as(dir.err()).isZero();
    assertThat(dir.out())
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
    assertThat(file.status()).as(file.err()).isZero();
    assertThat(file.out()).contains("step = ", "model.language.layers.0.mlp.experts.fc1.weight");
  }

  @Test
  void inspectsPyTorchFiles() {
    Path files = Path.of("..", "core", "src", "test", "resources", "dev", "theriac", "io", "torch");
    Ran ran = theriac("inspect", files.resolve("nested-2.pt").toString());
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.out()).contains("epoch = 3", "optimizer.state.0.exp_avg", "2 x 3");
    ran = theriac("inspect", files.resolve("refused-system.pt").toString());
    assertThat(ran.status()).isEqualTo(1);
    assertThat(ran.err()).contains("refused-system.pt", "posix.system").doesNotContain("Exception");
  }

  @Test
  void aTruncatedModelIsRefused() throws IOException {
    Path copy = folder.resolve("cut.safetensors");
    Files.copy(model().resolve("model.safetensors"), copy);
    try (FileChannel channel = FileChannel.open(copy, StandardOpenOption.WRITE)) {
      channel.truncate(channel.size() / 2);
    }
    Ran ran = theriac("inspect", copy.toString());
    assertThat(ran.status()).isEqualTo(1);
    assertThat(ran.err()).contains("cut.safetensors").doesNotContain("Exception");
  }
}
