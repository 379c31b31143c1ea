package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How tokens are chosen, streamed and ended. */
class GeneratorTest {
  private static final int VOCABULARY = 17;
  private static final int LENGTH = 3;

  private final Decoder decoder = decoder();
  private Scope scope;
  private Tensor prompts;

  private static Decoder decoder() {
    Decoder out =
        new Decoder(
            new DecoderConfig(Family.PHI, VOCABULARY, 8, 16, 2, 2, 1, 2, 1e4, 32, 1e-5, 0, 0.5),
            new Rng(5));
    out.train(false);
    return out;
  }

  @BeforeEach
  void open() {
    scope = Scope.open();
    prompts = Tensor.randn(new Rng(6), 1, 2, LENGTH, 8);
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private List<int[]> generate(GenerationConfig config) {
    return new Generator(decoder, config).generate(prompts, new long[] {LENGTH, LENGTH - 1});
  }

  private static GenerationConfig config(double temperature, int topK, double topP, long seed) {
    return new GenerationConfig(12, temperature, topK, topP, 1, seed, Set.of());
  }

  private static void assertSame(List<int[]> got, List<int[]> wanted) {
    assertThat(got).hasSameSizeAs(wanted);
    for (int row = 0; row < wanted.size(); row++) {
      assertThat(got.get(row)).as("row %d", row).isEqualTo(wanted.get(row));
    }
  }

  @Test
  void theSeedDecidesWhatIsSampled() {
    List<int[]> first = generate(config(1.5, 0, 1, 1));
    assertSame(generate(config(1.5, 0, 1, 1)), first);
    assertThat(generate(config(1.5, 0, 1, 2)).getFirst()).isNotEqualTo(first.getFirst());
    int[] alone =
        new Generator(decoder, config(1.5, 0, 1, 1))
            .generate(prompts.slice(0, 0, 1), new long[] {LENGTH})
            .getFirst();
    assertThat(alone).as("the other row does not matter").isEqualTo(first.getFirst());
  }

  @Test
  void oneCandidateLeftIsTheGreedyChoice() {
    List<int[]> greedy = generate(GenerationConfig.greedy(12));
    assertSame(generate(config(5, 1, 1, 3)), greedy);
    assertSame(generate(config(0.01, 0, 1e-9, 3)), greedy);
    assertThat(generate(config(5, 0, 1, 3)).getFirst()).isNotEqualTo(greedy.getFirst());
  }

  @Test
  void streamsWhatItReturnsAndStopsAtAnEndToken() {
    List<int[]> free = generate(GenerationConfig.greedy(12));
    int end = free.getFirst()[2];
    int before = Arrays.stream(free.getFirst()).boxed().toList().indexOf(end);
    List<List<Integer>> streamed = List.of(new ArrayList<>(), new ArrayList<>());
    List<int[]> got =
        new Generator(decoder, GenerationConfig.greedy(12, end))
            .onToken((row, id) -> streamed.get(row).add(id))
            .generate(prompts, new long[] {LENGTH, LENGTH - 1});
    assertThat(got.getFirst()).isEqualTo(Arrays.copyOf(free.getFirst(), before));
    for (int row = 0; row < 2; row++) {
      int[] whole = got.get(row);
      assertThat(streamed.get(row))
          .containsExactlyElementsOf(Arrays.stream(whole).boxed().toList());
      assertThat(whole).doesNotContain(end).isEqualTo(Arrays.copyOf(free.get(row), whole.length));
    }
  }

  @Test
  void stopsWhenCancelled() {
    int[] seen = {0};
    List<int[]> got =
        new Generator(decoder, GenerationConfig.greedy(12))
            .onToken((row, id) -> seen[0]++)
            .cancelWhen(() -> seen[0] >= 6)
            .generate(prompts, new long[] {LENGTH, LENGTH});
    assertThat(got).allSatisfy(row -> assertThat(row).hasSize(3));
  }

  @Test
  void samplesByTheSoftmaxOfTheLogitsOverTheTemperature() {
    float[] logits = {1, 3, 2, Float.NEGATIVE_INFINITY, 2.5f};
    double[] share = shares(logits, config(2, 0, 1, 4));
    double sum = 0;
    for (float l : logits) sum += Math.exp(l / 2);
    for (int i = 0; i < logits.length; i++) {
      assertThat(share[i]).as("token %d", i).isCloseTo(Math.exp(logits[i] / 2) / sum, within(0.02));
    }
    assertThat(used(shares(logits, config(2, 3, 1, 4)))).isEqualTo(Set.of(1, 4, 2));
    // Of the whole mass token 1 has 0.474 and token 4 0.287 at temperature 1.
    assertThat(used(shares(logits, config(1, 0, 0.4, 4)))).isEqualTo(Set.of(1));
    assertThat(used(shares(logits, config(1, 0, 0.6, 4)))).isEqualTo(Set.of(1, 4));
  }

  private static double[] shares(float[] logits, GenerationConfig config) {
    int draws = 4000;
    double[] share = new double[logits.length];
    for (int i = 0; i < draws; i++) {
      share[new TokenChooser(config, 0, logits.length).next(logits.clone(), i)] += 1.0 / draws;
    }
    return share;
  }

  private static Set<Integer> used(double[] shares) {
    Set<Integer> out = new HashSet<>();
    for (int i = 0; i < shares.length; i++) if (shares[i] > 0) out.add(i);
    return out;
  }

  @Test
  void whatWasSaidIsPenalised() {
    var config = new GenerationConfig(3, 0, 0, 1, 2, 0, Set.of());
    TokenChooser chooser = new TokenChooser(config, 0, 4);
    assertThat(chooser.next(new float[] {3, 2, -1, -1.5f}, 0)).isZero();
    assertThat(chooser.next(new float[] {3, 2, -1, -1.5f}, 1)).isEqualTo(1);
    assertThat(chooser.next(new float[] {-1, -1.1f, -1.5f, -3}, 2)).isEqualTo(2);
  }

  @Test
  void tiesGoToTheLowerIdAndNaNLoses() {
    TokenChooser chooser = new TokenChooser(GenerationConfig.greedy(1), 0, 4);
    assertThat(chooser.next(new float[] {Float.NaN, 1, 2, 2}, 0)).isEqualTo(2);
  }

  @Test
  void refusesWhatCannotWork() {
    for (long[] lengths : new long[][] {{LENGTH}, {0, 1}, {1, LENGTH + 1}}) {
      assertThatThrownBy(
              () -> new Generator(decoder, GenerationConfig.greedy(2)).generate(prompts, lengths))
          .as(Arrays.toString(lengths))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("[2, 3, 8]");
    }
    assertThatThrownBy(() -> GenerationConfig.sampling(1, -1, 1, 0)).hasMessageContaining("-1");
    assertThatThrownBy(() -> GenerationConfig.sampling(1, 1, 0, 0)).hasMessageContaining("topP 0");
  }

  @Test
  void passesTellWhereTheirTokensStand() {
    List<Generator.Pass> seen = new ArrayList<>();
    List<String> shapes = new ArrayList<>();
    int[] ended = generate(config(0, 0, 1, 0)).get(0);
    var listener =
        new Generator.PassListener() {
          @Override
          public List<FeedForward.SideInput> before(Generator.Pass pass) {
            seen.add(pass);
            return List.of();
          }

          @Override
          public void after(Generator.Pass pass, Decoder.Output output) {
            shapes.add(output.hidden().layout().toString());
          }
        };
    // The first row ends with its first token, the second goes on.
    new Generator(decoder, new GenerationConfig(3, 0, 0, 1, 1, 0, Set.of(ended[0])))
        .onPass(listener)
        .generate(prompts, new long[] {LENGTH, LENGTH - 1});
    assertThat(seen).hasSize(3);
    assertThat(seen.get(0).positions()).containsExactly(0, 1, 2, 0, 1, -1);
    assertThat(seen.get(1).positions()).containsExactly(-1, 2);
    assertThat(seen.get(2).positions()).containsExactly(-1, 3);
    assertThat(seen.get(1).rows()).isEqualTo(2);
    assertThat(seen.get(1).width()).isEqualTo(1);
    assertThat(shapes).hasSize(3);
  }
}
