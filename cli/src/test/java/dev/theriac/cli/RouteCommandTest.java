package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.Decoder;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.moe.Router;
import dev.theriac.moe.audit.RouteRecord;
import dev.theriac.moe.audit.Trail;
import dev.theriac.moe.audit.TrailReader;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.MoeOptions;
import dev.theriac.moe.medmoe.Provenance;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.tensor.Rng;
import dev.theriac.vision.VisionConfig;
import dev.theriac.vision.VisionTransformer;
import dev.theriac.vision.image.Images;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/** {@code theriac route} from its arguments to its page and its trail. */
class RouteCommandTest {
  private static final String QUESTION = "Is there a <mass> & more?";

  @TempDir static Path folder;

  private record Ran(int status, String out, String err) {}

  private static Ran theriac(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args);
    return new Ran(status, out.toString(), err.toString());
  }

  /** Routes with the rest of the arguments; its page is {@code page.html}. */
  private static Ran route(String model, String image, String question, String... more) {
    List<String> args =
        new ArrayList<>(
            List.of("route", "-q", "--model", at(model), "--image", at(image), "--out"));
    args.add(at("page.html"));
    args.addAll(List.of(more));
    args.add(question);
    return theriac(args.toArray(String[]::new));
  }

  private static String at(String name) {
    return folder.resolve(name).toString();
  }

  @BeforeAll
  static void models() throws IOException {
    save("named", 1, List.of("CT", "MRI", "X-ray", "pathology"));
    save("nameless", 1, List.of());
    save("other", 2, List.of());
    dense(1).save(folder.resolve("dense"), Provenance.unknown());
    for (int i = 0; i < 2; i++) {
      Images.writePng(Phantoms.test(1, 2, 16).get(i).image(), folder.resolve(i + ".png"));
    }
  }

  private static MedMoe dense(int seed) {
    DecoderConfig language =
        new DecoderConfig(Family.PHI, 512, 16, 24, 3, 2, 2, 4, 1e4, 512, 1e-5, 0, 0.1);
    return MedMoe.builder()
        .vision(
            new VisionTransformer(
                new VisionConfig(16, 8, 12, 2, 2, 20, 1e-5, -2, 0.1), new Rng(seed)))
        .language(new Decoder(language, new Rng(seed + 10)))
        .tokenizer(BuiltInTokenizer.load())
        .seed(seed)
        .build();
  }

  private static void save(String name, int seed, List<String> experts) {
    Router router = new Router(16, 4, 1, Router.Weighting.PROBABILITY, new Rng(seed));
    dense(seed)
        .upcycle(router, MoeOptions.medMoe())
        .save(folder.resolve(name), Provenance.unknown().withExperts(experts));
  }

  private static Document page() throws Exception {
    byte[] html = Files.readAllBytes(folder.resolve("page.html"));
    var factory = DocumentBuilderFactory.newInstance();
    String text = new String(html, StandardCharsets.UTF_8).replaceFirst("<!DOCTYPE html>", "");
    return factory
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
  }

  private static List<Element> all(Document page, String tag, String cssClass) {
    List<Element> out = new ArrayList<>();
    var found = page.getElementsByTagName(tag);
    for (int i = 0; i < found.getLength(); i++) {
      Element e = (Element) found.item(i);
      if (e.getAttribute("class").matches("(.* )?" + cssClass + "( .*)?")) out.add(e);
    }
    return out;
  }

  @Test
  void answersAndPrintsTheShares() {
    Ran ran = route("named", "0.png", QUESTION, "--max-tokens", "3");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.err).isEmpty();
    assertThat(ran.out)
        .containsSubsequence(
            "layer 0", "tokens", "CT", "MRI", "X-ray", "pathology", "margin", "entropy")
        .containsSubsequence("image", "question", "answer", "frame", "layer 2", "image", "page")
        .contains(at("page.html"))
        .doesNotContain("position");
    String asked =
        theriac(
                "ask",
                "-q",
                "--max-tokens",
                "3",
                "--model",
                at("named"),
                "--image",
                at("0.png"),
                QUESTION)
            .out;
    assertThat(ran.out.lines().findFirst())
        .hasValue(asked.isBlank() ? "(no answer)" : asked.strip());
  }

  @Test
  void printsEveryToken() {
    Ran ran = route("nameless", "0.png", QUESTION, "--tokens", "--max-tokens", "3");
    assertThat(ran.status).as(ran.err).isZero();
    assertThat(ran.out).contains("position part", "' there'", "expert ");
    long prompt =
        ran.out.lines().filter(l -> l.matches(" +\\d+ (image|frame|question|answer) .*")).count();
    assertThat(prompt).isGreaterThan(15);
    assertThat(ran.out.lines().filter(l -> l.matches(" {37}2  expert \\d .*")))
        .hasSize((int) prompt);
  }

  @Test
  void thePageHoldsThePictureTheWordsAndTheNumbers() throws Exception {
    route("named", "0.png", QUESTION, "--max-tokens", "3");
    String html = Files.readString(folder.resolve("page.html"));
    assertThat(html).contains("Is there a &lt;mass&gt; &amp; more?");
    assertThat(html.replace("http://www.w3.org/2000/svg", ""))
        .doesNotContain("http:", "https:", "<script", "<link", "url(");
    Document page = page();
    assertThat(all(page, "rect", "patch")).hasSize(4 * 2);
    assertThat(all(page, "text", "letter")).hasSize(8);
    assertThat(all(page, "span", "word").size()).isGreaterThan(10);
    assertThat(page.getElementsByTagName("use").getLength()).isEqualTo(2);
    assertThat(page.getElementsByTagName("section").getLength()).isEqualTo(5);
  }

  @Test
  void coloursOfThePageAreThoseOfTheTrail() throws Exception {
    route("named", "1.png", QUESTION, "--json", at("colours.jsonl"));
    Trail trail = Trail.read(folder.resolve("colours.jsonl"));
    List<String> wanted =
        trail.records().stream()
            .filter(r -> "image".equals(r.part()))
            .sorted((a, b) -> Integer.compare(a.layer(), b.layer()))
            .map(r -> "x" + r.experts()[0])
            .toList();
    assertThat(all(page(), "rect", "patch"))
        .extracting(e -> ((Element) e.getParentNode()).getAttribute("class"))
        .containsExactlyElementsOf(wanted);
  }

  @Test
  void d05ATrailIsWrittenAndReplayed() throws IOException {
    Ran ran =
        route(
            "named",
            "0.png",
            QUESTION,
            "--json",
            at("trail.jsonl"),
            "--max-tokens",
            "4",
            "--temperature",
            "1.1",
            "--seed",
            "9");
    assertThat(ran.status).as(ran.err).isZero();
    var closing = TrailReader.verify(folder.resolve("trail.jsonl"));
    assertThat(ran.out).contains(closing.chain(), "%,d records".formatted(closing.records()));
    Ran again =
        route("named", "0.png", QUESTION, "--replay", at("trail.jsonl"), "--json", at("b.jsonl"));
    assertThat(again.status).as(again.err).isZero();
    assertThat(again.out)
        .contains("replay", "records and the answer are the same to the bit")
        .startsWith(ran.out.lines().findFirst().orElseThrow());
    assertThat(Files.readAllBytes(folder.resolve("b.jsonl")))
        .isEqualTo(Files.readAllBytes(folder.resolve("trail.jsonl")));
  }

  @Test
  void whatCannotBeReplayedFails() throws IOException {
    Path file = folder.resolve("sound.jsonl");
    route("named", "0.png", QUESTION, "--json", file.toString(), "--max-tokens", "4");
    Ran model = route("other", "0.png", QUESTION, "--replay", file.toString());
    assertThat(model.status).isEqualTo(1);
    assertThat(model.err).contains("recorded from a model with weights", "load the model");
    Ran picture = route("named", "1.png", QUESTION, "--replay", file.toString());
    assertThat(picture.status).isEqualTo(1);
    assertThat(picture.err).contains("same picture and the same question");
    Ran settings =
        route("named", "0.png", QUESTION, "--replay", file.toString(), "--max-tokens", "4");
    assertThat(settings.status).isEqualTo(2);
    assertThat(settings.err).contains("--replay takes the settings of the trail");
    String text = Files.readString(file);
    Files.writeString(file, text.replaceFirst("\"part\":\"image\"", "\"part\":\"imagE\""));
    Ran edited = route("named", "0.png", QUESTION, "--replay", file.toString());
    assertThat(edited.status).isEqualTo(1);
    assertThat(edited.err).containsPattern("sound.jsonl: line \\d+: its chain").contains("restore");
  }

  /** Sound files whose numbers this model does not give, as from another back end. */
  @Test
  void otherNumbersAreNotReproduced() {
    Path file = folder.resolve("numbers.jsonl");
    route("named", "0.png", QUESTION, "--json", file.toString(), "--max-tokens", "4");
    Trail trail = Trail.read(file);
    var records = new ArrayList<>(trail.records());
    var r = records.get(5);
    records.set(
        5,
        new RouteRecord(
            r.sequence(),
            r.position(),
            r.layer(),
            r.token(),
            r.part(),
            r.experts(),
            r.weights(),
            r.margin(),
            Math.nextUp(r.entropy()),
            null));
    new Trail(trail.header(), records, trail.output()).write(file);
    Ran ran = route("named", "0.png", QUESTION, "--replay", file.toString());
    assertThat(ran.status).isEqualTo(1);
    assertThat(ran.err).contains("not reproduced: 1 of", "another back end");
    new Trail(trail.header(), trail.records(), "0".repeat(64)).write(file);
    Ran answer = route("named", "0.png", QUESTION, "--replay", file.toString());
    assertThat(answer.status).isEqualTo(1);
    assertThat(answer.err).contains("the answer differs");
  }

  @Test
  void saysWhatIsMissing() {
    Ran none = route("dense", "0.png", QUESTION);
    assertThat(none.status).isEqualTo(1);
    assertThat(none.err).contains("dense model, which has no experts", "stage 3");
    Ran empty = route("named", "0.png", "  ");
    assertThat(empty.status).isEqualTo(2);
    assertThat(empty.err).contains("Empty question");
    Ran model = route("nowhere", "0.png", QUESTION);
    assertThat(model.status).isEqualTo(1);
    assertThat(model.err).contains("nowhere");
    Ran image = route("named", "gone.png", QUESTION);
    assertThat(image.status).isEqualTo(1);
    assertThat(image.err).contains("gone.png", "no such image file");
    Ran trail = route("named", "0.png", QUESTION, "--replay", at("gone.jsonl"));
    assertThat(trail.status).isEqualTo(1);
    assertThat(trail.err).contains("gone.jsonl: no such file");
    Ran out = route("named", "0.png", QUESTION, "--json", folder.toString());
    assertThat(out.status).isEqualTo(1);
    assertThat(out.err).contains("is a folder");
  }

  @Test
  void manyExpertsGetColoursOfTheirOwn() throws Exception {
    Router router = new Router(16, 9, 2, Router.Weighting.RENORMALISED, new Rng(1));
    dense(3)
        .upcycle(router, new MoeOptions(9, 2, Router.Weighting.RENORMALISED, true, null, 0))
        .save(folder.resolve("nine"), Provenance.unknown());
    Ran ran = route("nine", "0.png", QUESTION, "--tokens", "--json", at("nine.jsonl"));
    assertThat(ran.status).as(ran.err).isZero();
    String html = Files.readString(folder.resolve("page.html"));
    assertThat(html).contains(".x0 { --x: hsl(", ".x8 { --x: hsl(");
    page();
    assertThat(Trail.read(folder.resolve("nine.jsonl")).records())
        .allMatch(r -> r.experts().length == 2 && r.margin() >= 0);
  }
}
