package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.llm.tokenizer.BuiltInTokenizer;
import dev.theriac.llm.tokenizer.HuggingFaceTokenizerFile;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Generation from token prompts, beside what transformers generates and samples from. */
class GenerationTest {
  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static List<String> names() {
    return CausalReference.NAMES;
  }

  /** The penalty counts the prompt's tokens too. */
  @ParameterizedTest
  @MethodSource("names")
  void penalisedTokensAreThoseOfTransformers(String name) {
    CausalReference reference = new CausalReference(name);
    CausalLm model = reference.model();
    var settings = new GenerationConfig(24, 0, 0, 1, 1.3, 0, Set.of());
    for (int row = 0; row < 2; row++) {
      List<int[]> prompt = reference.prompts().subList(row, row + 1);
      assertThat(model.generate(prompt, settings).getFirst())
          .isEqualTo(reference.tokens("penalised", row));
    }
  }

  /** Prompts in one tensor, the second row filled on its left. */
  @ParameterizedTest
  @MethodSource("names")
  void fillingOnTheLeftChangesNothing(String name) {
    CausalReference reference = new CausalReference(name);
    GenerationConfig settings = GenerationConfig.greedy(16);
    List<int[]> got = reference.model().generate(reference.get("ids"), reference.mask(), settings);
    for (int row = 0; row < 2; row++) {
      assertThat(got.get(row)).isEqualTo(Arrays.copyOf(reference.tokens("generated", row), 16));
    }
  }

  /** {@code causal/make_sampling.py}. */
  @ParameterizedTest
  @CsvSource({
    "plain, 1, 0, 1, 1, 0",
    "cold, 0.6, 0, 1, 1, 0",
    "top-k, 1.5, 7, 1, 1, 0",
    "top-k-ties, 1, 3, 1, 1, 0",
    "top-p, 1.2, 0, 0.7, 1, 0",
    "penalty, 1, 0, 1, 1.7, 0",
    "all, 0.8, 20, 0.9, 1.2, 4"
  })
  void probabilitiesAreThoseOfTransformers(
      String name, double temperature, int topK, double topP, double penalty, int least) {
    SafeTensors file = SafeTensors.open(CausalReference.path("sampling.safetensors"));
    String of = name.equals("top-k-ties") ? "ties" : "logits";
    int[] prompt = Arrays.stream(file.get("prompt").toLongs()).mapToInt(i -> (int) i).toArray();
    var settings =
        new GenerationConfig(
            9, temperature, topK, topP, penalty, 0, Set.of(5, 11), least, List.of(), 0, 0);
    for (int row = 0; row < file.get(of).size(0); row++) {
      float[] logits = file.get(of).select(0, row).toFloats();
      float[] wanted = file.get("probabilities." + name).select(0, row).toFloats();
      var chooser = new TokenChooser(settings, 0, logits.length, prompt.length, prompt);
      double[] got = chooser.probabilities(logits, 0);
      for (int i = 0; i < got.length; i++) {
        assertThat(got[i])
            .as("%s, row %d, token %d", name, row, i)
            .isCloseTo(wanted[i], within(1e-6));
      }
    }
  }

  /** The same tokens alone and in a batch, and by the same seed again; others by another. */
  @Test
  void sampledTokensDependOnSeedAndRowAlone() {
    CausalReference reference = new CausalReference("llama");
    CausalLm model = reference.model();
    var settings = new GenerationConfig(12, 1.1, 9, 0.95, 1.1, 3, Set.of());
    List<int[]> together = model.generate(reference.prompts(), settings);
    List<int[]> again = model.generate(reference.prompts(), settings);
    assertThat(again.get(1)).isEqualTo(together.get(1));
    assertThat(model.generate(reference.prompts().subList(0, 1), settings).getFirst())
        .isEqualTo(together.getFirst());
    assertThat(model.generate(reference.prompts(), settings.withSeed(4)).getFirst())
        .isNotEqualTo(together.getFirst());
  }

  @Test
  void aRowEndsNotBeforeItsLeastNumberOfTokens() {
    CausalReference reference = new CausalReference("qwen2");
    CausalLm model = reference.model();
    List<int[]> prompts = reference.prompts();
    int first = reference.tokens("generated", 0)[0];
    GenerationConfig ending = GenerationConfig.greedy(10, first);
    assertThat(model.generate(prompts, ending).getFirst()).isEmpty();
    int[] longer = model.generate(prompts, ending.withMinNewTokens(3)).getFirst();
    assertThat(longer).hasSizeGreaterThanOrEqualTo(3).doesNotContain(first);
  }

  /** Rows of different lengths and one limit for prompt and continuation together. */
  @Test
  void aLimitMayCountThePrompt() {
    CausalReference reference = new CausalReference("phi");
    CausalLm model = reference.model();
    var settings = new GenerationConfig(40, 0, 0, 1, 1, 0, Set.of(), 0, List.of(), 14, 0);
    List<int[]> got = model.generate(reference.prompts(), settings);
    for (int row = 0; row < 2; row++) {
      int count = 14 - reference.prompts().get(row).length;
      int[] wanted = Arrays.copyOf(reference.tokens("generated", row), count);
      assertThat(got.get(row)).isEqualTo(wanted);
    }
    var full = new GenerationConfig(40, 0, 0, 1, 1, 0, Set.of(), 0, List.of(), 11, 0);
    assertThatThrownBy(() -> model.generate(reference.prompts(), full))
        .hasMessageContaining("prompt of 11 positions, and at most 11");
  }

  private static CausalLm talker(HuggingFaceTokenizerFile tokenizer) {
    var shape =
        new DecoderConfig(
            DecoderConfig.Family.LLAMA,
            tokenizer.vocabSize(),
            16,
            24,
            1,
            2,
            2,
            8,
            1e4,
            256,
            1e-5,
            0,
            0.7);
    CausalLm model =
        new CausalLm(
            new CausalLmConfig(CausalLmConfig.Kind.LLAMA, shape, null, List.of(), null),
            new Rng(8));
    model.train(false);
    model.setTokenizer(tokenizer);
    return model;
  }

  @Test
  void textIsStreamedAndStopsAtAString() {
    HuggingFaceTokenizerFile tokenizer = BuiltInTokenizer.load();
    CausalLm model = talker(tokenizer);
    GenerationConfig settings = GenerationConfig.sampling(40, 1, 1, 5);
    int[] prompt = tokenizer.encode("Is there a fracture?", true);
    int[] ids = model.generate(List.of(prompt), settings).getFirst();
    List<String> pieces = new ArrayList<>();
    String whole = model.generate("Is there a fracture?", settings, pieces::add);
    assertThat(String.join("", pieces)).isEqualTo(whole);
    assertThat(pieces).hasSizeGreaterThan(5);
    assertThat(whole.strip()).isEqualTo(tokenizer.decode(ids, true).strip());
    // Something that the text says, over the boundary of two tokens.
    String stop = whole.substring(9, 14);
    GenerationConfig stopping = settings.withStopStrings("never said, we hope", stop);
    String cut = model.generate("Is there a fracture?", stopping, _ -> {});
    int end = whole.indexOf(stop) + stop.length();
    assertThat(whole).startsWith(cut);
    assertThat(cut).contains(stop);
    int[] fewer = model.generate(List.of(prompt), stopping).getFirst();
    assertThat(fewer.length).isLessThan(ids.length);
    int[] before = Arrays.copyOf(fewer, fewer.length - 1);
    assertThat(tokenizer.decode(before, true).length()).isLessThan(end);
  }

  @Test
  void cancellingReturnsWhatThereIs() {
    CausalReference reference = new CausalReference("llama");
    int[] seen = {0};
    List<int[]> got =
        reference
            .model()
            .generator(GenerationConfig.greedy(30))
            .onToken((row, id) -> seen[0]++)
            .cancelWhen(() -> seen[0] >= 8)
            .generate(reference.prompts());
    assertThat(got).allSatisfy(row -> assertThat(row).hasSize(4));
  }

  @Test
  void refusesPromptsThatAreNone() {
    CausalLm model = new CausalReference("llama").model();
    GenerationConfig settings = GenerationConfig.greedy(2);
    assertThatThrownBy(() -> model.generate(List.of(new int[] {1}, new int[0]), settings))
        .hasMessageContaining("prompt 1 is empty");
    assertThatThrownBy(() -> model.generate(List.of(new int[] {1, 37}), settings))
        .hasMessageContaining("id 37 at place 1 of prompt 0; the vocabulary has 37");
    assertThat(model.generate(List.of(), settings)).isEmpty();
    assertThatThrownBy(() ->
            new Generator(model.decoder(), settings.withStopStrings("."))
                .generate(List.of(new int[] {1})))
        .hasMessageContaining("no tokenizer");
    assertThatThrownBy(() -> model.generate("text", settings, _ -> {}))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("no tokenizer");
  }

  private GenerationConfig read(String fields) throws IOException {
    Path file = dir.resolve("generation_config.json");
    return GenerationConfig.read(Files.writeString(file, "{" + fields + "}"));
  }

  @Test
  void readsGenerationConfigs() throws IOException {
    assertThat(read("")).isEqualTo(GenerationConfig.greedy(20));
    assertThat(
            read(
                """
                "_from_model_config": true, "bos_token_id": 128000, "do_sample": true,
                "eos_token_id": [128001, 128008, 128009], "temperature": 0.6, "top_p": 0.9,
                "max_length": 4096, "transformers_version": "4.45.0"
                """))
        .isEqualTo(
            new GenerationConfig(
                4096, 0.6, 50, 0.9, 1, 0, Set.of(128001, 128008, 128009), 0, List.of(), 4096, 0));
    GenerationConfig all =
        read(
            """
            "do_sample": true, "max_new_tokens": 7, "max_length": 9, "min_new_tokens": 2,
            "min_length": 3, "top_k": 0, "repetition_penalty": 1.05, "eos_token_id": 2,
            "stop_strings": "###", "num_beams": 1, "temperature": 1.5
            """);
    assertThat(all)
        .isEqualTo(new GenerationConfig(7, 1.5, 0, 1, 1.05, 0, Set.of(2), 2, List.of("###"), 0, 3));
    for (GenerationConfig config : List.of(all, GenerationConfig.greedy(3, 4, 5))) {
      Files.writeString(dir.resolve("again.json"), config.json());
      assertThat(GenerationConfig.read(dir.resolve("again.json"))).isEqualTo(config);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'num_beams': 4 | \"num_beams\" is 4; null or 1.0 is wanted",
        "'no_repeat_ngram_size': 3 | \"no_repeat_ngram_size\" is 3",
        "'bad_words_ids': [[1]] | \"bad_words_ids\" is [[1]]; null is wanted",
        "'suppress_tokens': [1] | \"suppress_tokens\"",
        "'do_sample': true, 'temperature': 0 | more than 0",
        "'do_sample': true, 'top_p': 1.5 | \"top_p\" is 1.5; more than 0 and at most 1 is wanted",
        "'max_new_tokens': 0 | \"max_new_tokens\" is 0",
        "'max_new_tokens': 2, 'min_new_tokens': 3 | minNewTokens 3",
        "'stop_strings': [''] | an empty stop string",
        "'eos_token_id': 'end' | \"eos_token_id\"",
      })
  void saysWhatItCannotDo(String fields, String message) {
    assertThatThrownBy(() -> read(fields.replace('\'', '"')))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("generation_config.json")
        .hasMessageContaining(message);
  }

  @Test
  void theFirstOfManyEqualIsTaken() {
    Tensor none = Tensor.full(Float.NEGATIVE_INFINITY, dev.theriac.tensor.DType.F32, 5);
    var settings = new GenerationConfig(1, 1, 2, 0.9, 1, 0, Set.of());
    assertThat(new TokenChooser(settings, 0, 5).next(none.toFloats(), 0)).isZero();
    float[] broken = {Float.NaN, Float.NaN, 1, Float.NaN};
    assertThat(new TokenChooser(settings, 0, 4).next(broken, 0)).isEqualTo(2);
  }
}
