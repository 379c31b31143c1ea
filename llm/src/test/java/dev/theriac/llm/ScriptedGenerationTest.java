package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.nn.Parameter;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A model that says a text known beforehand, each of whose tokens follows from the one before, so
 * that what is streamed, stopped and cancelled is known too.
 */
class ScriptedGenerationTest {
  private static final int DIM = 96;

  private final HuggingFaceTokenizerFile tokenizer = BuiltInTokenizer.load();
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  /** Its blocks add nothing; a token's row in the head is its predecessor's vector. */
  private CausalLm saying(int[] ids) {
    assertThat(Arrays.stream(ids).distinct().count()).as("tokens, each once").isEqualTo(ids.length);
    int vocabulary = tokenizer.vocabSize();
    var shape =
        new DecoderConfig(
            DecoderConfig.Family.LLAMA, vocabulary, DIM, 8, 3, 2, 2, 48, 1e4, 256, 1e-5, 0, 0.1);
    var config = new CausalLmConfig(CausalLmConfig.Kind.LLAMA, shape, null, List.of(), null);
    CausalLm model = new CausalLm(config, new Rng(8));
    SequencedMap<String, Parameter> parameters = model.decoder().parameters();
    for (int i = 0; i < 3; i++) {
      parameters.get("layers." + i + ".self_attn.o_proj.weight").set(Tensor.zeros(DIM, DIM));
      parameters.get("layers." + i + ".mlp.down_proj.weight").set(Tensor.zeros(DIM, 8));
    }
    float[] table = Tensor.randn(new Rng(3), 1, vocabulary, DIM).toFloats();
    float[] head = new float[table.length];
    for (int i = 1; i < ids.length; i++) {
      System.arraycopy(table, ids[i - 1] * DIM, head, ids[i] * DIM, DIM);
    }
    parameters.get("embed_tokens.weight").set(Tensor.of(table, vocabulary, DIM));
    parameters.get("lm_head.weight").set(Tensor.of(head, vocabulary, DIM));
    model.train(false);
    model.setTokenizer(tokenizer);
    return model;
  }

  /** A text of which some characters are several tokens, none of them twice. */
  private int[] script() {
    int[] ids = tokenizer.encode("Lungs: clear. é 肺 🫁 No\nsigns", false);
    int[] once = Arrays.stream(ids).distinct().toArray();
    assertThat(once.length).isGreaterThan(12);
    return once;
  }

  private static List<int[]> start(int[] script) {
    return List.of(new int[] {script[0]});
  }

  private static GenerationConfig all(int[] script) {
    return GenerationConfig.greedy(script.length - 1);
  }

  /** What the first tokens say as far as their characters are whole. */
  private String said(int[] script, int count) {
    var decoder = tokenizer.streaming();
    decoder.add(script[0]);
    StringBuilder out = new StringBuilder();
    for (int i = 1; i <= count; i++) out.append(decoder.add(script[i]));
    return out.toString();
  }

  @Test
  void charactersOfSeveralTokensAreStreamedWhole() {
    int[] script = script();
    CausalLm model = saying(script);
    List<String> pieces = new ArrayList<>();
    List<Integer> ids = new ArrayList<>();
    int[] got =
        model
            .generator(all(script))
            .onToken((row, id) -> ids.add(id))
            .onText(
                tokenizer,
                (row, piece) -> {
                  assertThat(piece).isNotEmpty();
                  pieces.add(piece);
                })
            .generate(start(script))
            .getFirst();
    assertThat(got).isEqualTo(Arrays.copyOfRange(script, 1, script.length));
    assertThat(ids).containsExactlyElementsOf(Arrays.stream(got).boxed().toList());
    // Some tokens said nothing yet, and what was said is text from its first to its last character.
    assertThat(pieces.size()).isLessThan(got.length);
    String text = String.join("", pieces);
    assertThat(text).isEqualTo(tokenizer.decode(script, true).substring(text(script[0]).length()));
    for (String piece : pieces.subList(0, pieces.size() - 1)) {
      assertThat(piece).doesNotContain("\ufffd");
      assertThat(Character.isLowSurrogate(piece.charAt(0))).isFalse();
      assertThat(Character.isHighSurrogate(piece.charAt(piece.length() - 1))).isFalse();
    }
  }

  private String text(int id) {
    return tokenizer.decode(new int[] {id}, true);
  }

  /** A text that ends within a character says so once it is known that no more comes. */
  @Test
  void aCharacterThatIsCutOffIsGivenOutAtTheEnd() {
    int[] script = script();
    int cut =
        IntStream.range(1, script.length)
            .filter(i -> said(script, i).equals(said(script, i - 1)))
            .findFirst()
            .orElseThrow();
    List<String> pieces = new ArrayList<>();
    saying(script)
        .generator(GenerationConfig.greedy(cut))
        .onText(tokenizer, (row, piece) -> pieces.add(piece))
        .generate(start(script));
    assertThat(String.join("", pieces)).isEqualTo(said(script, cut) + "\ufffd");
  }

  /**
   * Every part of the text, wherever tokens end in it; the row ends with the token that says it.
   */
  @Test
  void stopStringsAreFoundAcrossTokens() {
    int[] script = script();
    CausalLm model = saying(script);
    String text = said(script, script.length - 1);
    int tried = 0;
    for (int from = 0; from < text.length(); from++) {
      for (int to = from + 1; to <= Math.min(text.length(), from + 9); to += 2) {
        String stop = text.substring(from, to);
        if (Character.isLowSurrogate(stop.charAt(0))) continue;
        if (Character.isHighSurrogate(stop.charAt(stop.length() - 1))) continue;
        int wanted = 1;
        while (!(text(script[0]) + said(script, wanted)).contains(stop)) wanted++;
        int[] got =
            model
                .generate(start(script), all(script).withStopStrings("never said", stop))
                .getFirst();
        assertThat(got).as("stop at '%s'", stop).hasSize(wanted);
        tried++;
      }
    }
    assertThat(tried).isGreaterThan(50);
  }

  /** However often it has been asked before it says so: the tokens are the first ones. */
  @Test
  void generationIsCancelledInEveryPlace() {
    int[] script = script();
    CausalLm model = saying(script);
    int[] whole = Arrays.copyOfRange(script, 1, script.length);
    int longest = 0;
    // Three blocks and a question after each token: four for each pass.
    for (int allowed = 0; allowed < 24; allowed++) {
      int left = allowed;
      int[] asked = {0};
      int[] passes = {0};
      StringBuilder text = new StringBuilder();
      int[] got =
          model
              .generator(all(script))
              .cancelWhen(() -> asked[0]++ >= left)
              .onText(tokenizer, (row, piece) -> text.append(piece))
              .onPass(
                  new Generator.PassListener() {
                    @Override
                    public void after(Generator.Pass pass, Decoder.Output output) {
                      passes[0]++;
                    }
                  })
              .generate(start(script))
              .getFirst();
      int count = (allowed + 1) / 4;
      assertThat(got).as("after %d", allowed).isEqualTo(Arrays.copyOf(whole, count));
      assertThat(passes[0]).as("after %d", allowed).isEqualTo(count);
      assertThat(text.toString()).startsWith(said(script, count));
      longest = Math.max(longest, count);
    }
    assertThat(longest).isGreaterThan(4);
  }
}
