package dev.theriac.llm.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Ids and texts of transformers, made by {@code make_tokenizers.py} beside the fixtures. */
class ReferenceTokenizersTest {
  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** Where {@code check_saved.py} looks. */
  private static final Path SAVED = Path.of("target", "saved-tokenizers");

  static Path directory(String kind) {
    try {
      return Path.of(ReferenceTokenizersTest.class.getResource(kind).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  static JsonNode expected(String kind) {
    try (InputStream in =
        ReferenceTokenizersTest.class.getResourceAsStream(kind + "/expected.json")) {
      return JSON.readTree(in.readAllBytes());
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static int[] ids(JsonNode list) {
    return IntStream.range(0, list.size()).map(i -> list.get(i).asInt()).toArray();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"codegen", "gpt2", "qwen2", "stablelm", "neox", "llama3", "llama", "mistral"})
  void encodesAndDecodesAsTransformersDoes(String kind) {
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(directory(kind))) {
      check(tokenizer, kind);
      tokenizer.save(SAVED.resolve(kind));
    }
    try (HuggingFaceTokenizerFile again = HuggingFaceTokenizerFile.open(SAVED.resolve(kind))) {
      check(again, kind);
    }
  }

  private static void check(HuggingFaceTokenizerFile tokenizer, String kind) {
    JsonNode expected = expected(kind);
    for (JsonNode text : expected.path("texts")) {
      String string = text.path("text").asString();
      int[] ids = ids(text.path("ids"));
      int[] whole = ids(text.path("with_special"));
      assertThat(tokenizer.encode(string)).as("'%s'", string).isEqualTo(ids);
      assertThat(tokenizer.encode(string, true)).as("'%s'", string).isEqualTo(whole);
      assertThat(tokenizer.decode(ids, false)).isEqualTo(text.path("decoded").asString());
      assertThat(tokenizer.decode(whole, true)).isEqualTo(text.path("skipped").asString());
      assertThat(streamed(tokenizer, whole)).isEqualTo(text.path("skipped").asString());
    }
    for (JsonNode loose : expected.path("loose")) {
      int[] ids = ids(loose.path("ids"));
      String as = Arrays.toString(ids);
      assertThat(tokenizer.decode(ids, false)).as(as).isEqualTo(loose.path("decoded").asString());
      assertThat(tokenizer.decode(ids, true)).as(as).isEqualTo(loose.path("skipped").asString());
      assertThat(streamed(tokenizer, ids)).as(as).isEqualTo(loose.path("skipped").asString());
    }
    assertThat(tokenizer.vocabSize()).isEqualTo(expected.path("size").asInt());
    assertThat(tokenizer.eosId()).isEqualTo(expected.path("eos").asInt());
    JsonNode bos = expected.path("bos");
    assertThat(tokenizer.bosId())
        .isEqualTo(bos.isNull() ? OptionalInt.empty() : OptionalInt.of(bos.asInt()));
    JsonNode pad = expected.path("pad");
    assertThat(tokenizer.padId()).isEqualTo(pad.isNull() ? tokenizer.eosId() : pad.asInt());
    assertThat(IntStream.range(0, tokenizer.vocabSize()).filter(tokenizer::isSpecial).toArray())
        .isEqualTo(ids(expected.path("special")));
    assertThat(tokenizer.config().padLeft())
        .isEqualTo(expected.path("padding_side").asString().equals("left"));
  }

  private static String streamed(Tokenizer tokenizer, int[] ids) {
    StreamingDecoder decoder = tokenizer.streaming();
    StringBuilder text = new StringBuilder();
    for (int id : ids) text.append(decoder.add(id));
    return text + decoder.finish();
  }
}
