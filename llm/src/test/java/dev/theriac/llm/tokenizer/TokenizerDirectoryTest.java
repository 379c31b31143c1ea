package dev.theriac.llm.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerDirectoryTest {
  @TempDir Path folder;

  private void copy(String kind) throws IOException {
    try (Stream<Path> files = Files.list(ReferenceTokenizersTest.directory(kind))) {
      for (Path file : files.toList()) Files.copy(file, folder.resolve(file.getFileName()));
    }
  }

  private void write(String name, String text) throws IOException {
    Files.createDirectories(folder.resolve(name).getParent());
    Files.writeString(folder.resolve(name), text);
  }

  private void refuses(String... parts) {
    assertThatThrownBy(() -> HuggingFaceTokenizerFile.open(folder).close())
        .isInstanceOf(TokenizerException.class)
        .hasMessageContaining(folder.toString())
        .hasMessageContainingAll(parts);
  }

  @Test
  void countsHalfASurrogatePairAsTheReplacementCharacter() throws IOException {
    copy("codegen");
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      String broken = "🫁 \uD83E x\uDC00 肺 \uD83E";
      assertThat(tokenizer.encode(broken))
          .isEqualTo(tokenizer.encode("🫁 \uFFFD x\uFFFD 肺 \uFFFD"));
      assertThat(tokenizer.decode(tokenizer.encode(broken), false))
          .isEqualTo("🫁 \uFFFD x\uFFFD 肺 \uFFFD");
    }
  }

  @Test
  void findsRunsOfBlanksOfPhi2() throws IOException {
    copy("codegen");
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      int[] ids = tokenizer.encode(" ".repeat(40) + "x");
      assertThat(tokenizer.token(ids[0])).isEqualTo(" ".repeat(31));
      assertThat(tokenizer.config().maxLength()).hasValue(2048);
    }
  }

  @Test
  void readsTemplatesFromTheFieldAndFromFiles() throws IOException {
    copy("stablelm");
    write(
        "tokenizer_config.json",
        """
        {"eos_token": "<|endoftext|>", "chat_template": [
          {"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]}
        """);
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      assertThat(tokenizer.config().chatTemplates())
          .containsEntry("default", "a")
          .containsEntry("tool_use", "b");
    }
    write("chat_template.jinja", "c");
    write("additional_chat_templates/rag.jinja", "d");
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      assertThat(tokenizer.config().chatTemplates())
          .containsOnlyKeys("default", "rag")
          .containsEntry("rag", "d");
      assertThat(tokenizer.files())
          .containsOnlyKeys(
              "tokenizer.json",
              "tokenizer_config.json",
              "chat_template.jinja",
              "additional_chat_templates/rag.jinja");
      tokenizer.save(folder.resolve("copy"));
      assertThat(folder.resolve("copy/additional_chat_templates/rag.jinja")).hasContent("d");
    }
  }

  @Test
  void takesAddedTokensWithAGapBeforeThem() throws IOException {
    copy("gpt2");
    write("added_tokens.json", "{\"<|pad|>\": 500, \"<image>\": 430}");
    try (HuggingFaceTokenizerFile tokenizer = HuggingFaceTokenizerFile.open(folder)) {
      assertThat(tokenizer.padId()).isEqualTo(500);
      assertThat(tokenizer.encode("a<image>")).contains(430);
      assertThat(tokenizer.decode(new int[] {430, 460, 9999}, false)).isEqualTo("<image>");
      assertThat(tokenizer.vocabSize()).isEqualTo(501);
    }
  }

  @Test
  void saysWhatIsWrongInWhichFile() throws IOException {
    refuses("tokenizer.json", "vocab.json", "no such file");
    write("tokenizer.model", "");
    refuses("tokenizer.model", "save_pretrained");
    copy("gpt2");
    write("merges.txt", "#version: 0.2\nĠ t\nĠ\n");
    refuses("merges.txt", "line 3");
    write("merges.txt", "#version: 0.2\nĠ 肺\n");
    refuses("merges.txt", "line 2", "'肺' is not in vocab.json");
    write("merges.txt", "");
    write("vocab.json", "{\"<|endoftext|>\": 0, \"a\": -1}");
    refuses("vocab.json", "\"a\" is -1");
    write("vocab.json", "{\"<|endoftext|>\": 0}");
    write("added_tokens.json", "{\"<|pad|>\": 0}");
    refuses("<|pad|>", "in use");
    write("added_tokens.json", "{\"<|endoftext|>\": 5}");
    refuses("'<|endoftext|>' has id 0", "say 5");
    write("added_tokens.json", "{\"<|pad|>\": \"x\"}");
    refuses("added_tokens.json", "\"<|pad|>\"");
    write("special_tokens_map.json", "[]");
    refuses("special_tokens_map.json", "not a JSON object");
    write("tokenizer_config.json", "{\"padding_side\": \"up\"}");
    Files.delete(folder.resolve("special_tokens_map.json"));
    refuses("tokenizer_config.json", "padding_side", "\"up\"", "left");
    write("tokenizer_config.json", "{\"eos_token\": 7}");
    refuses("tokenizer_config.json", "eos_token");
    write("tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizer\"}");
    write("added_tokens.json", "{}");
    refuses("RobertaTokenizer", "save_pretrained");
  }
}
