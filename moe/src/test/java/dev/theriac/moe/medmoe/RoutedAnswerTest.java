package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.audit.RouteRecord;
import dev.theriac.moe.audit.Trail;
import dev.theriac.moe.medmoe.RoutedAnswer.Part;
import dev.theriac.moe.medmoe.RoutedAnswer.Position;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.vision.image.Image;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers with their routing, recorded and replayed. */
class RoutedAnswerTest {
  private static final String QUESTION = "Is there a mass?";

  @TempDir Path folder;
  private final MedMoe model = TinyModels.mixture(Family.PHI);

  private static Image picture(int seed) {
    return Phantoms.test(seed, 1, 16).getFirst().image();
  }

  private GenerationConfig greedy() {
    return GenerationConfig.greedy(6, model.endId());
  }

  private RoutedAnswer ask() {
    return RoutedAnswer.ask(model, picture(1), QUESTION, greedy(), List.of("a", "b", "c", "d"));
  }

  private static String text(RoutedAnswer answer, Part part) {
    return answer.positions().stream()
        .filter(p -> p.part() == part)
        .map(Position::text)
        .collect(Collectors.joining());
  }

  @Test
  void theAnswerIsThatOfTheModel() {
    assertThat(ask().answer())
        .isEqualTo(model.ask(List.of(picture(1)), List.of(QUESTION), greedy()).getFirst());
  }

  @Test
  void everyPositionHasItsPartAndARecordInEachLayer() {
    RoutedAnswer answer = ask();
    assertThat(answer.positions().stream().filter(p -> p.part() == Part.IMAGE)).hasSize(4);
    assertThat(text(answer, Part.QUESTION)).isEqualTo(QUESTION);
    assertThat(text(answer, Part.FRAME))
        .startsWith(Template.SYSTEM)
        .endsWith("USER: \n ASSISTANT:");
    List<RouteRecord> records = answer.trail().records();
    assertThat(records).hasSize(2 * answer.positions().size());
    for (RouteRecord r : records) {
      Position at = answer.positions().get((int) r.position());
      assertThat(r.token()).isEqualTo(at.token());
      assertThat(r.part()).isEqualTo(at.part().word());
      assertThat(r.sequence()).isZero();
    }
    assertThat(answer.trail().header().expertName(2)).isEqualTo("c");
    assertThat(answer.trail().header().layers()).extracting(l -> l.layer()).containsExactly(0, 2);
  }

  @Test
  void blanksAndMarksAroundTheQuestionChangeNothing() {
    RoutedAnswer again =
        RoutedAnswer.ask(model, picture(1), "  " + QUESTION + "<image>\n", greedy(), List.of());
    assertThat(text(again, Part.QUESTION)).isEqualTo(QUESTION);
    assertThat(ask().trail().difference(again.trail())).isNull();
  }

  @Test
  void d05ReplayedFromItsFileTheAnswerIsTheSameToTheBit() {
    RoutedAnswer first = ask();
    Path file = folder.resolve("trail.jsonl");
    first.trail().write(file);
    RoutedAnswer again = RoutedAnswer.replay(model, picture(1), QUESTION, Trail.read(file));
    assertThat(again.answer()).isEqualTo(first.answer());
    assertThat(first.trail().difference(again.trail())).isNull();
    assertThat(again.positions()).isEqualTo(first.positions());
  }

  @Test
  void d05SampledAnswersAreReplayedToo() {
    GenerationConfig sampled = GenerationConfig.sampling(9, 1.3, 0.9, 5, model.endId());
    RoutedAnswer first = RoutedAnswer.ask(model, picture(2), QUESTION, sampled, List.of());
    RoutedAnswer again = RoutedAnswer.replay(model, picture(2), QUESTION, first.trail());
    assertThat(first.trail().difference(again.trail())).isNull();
    assertThat(first.trail().output()).isNotEqualTo(ask().trail().output());
  }

  /** What ends an answer, too, where it is not the tokenizer's end token. */
  @Test
  void d05OtherEndsOfAnAnswerAreReplayedToo() {
    String written = ask().answer();
    GenerationConfig ended =
        greedy().withEndIds(Set.of(5, 11)).withStopStrings(written.substring(0, 1), "\"é\"");
    RoutedAnswer first = RoutedAnswer.ask(model, picture(1), QUESTION, ended, List.of());
    assertThat(first.answer()).isNotEqualTo(written);
    Path file = folder.resolve("ended.jsonl");
    first.trail().write(file);
    Trail read = Trail.read(file);
    assertThat(read.header().settings()).containsEntry("eos_token_id", "[5,11]");
    assertThat(GenerationSettings.read(read.header().settings(), model.endId())).isEqualTo(ended);
    RoutedAnswer again = RoutedAnswer.replay(model, picture(1), QUESTION, read);
    assertThat(first.trail().difference(again.trail())).isNull();
    assertThat(again.answer()).isEqualTo(first.answer());
    for (String bad : List.of("[", "[1.5]", "3", "[\"a\"]")) {
      Map<String, String> settings = new LinkedHashMap<>(read.header().settings());
      settings.put("eos_token_id", bad);
      assertThatThrownBy(() -> GenerationSettings.read(settings, 0))
          .hasMessageContaining("setting eos_token_id of the trail is " + bad);
    }
  }

  @Test
  void otherInputsAndModelsAreNotReplayed() {
    Trail trail = ask().trail();
    assertThatThrownBy(() -> RoutedAnswer.replay(model, picture(2), QUESTION, trail))
        .hasMessageContaining("same picture and the same question");
    assertThatThrownBy(() -> RoutedAnswer.replay(model, picture(1), "Is there no mass?", trail))
        .hasMessageContaining("same picture and the same question");
    MedMoe other = TinyModels.mixture(Family.PHI);
    other
        .parameters()
        .get("projector.0.bias")
        .set(model.parameters().get("projector.2.bias").value().add(1));
    assertThatThrownBy(() -> RoutedAnswer.replay(other, picture(1), QUESTION, trail))
        .hasMessageContaining("but the same routers");
    assertThatThrownBy(() ->
            RoutedAnswer.ask(
                TinyModels.dense(Family.PHI), picture(1), QUESTION, greedy(), List.of()))
        .hasMessageContaining("dense model, which has no experts");
    assertThatThrownBy(() -> RoutedAnswer.ask(model, picture(1), " ", greedy(), List.of()))
        .hasMessageContaining("empty question");
  }

  @Test
  void differencesAreNamed() {
    Trail trail = ask().trail();
    RouteRecord r = trail.records().get(3);
    List<RouteRecord> changed = new java.util.ArrayList<>(trail.records());
    float[] weights = {Math.nextUp(r.weights()[0])};
    changed.set(
        3,
        new RouteRecord(
            r.sequence(),
            r.position(),
            r.layer(),
            r.token(),
            r.part(),
            r.experts(),
            weights,
            r.margin(),
            r.entropy(),
            null));
    assertThat(trail.difference(new Trail(trail.header(), changed, trail.output())))
        .startsWith("1 of %d records differ, first: layer 0".formatted(changed.size()))
        .contains("weights [" + r.weights()[0], "now", "weights [" + weights[0]);
    List<RouteRecord> fewer = trail.records().subList(1, trail.records().size());
    assertThat(trail.difference(new Trail(trail.header(), fewer, null))).contains("now null");
    assertThat(new Trail(trail.header(), fewer, null).difference(trail)).contains("now there are");
    assertThat(trail.difference(new Trail(trail.header(), trail.records(), "0".repeat(64))))
        .contains("the answer differs");
  }
}
