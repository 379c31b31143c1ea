package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.medmoe.data.Phantom;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Role;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.moe.medmoe.prompt.Turn;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import dev.theriac.vision.image.Image;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MedMoeTest {
  private static final List<Phantom> PHANTOMS = Phantoms.test(5, 4);
  private static final int PATCHES = TinyModels.vision().patches();

  private static float[] pixels(MedMoe model, int phantom) {
    return model.preprocess(PHANTOMS.get(phantom).image());
  }

  private static int[] prompt(MedMoe model, String question) {
    return new PromptEncoder(model.tokenizer(), Template.PHI, 1000)
        .inference(Conversation.ask(question));
  }

  private static Example example(int[] ids) {
    int[] labels = new int[ids.length];
    Arrays.fill(labels, Example.IGNORE);
    return new Example(ids, labels);
  }

  /** A question without a picture. */
  private static int[] textOnly(MedMoe model, String question) {
    Conversation asked = new Conversation(List.of(new Turn(Role.USER, question)));
    return new PromptEncoder(model.tokenizer(), Template.PHI, 1000).inference(asked);
  }

  /** Logits of each row's own positions, [row][position * vocabulary]. */
  private static float[][] logits(MedMoe model, List<Example> examples, float[]... pixels) {
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        ModelInput in = model.input(examples, pixels);
        Tensor hidden =
            model
                .language()
                .forward(model.embed(in), in.positions(), in.lengths(), null, false)
                .hidden();
        float[] all = model.language().logits(hidden).toFloats();
        int width = model.language().config().vocabulary();
        long[] lengths = in.lengths().toLongs();
        float[][] rows = new float[in.batch()][];
        for (int b = 0; b < rows.length; b++) {
          int from = b * in.length() * width;
          rows[b] = Arrays.copyOfRange(all, from, from + (int) lengths[b] * width);
        }
        return rows;
      }
    });
  }

  private static void assertClose(float[] got, float[] wanted) {
    assertThat(got).hasSameSizeAs(wanted);
    float largest = 0;
    for (float w : wanted) largest = Math.max(largest, Math.abs(w));
    for (int i = 0; i < got.length; i++) {
      assertThat(got[i]).as("value %d", i).isCloseTo(wanted[i], within(1e-5f * largest));
    }
  }

  @Test
  void aPictureTakesThePlaceOfItsMark() {
    MedMoe model = TinyModels.dense(Family.PHI);
    try (Scope _ = Scope.open()) {
      int[] ids = prompt(model, "Is there a nodule?");
      ModelInput in = model.input(List.of(example(ids)), new float[][] {pixels(model, 0)});
      assertThat(in.length()).isEqualTo(ids.length + PATCHES - 1);
      assertThat(in.lengths().toLongs()).containsExactly(ids.length + PATCHES - 1);
      assertThat(in.textIds().size()).isEqualTo(ids.length - 1);
    }
  }

  @Test
  void everyExampleSeesItsOwnPicture() {
    MedMoe model = TinyModels.dense(Family.STABLELM);
    int[] first = prompt(model, "Is there a nodule?");
    int[] none = textOnly(model, "Is there a nodule? Is there an effusion? Where is it?");
    int[] last = prompt(model, "Which side is it on?");
    Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        ModelInput in =
            model.input(
                List.of(example(first), example(none), example(last)),
                new float[][] {pixels(model, 0), pixels(model, 1)});
        Tensor embedded = model.embed(in);
        int at = firstMark(first);
        for (int picture = 0; picture < 2; picture++) {
          float[] seen =
              model
                  .projector()
                  .forward(model.vision().features(Tensor.of(pixels(model, picture), 1, 3, 16, 16)))
                  .toFloats();
          float[] there =
              embedded.select(0, picture == 0 ? 0 : 2).slice(0, at, at + PATCHES).toFloats();
          assertClose(there, seen);
        }
        assertThat(in.lengths().toLongs()[1]).isEqualTo(none.length);
        float[] padding =
            embedded.select(0, 2).slice(0, in.lengths().toLongs()[2], in.length()).toFloats();
        assertThat(padding).isNotEmpty().containsOnly(0f);
        return null;
      }
    });
  }

  private static int firstMark(int[] ids) {
    for (int i = 0; i < ids.length; i++) if (ids[i] < 0) return i;
    throw new AssertionError("no picture mark in " + Arrays.toString(ids));
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void paddingDoesNotChangeARow(Family family) {
    MedMoe model = TinyModels.mixture(family);
    Example longer = example(prompt(model, "Is there a nodule, an effusion or a ring anywhere?"));
    Example shorter = example(prompt(model, "Nodule?"));
    assertThat(shorter.length()).isLessThan(longer.length());
    float[][] both = logits(model, List.of(longer, shorter), pixels(model, 0), pixels(model, 1));
    assertClose(both[0], logits(model, List.of(longer), pixels(model, 0))[0]);
    assertClose(both[1], logits(model, List.of(shorter), pixels(model, 1))[0]);
  }

  @ParameterizedTest
  @EnumSource(names = {"PHI", "STABLELM"})
  void cachedGenerationChoosesWhatAFullPassChooses(Family family) {
    MedMoe model = TinyModels.mixture(family);
    int[] ids = prompt(model, "Is there a nodule?");
    float[][] pixels = {pixels(model, 2)};
    int[] said = model.generate(List.of(ids), pixels, GenerationConfig.greedy(6)).getFirst();
    assertThat(said).hasSize(6);
    int width = model.language().config().vocabulary();
    for (int step = 0; step < said.length; step++) {
      int[] sofar = Arrays.copyOf(ids, ids.length + step);
      System.arraycopy(said, 0, sofar, ids.length, step);
      float[] all = logits(model, List.of(example(sofar)), pixels)[0];
      int best = 0;
      int last = all.length - width;
      for (int i = 1; i < width; i++) if (all[last + i] > all[last + best]) best = i;
      assertThat(said[step]).as("token %d", step).isEqualTo(best);
    }
  }

  @Test
  void answersOfABatchAreThoseOfEachAlone() {
    MedMoe model = TinyModels.mixture(Family.PHI);
    List<String> questions =
        List.of("Is there a nodule?", "Which modality is this image?", "Where?");
    GenerationConfig config = GenerationConfig.greedy(5, model.endId());
    List<Image> images = new ArrayList<>();
    List<String> alone = new ArrayList<>();
    for (int i = 0; i < questions.size(); i++) {
      images.add(PHANTOMS.get(i).image());
      alone.addAll(model.ask(List.of(images.get(i)), List.of(questions.get(i)), config));
    }
    assertThat(model.ask(images, questions, config)).isEqualTo(alone);
  }

  @Test
  void anEmptyQuestionIsRefused() {
    MedMoe model = TinyModels.dense(Family.PHI);
    assertThatThrownBy(() -> model.ask(PHANTOMS.getFirst().image(), " \n"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("empty question");
  }

  @Test
  void textAloneNeedsNoPicture() {
    MedMoe model = TinyModels.dense(Family.PHI);
    int[] ids = textOnly(model, "What is an effusion?");
    List<int[]> said = model.generate(List.of(ids), new float[0][], GenerationConfig.greedy(2));
    assertThat(said.getFirst()).hasSize(2);
    assertThatThrownBy(() ->
            model.generate(
                List.of(ids), new float[][] {pixels(model, 0)}, GenerationConfig.greedy(2)))
        .hasMessageContaining("0 picture marks and 1 pictures");
  }

  @Test
  void aCopySharesNothing() {
    MedMoe model = TinyModels.mixture(Family.STABLELM);
    MedMoe copy = model.copy();
    Example asked = example(prompt(model, "Nodule?"));
    float[] before = logits(model, List.of(asked), pixels(model, 0))[0];
    assertThat(logits(copy, List.of(asked), pixels(copy, 0))[0]).isEqualTo(before);
    copy.parameters().values().forEach(p -> p.set(Tensor.zeros(p.value().shape())));
    assertThat(logits(model, List.of(asked), pixels(model, 0))[0]).isEqualTo(before);
  }
}
