package dev.theriac.llm.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HuggingFaceTokenizerFileTest {
  @TempDir Path folder;

  private Path write(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  @Test
  void readsAModelDirectory() throws IOException {
    Files.write(folder.resolve("tokenizer.json"), BuiltInTokenizer.json());
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      assertThat(tokenizer.eosId()).isZero();
      assertThat(tokenizer.padId()).isEqualTo(1);
      assertThat(tokenizer.json()).isEqualTo(BuiltInTokenizer.json());
    }
  }

  @Test
  void takesEndAndPadFromTheConfigBesideIt() throws IOException {
    Files.write(folder.resolve("tokenizer.json"), BuiltInTokenizer.json());
    write(
        "tokenizer_config.json",
        "{\"eos_token\": {\"content\": \"<|pad|>\"}, \"pad_token\": \"!\"}");
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      assertThat(tokenizer.token(tokenizer.eosId())).isEqualTo("<|pad|>");
      assertThat(tokenizer.token(tokenizer.padId())).isEqualTo("!");
    }
  }

  @Test
  void padsWithTheEndTokenWhereThereIsNoOther() throws IOException {
    String json = text().replace("<|pad|>", "<|mask|>");
    try (HuggingFaceTokenizerFile tokenizer =
        HuggingFaceTokenizerFile.open(write("tokenizer.json", json))) {
      assertThat(tokenizer.padId()).isEqualTo(tokenizer.eosId());
    }
  }

  @Test
  void ignoresTruncationInTheFile() throws IOException {
    String json =
        text()
            .replaceFirst(
                "\"truncation\": null",
                "\"truncation\": {\"direction\": \"Right\", \"max_length\": 2,"
                    + " \"strategy\": \"LongestFirst\", \"stride\": 0}");
    assertThat(json).contains("LongestFirst");
    try (HuggingFaceTokenizerFile tokenizer =
        HuggingFaceTokenizerFile.open(write("tokenizer.json", json))) {
      assertThat(tokenizer.encode("yes no yes no yes no")).hasSize(7);
    }
  }

  @Test
  void saysWhatIsWrongWithAFile() throws IOException {
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(folder))
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining("tokenizer.json")
        .hasMessageContaining("no such file");
    Path file = write("tokenizer.json", text().substring(0, 5000));
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(file))
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining("not valid JSON");
    write("tokenizer.json", "{\"a\": 1}");
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(file))
        .hasMessageContaining("model.vocab");
    write("tokenizer.json", text().replace("<|endoftext|>", "</s>"));
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(file))
        .hasMessageContaining("<|endoftext|>")
        .hasMessageContaining("eos_token");
    write("tokenizer.json", text().replace("\"type\": \"BPE\"", "\"type\": \"Rune\""));
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(file))
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(file.toString());
    assertThatThrownBy(
            () -> HuggingFaceTokenizerFile.parse(BuiltInTokenizer.json(), "x", null, "<nopad>"))
        .hasMessageContaining("<nopad>");
  }

  @Test
  void namesTheRemedyWhereTheNativePartIsMissing() {
    Throwable failure = new IllegalStateException("outer", new UnsatisfiedLinkError("no room"));
    assertThat(NativeTokenizers.message(failure))
        .contains("no room", "DJL_CACHE_DIR", "RUST_LIBRARY_PATH", System.getProperty("os.arch"));
  }

  private static String text() {
    return new String(BuiltInTokenizer.json(), StandardCharsets.UTF_8);
  }
}
