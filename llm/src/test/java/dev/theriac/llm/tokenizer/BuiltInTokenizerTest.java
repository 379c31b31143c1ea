package dev.theriac.llm.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BuiltInTokenizerTest {
  private static final HuggingFaceTokenizerFile TOKENIZER = BuiltInTokenizer.load();
  private static final String SYSTEM =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
          + " helpful, detailed, and polite answers to the user's questions.";

  @AfterAll
  static void close() {
    TOKENIZER.close();
  }

  private static List<String> tokens(String text) {
    return Arrays.stream(TOKENIZER.encode(text)).mapToObj(TOKENIZER::token).toList();
  }

  @Test
  void hasItsSpecialTokensFirst() {
    assertThat(TOKENIZER.vocabSize()).isEqualTo(512);
    assertThat(TOKENIZER.eosId()).isZero();
    assertThat(TOKENIZER.padId()).isEqualTo(1);
    assertThat(TOKENIZER.token(0)).isEqualTo("<|endoftext|>");
    assertThat(TOKENIZER.id("<|pad|>")).hasValue(1);
    assertThat(TOKENIZER.id("<|bos|>")).isEmpty();
    assertThat(TOKENIZER.isSpecial(1)).isTrue();
    assertThat(TOKENIZER.isSpecial(2)).isFalse();
    assertThat(TOKENIZER.isSpecial(511)).isFalse();
  }

  @Test
  void keepsPromptsShort() {
    assertThat(tokens(SYSTEM + " USER: ")).containsExactly(SYSTEM, "ĠUSER", ":", "Ġ");
    assertThat(tokens("\nIs there a nodule? ASSISTANT: yes<|endoftext|>"))
        .containsExactly(
            "Ċ", "Is", "Ġthere", "Ġa", "Ġnodule", "?", "ĠASSISTANT", ":", "Ġyes", "<|endoftext|>");
  }

  @Test
  void addsNothing() {
    assertThat(TOKENIZER.encode("")).isEmpty();
    assertThat(tokens(" no")).containsExactly("Ġno");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "  two blanks ",
        "\n\t",
        "x",
        "naïve Röntgen",
        "肺炎",
        "🫁🩻",
        "a\u0000b",
        "�",
        "don't"
      })
  void givesAnyTextBack(String text) {
    assertThat(TOKENIZER.decode(TOKENIZER.encode(text), false)).isEqualTo(text);
  }

  @Test
  void givesRandomTextBack() {
    Random random = new Random(7);
    for (int i = 0; i < 200; i++) {
      int[] points =
          random
              .ints(random.nextInt(40), 1, 0x1FFFF)
              .filter(c -> c < 0xD800 || c > 0xDFFF)
              .toArray();
      String text = new String(points, 0, points.length);
      int[] ids = TOKENIZER.encode(text);
      assertThat(TOKENIZER.decode(ids, false)).as("text %d", i).isEqualTo(text);
      assertThat(streamed(ids)).as("text %d, streamed", i).isEqualTo(text);
    }
  }

  @Test
  void skipsSpecialTokensOnRequest() {
    int[] ids = TOKENIZER.encode(" yes<|endoftext|><|pad|>");
    assertThat(ids).hasSize(3);
    assertThat(TOKENIZER.decode(ids, true)).isEqualTo(" yes");
    assertThat(TOKENIZER.decode(ids, false)).isEqualTo(" yes<|endoftext|><|pad|>");
  }

  @Test
  void namesAnIdOutsideTheVocabulary() {
    assertThatThrownBy(() -> TOKENIZER.decode(new int[] {5, -200}, true))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("-200")
        .hasMessageContaining("position 1")
        .hasMessageContaining("512");
    assertThatThrownBy(() -> TOKENIZER.token(512)).hasMessageContaining("512");
  }

  @Test
  void streamsOnlyWholeCharacters() {
    int[] ids = TOKENIZER.encode("a 🩻 b");
    assertThat(ids).hasSizeGreaterThan(6);
    StreamingDecoder decoder = TOKENIZER.streaming();
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      String part = decoder.add(id);
      assertThat(part).doesNotContain("\uFFFD");
      text.append(part);
    }
    assertThat(text + decoder.finish()).isEqualTo("a 🩻 b");
  }

  @Test
  void streamsStrayBytesAsDecodeDoes() {
    int lead = TOKENIZER.encode("🩻")[0];
    Random random = new Random(3);
    for (int round = 0; round < 50; round++) {
      // A mix rich in unfinished characters, long enough to pass the longest window.
      int[] ids =
          random.ints(120, 0, 10).map(k -> k < 6 ? lead : 2 + random.nextInt(400)).toArray();
      assertThat(streamed(ids)).as("round %d", round).isEqualTo(TOKENIZER.decode(ids, true));
    }
    int[] onlyLeads = new int[200];
    Arrays.fill(onlyLeads, lead);
    assertThat(streamed(onlyLeads)).isEqualTo("\uFFFD".repeat(200));
  }

  @Test
  void startsAnewAfterFinish() {
    StreamingDecoder decoder = TOKENIZER.streaming();
    decoder.add(TOKENIZER.encode("🩻")[0]);
    assertThat(decoder.finish()).isEqualTo("\uFFFD");
    assertThat(decoder.add(TOKENIZER.encode(" yes")[0])).isEqualTo(" yes");
    assertThat(decoder.finish()).isEmpty();
  }

  @Test
  void servesSeveralThreadsAtOnce() throws Exception {
    String text = "Is there pneumonia in this chest X-ray?";
    int[] expected = TOKENIZER.encode(text);
    Callable<Boolean> job =
        () -> {
          for (int i = 0; i < 200; i++) {
            int[] ids = TOKENIZER.encode(text);
            if (!Arrays.equals(ids, expected) || !TOKENIZER.decode(ids, true).equals(text)) {
              return false;
            }
          }
          return true;
        };
    try (ExecutorService pool = Executors.newFixedThreadPool(3)) {
      for (Future<Boolean> result : pool.invokeAll(List.of(job, job, job))) {
        assertThat(result.get()).isTrue();
      }
    }
  }

  private static String streamed(int[] ids) {
    StreamingDecoder decoder = TOKENIZER.streaming();
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      text.append(decoder.add(id));
    }
    return text + decoder.finish();
  }
}
