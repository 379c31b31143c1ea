package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.cli.result.QuantizeResult;
import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.ModelParts;
import dev.theriac.moe.medmoe.Provenance;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code theriac quantize} of models of which parts lie elsewhere, and what it finds out early. */
class QuantizeCommandTest {
  private static final Path PUBLISHED =
      Path.of("../moe/src/test/resources/dev/theriac/moe/medmoe/published");

  @TempDir Path dir;
  private Scope scope;

  private record Ran(int status, String out, String err) {}

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    Memory.setLimit(0);
    scope.close();
  }

  private static Ran quantize(int status, Path from, Path to, String... more) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    List<String> args = new ArrayList<>(List.of("quantize", "-q", from.toString()));
    args.addAll(List.of("--output", to.toString()));
    args.addAll(List.of(more));
    if (!args.contains("--to")) args.addAll(List.of("--to", "int8"));
    if (!args.contains("--limit")) args.addAll(List.of("--limit", "8"));
    int got = Main.run(new PrintWriter(out), new PrintWriter(err), args.toArray(String[]::new));
    assertThat(got).as(out + "" + err).isEqualTo(status);
    return new Ran(got, out.toString(), err.toString());
  }

  /** A copy in a folder of its own, with what lies beside it. */
  private Path published(String name, String... beside) throws IOException {
    Path to = dir.resolve("published");
    for (String each : Stream.concat(Stream.of(name), Stream.of(beside)).toList()) {
      Files.createDirectories(to.resolve(each));
      try (Stream<Path> files = Files.list(PUBLISHED.resolve(each))) {
        for (Path f : files.toList()) Files.copy(f, to.resolve(each).resolve(f.getFileName()));
      }
    }
    return to.resolve(name);
  }

  private static QuantizeResult report(Path model) throws IOException {
    return QuantizeResult.parse(Files.readString(model.resolve("quantization.json")));
  }

  private Path llama(int vocabulary, int positions) {
    Path to = dir.resolve("llama");
    var shape =
        new DecoderConfig(
            Family.LLAMA, vocabulary, 32, 32, 2, 2, 2, 16, 1e4, positions, 1e-5, 0, 0.02);
    var config = new CausalLmConfig(CausalLmConfig.Kind.LLAMA, shape, null, List.of(), null);
    new CausalLm(config, new Rng(1)).save(to);
    return to;
  }

  /** Nothing is quantised, and what is said does not say so. */
  @Test
  void weightsInTheOrderOfTheKernelsLoseNothing() throws IOException {
    Path from = llama(100, 64);
    Path out = dir.resolve("f32");
    Ran ran = quantize(0, from, out, "--to", "f32", "--head");
    assertThat(ran.out)
        .contains("to f32", "filled up to", "relative difference 0.00000, at most 0.00000");
    QuantizeResult result = report(out);
    assertThat(result.format()).isEqualTo("f32");
    assertThat(result.blockSize()).isNull();
    assertThat(result.comparison().maxDivergence()).isZero();
    assertThat(Files.readString(out.resolve("config.json"))).doesNotContain("block_size");
    StringWriter inspected = new StringWriter();
    PrintWriter to = new PrintWriter(inspected);
    assertThat(Main.run(to, to, "inspect", out.toString())).isZero();
    assertThat(inspected.toString())
        .contains("blocks and head in f32 in the order of the kernels", "whole;")
        .doesNotContain("quantised");
  }

  /** The image encoder lies beside the model, and not beside what is made of it. */
  @Test
  void anEncoderThatLiesBesideTheModelIsFoundToCompare() throws IOException {
    Path from = published("llavaphi-2.7b-medmoe", "clip-vit-tiny-patch6-18");
    Path out = dir.resolve("far/away/int8");
    Ran ran = quantize(0, from, out);
    Path encoder = from.resolveSibling("clip-vit-tiny-patch6-18").toAbsolutePath();
    assertThat(ran.out).contains("compared", "name the image encoder: --vision " + encoder);
    assertThat(report(out).comparison().tokens()).isEqualTo(8);
    MedMoe.load(out, ModelParts.none().withVision(encoder));
    // And is found by itself where it is put into the copy.
    Path inside = Files.createDirectory(out.resolve(encoder.getFileName()));
    Files.copy(encoder.resolve("config.json"), inside.resolve("config.json"));
    assertThat(quantize(0, from, out).out).contains("compared").doesNotContain("--vision");
    assertThat(quantize(0, from, from.resolveSibling("int8")).out)
        .contains("compared")
        .doesNotContain("--vision");
  }

  /** What lies beside the copy is called so too, but prepares pictures in another way. */
  @Test
  void anotherEncoderBesideTheCopyIsNotTheModels() throws IOException {
    Path from = published("llavaphi-2.7b-medmoe", "clip-vit-tiny-patch6-18");
    Path encoder = from.resolveSibling("clip-vit-tiny-patch6-18").toAbsolutePath();
    Path other = Files.createDirectories(dir.resolve("far/clip-vit-tiny-patch6-18"));
    for (String name : List.of("config.json", "preprocessor_config.json")) {
      Files.copy(encoder.resolve(name), other.resolve(name));
    }
    Path out = dir.resolve("far/int8");
    assertThat(quantize(0, from, out).out).contains("compared").doesNotContain("--vision");
    Path pictures = other.resolve("preprocessor_config.json");
    Files.writeString(pictures, Files.readString(pictures).replace("0.48145466", "0.5"));
    assertThat(quantize(0, from, out).out)
        .contains("compared", "name the image encoder: --vision " + encoder);
    MedMoe.load(out, ModelParts.none().withVision(encoder));
  }

  /** By that name the encoder's sizes are known without its directory, its weights are not. */
  @Test
  void anEncoderOfAKnownNameIsNamedInTheNoteToo() throws IOException {
    Path from = published("llavaphi-2.7b-medmoe", "clip-vit-tiny-patch6-18");
    String known = "clip-vit-base-patch32";
    Path encoder =
        Files.move(from.resolveSibling("clip-vit-tiny-patch6-18"), from.resolveSibling(known));
    Path config = from.resolve("config.json");
    Files.writeString(
        config,
        Files.readString(config)
            .replaceAll("[^\"]*clip-vit-tiny-patch6-18", known)
            .replaceAll("\"mm_hidden_size\": 12,", ""));
    for (String compared : new String[] {"--seed=1", "--no-compare"}) {
      Path out = dir.resolve("far/away/" + compared.length());
      assertThat(quantize(0, from, out, compared).out)
          .contains("name the image encoder: --vision " + encoder.toAbsolutePath());
    }
  }

  /** Those of another run go; what somebody else put there stays. */
  @Test
  void quantisingAgainRemovesWhatItCopiedAlone() throws IOException {
    Path from = llama(50, 64);
    Path license = Files.writeString(from.resolve("LICENSE"), "of the weights");
    Path out = dir.resolve("out");
    quantize(0, from, out, "--no-compare");
    assertThat(report(out).copied()).contains("LICENSE").doesNotContain("config.json");
    Files.delete(license);
    for (String own : List.of("notes.md", "results.json", "LICENSE.mine")) {
      Files.writeString(out.resolve(own), "mine");
    }
    quantize(0, from, out, "--no-compare");
    assertThat(out.resolve("LICENSE")).doesNotExist();
    // Without a report: what loading would read.
    Files.delete(out.resolve("quantization.json"));
    Files.writeString(out.resolve("merges.txt"), "");
    quantize(0, from, out, "--no-compare");
    assertThat(out.resolve("merges.txt")).doesNotExist();
    for (String own : List.of("notes.md", "results.json", "LICENSE.mine")) {
      assertThat(out.resolve(own)).hasContent("mine");
    }
  }

  @Test
  void theRouterOfAnotherFamilyIsNoPart() throws IOException {
    Path from = published("llavastablelm-1.6b-medmoe", "siglip-tiny");
    Files.writeString(from.resolve("phi_router.pth"), "another family's");
    Path out = from.resolveSibling("out");
    quantize(0, from, out);
    assertThat(out.resolve("stablelm_router.pth")).exists();
    assertThat(out.resolve("phi_router.pth")).doesNotExist();
  }

  @Test
  void partsMayBeNamedAndSmallOnesGoAlong() throws IOException {
    Path from = published("llavastablelm-1.6b-medmoe", "siglip-tiny");
    Path encoder = Files.move(from.resolveSibling("siglip-tiny"), dir.resolve("encoder"));
    Path router = Files.move(from.resolve("stablelm_router.pth"), dir.resolve("router.bin"));
    Path out = dir.resolve("out");
    assertThat(quantize(1, from, out).err).contains("mm_image_tower", "--vision");
    assertThat(quantize(1, from, out, "--vision", "" + encoder).err)
        .contains("routers are not in the checkpoint", "--router");
    assertThat(out).doesNotExist();
    quantize(0, from, out, "--vision", "" + encoder, "--router", "" + router);
    assertThat(report(out).comparison()).isNotNull();
    assertThat(out.resolve("stablelm_router.pth")).hasSameBinaryContentAs(router);
    MedMoe.load(out, ModelParts.none().withVision(encoder));
    // Neither is needed where nothing is compared.
    Path blind = dir.resolve("blind");
    quantize(0, from, blind, "--no-compare");
    assertThat(report(blind).comparison()).isNull();
    assertThat(blind.resolve("stablelm_router.pth")).doesNotExist();
  }

  /** After the first stage the weights are the language model's; its copy is whole. */
  @Test
  void aFirstStageIsQuantisedWithItsLanguageModel() throws IOException {
    Path from = published("llavaphi-2.7b-stage1", "phi-2", "clip-vit-tiny-patch6-18");
    Path language = from.resolveSibling("phi-2");
    Path out = dir.resolve("out");
    assertThat(quantize(1, from, out).err).contains("" + from);
    assertThat(out).doesNotExist();
    Ran ran = quantize(0, from, out, "--language", "" + language);
    assertThat(ran.out).contains("compared", "name the image encoder: --vision ");
    assertThat(report(out).comparison().tokens()).isEqualTo(8);
    assertThat(report(out).copied()).contains("mm_projector.bin", "vocab.json", "merges.txt");
    Path encoder = from.resolveSibling("clip-vit-tiny-patch6-18");
    MedMoe model = MedMoe.load(out, ModelParts.none().withVision(encoder));
    assertThat(model.moe()).isNull();
    // A model with weights of its own has no other language model.
    Path whole = published("tinymed-phi2");
    assertThat(quantize(1, whole, dir.resolve("two"), "--language", "" + language).err)
        .contains("" + language, "its own language model, in " + whole);
    assertThat(quantize(1, llama(50, 64), dir.resolve("two"), "--language", "" + language).err)
        .contains("only of a Med-MoE", "leave out --language " + language);
  }

  @Test
  void partsThatTheModelHasAreRefusedBeforeAnythingIsWritten() throws IOException {
    Path out = dir.resolve("out");
    Path tower = PUBLISHED.resolve("siglip-tiny");
    Path router = PUBLISHED.resolve("llavastablelm-1.6b-medmoe/stablelm_router.pth");
    Path from = published("llavaphi-2.7b-medmoe", "clip-vit-tiny-patch6-18");
    for (String compared : new String[] {"--head", "--no-compare"}) {
      assertThat(quantize(1, from, out, compared, "--router", "" + router).err)
          .contains("has its own routers");
      assertThat(quantize(1, llama(50, 64), out, compared, "--vision", "" + tower).err)
          .contains("only of a Med-MoE do parts lie elsewhere", "\"llama\"");
    }
    MedMoe model = MedMoe.load(from);
    Path own = dir.resolve("own");
    model.save(own, Provenance.unknown());
    assertThat(quantize(1, own, out, "--vision", "" + tower).err)
        .contains(
            "siglip-tiny", "has its own image encoder, in " + own.resolve("model.safetensors"));
    Path other = Files.copy(router, dir.resolve("router.pth"));
    Path stablelm = published("llavastablelm-1.6b-medmoe", "siglip-tiny");
    assertThat(quantize(1, stablelm, out, "--router", "" + other).err)
        .contains("" + other, "its own router, in " + stablelm.resolve("stablelm_router.pth"));
    assertThat(out).doesNotExist();
  }

  @Test
  void aTokenizerOfAnotherModelIsFoundOutBeforeAnythingIsWritten() throws IOException {
    Path from = llama(300, 64);
    BuiltInTokenizer.load().save(from);
    Path text = Files.writeString(dir.resolve("text.txt"), "Is there a fracture of the rib?");
    Path out = dir.resolve("out");
    assertThat(quantize(1, from, out, "--text", "" + text).err)
        .contains("text.txt: token ", "vocabulary has 300", "does the tokenizer belong");
    assertThat(out).doesNotExist();
    quantize(0, from, out);
  }

  /** A model that has fewer positions than tokens are read at once by default. */
  @Test
  void noMoreIsReadAtOnceThanTheModelHasPositions() throws IOException {
    Path out = dir.resolve("out");
    assertThat(quantize(0, llama(50, 5), out).out).contains("8 tokens", "5 at once");
    assertThat(report(out).comparison().window()).isEqualTo(5);
  }

  /** What fails late: the memory for logits. */
  @Test
  void aComparisonThatFailsLeavesModelAndReport() throws IOException {
    Path from = llama(4096, 1024);
    Path out = dir.resolve("out");
    Memory.setLimit(Memory.stats().reserved() + (8 << 20));
    Ran ran = quantize(1, from, out, "--limit", "1024", "--window", "1024");
    Memory.setLimit(0);
    assertThat(ran.err)
        .contains("the quantised model is whole, but was not compared", "because: ")
        .contains("theriac.memory.limit");
    assertThat(ran.out).contains("quantised", "q_proj", "report  ").doesNotContain("compared");
    QuantizeResult report = report(out);
    assertThat(report.comparison()).isNull();
    assertThat(report.comparisonFailure()).contains("theriac.memory.limit");
    assertThat(report.weights()).hasSize(14);
    CausalLm.load(out);
  }
}
