package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.bench.fullsize.Answer;
import dev.theriac.vision.image.Image;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** {@code theriac ask} from its arguments to its answer. */
class AskCommandTest extends TrainedFixture {
  @Test
  void asksTheModel() throws IOException {
    String image = picture("x.png", phantom());
    Ran ran = theriac("ask", "-q", "--model", model().toString(), "--image", image, "Is this CT?");
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.out()).endsWith(System.lineSeparator());
    assertThat(ran.err()).isEmpty();
    Ran again =
        theriac("ask", "-q", "--model", model().toString(), "--image", image, "Is this CT?");
    assertThat(again.out()).isEqualTo(ran.out());
  }

  @Test
  void saysWhenTheFirstTokenCame() throws IOException {
    String image = picture("times.png", phantom());
    Ran ran =
        theriac("ask", "--times", "--model", model().toString(), "--image", image, "Is this CT?");
    assertThat(ran.err())
        .containsPattern(
            "model loaded [0-9.]+ s, first token [0-9.]+ s, answer [0-9.]+ s after the JVM's"
                + " start");
    // The benchmark of full-size models reads them from there.
    Answer answer = Answer.of(ran.err(), ran.out());
    assertThat(answer.text()).isEqualTo(ran.out().strip());
    assertThat(answer.positions()).isGreaterThan(10);
    assertThat(answer.steps()).isPositive();
    assertThat(answer.load() + answer.picture() + answer.prompt()).isPositive();
  }

  /** What a fast machine does in less than the clock's step is a number too. */
  @Test
  void ratesAreNumbersHoweverShortTheTime() {
    for (double seconds : new double[] {0, -1e-9, 1e-9, 2}) {
      assertThat(AskTimes.rate(15, seconds)).isFinite().isPositive();
    }
    assertThat(AskTimes.rate(15, 2)).isEqualTo(7.5);
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
      assertThat(ran.status()).as(ran.err()).isZero();
      Answer answer = Answer.of(ran.err(), ran.out());
      steps[i] = answer.steps();
      texts[i] = ran.out();
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
      assertThat(ran.status()).as(ran.err()).isZero();
    }
  }

  @Test
  void askSaysWhatIsMissing() throws IOException {
    String image = picture("y.png", phantom());
    Ran empty = theriac("ask", "--model", model().toString(), "--image", image, "  ");
    assertThat(empty.status()).isEqualTo(2);
    assertThat(empty.err()).contains("Empty question");
    Ran noImage = theriac("ask", "--model", model().toString(), "--image", "gone.png", "What?");
    assertThat(noImage.status()).isEqualTo(1);
    assertThat(noImage.err())
        .contains("gone.png", "no such image file")
        .doesNotContain("NoSuchFileException");
    Ran noModel = theriac("ask", "--model", "nowhere", "--image", image, "What?");
    assertThat(noModel.status()).isEqualTo(1);
    assertThat(noModel.err()).contains("nowhere");
    assertThat(theriac("ask", "--image", image, "What?").status()).isEqualTo(2);
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
    assertThat(alone.status()).isEqualTo(1);
    assertThat(alone.err()).contains("a projector alone", "--language");
    List<String> whole = new ArrayList<>(args);
    whole.addAll(1, List.of("--language", all.resolve("phi-2").toString()));
    Ran ran = theriac(whole.toArray(String[]::new));
    assertThat(ran.status()).as(ran.err()).isZero();
    assertThat(ran.out()).isNotBlank();
  }
}
