package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PartialWeightsTest {
  private static final String INDEX = "model.safetensors.index.json";

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

  private void model(long most) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (String key : List.of("a", "b", "c")) out.put(key, Tensor.zeros(100));
    SafeTensors.writeModel(dir, out, Map.of(), most);
  }

  private Path shard(int i) {
    return dir.resolve("model-0000%d-of-00003.safetensors".formatted(i));
  }

  private static List<String> said(PartialWeights weights) {
    return weights.faults().stream().map(f -> f.file().getFileName() + ": " + f.what()).toList();
  }

  @Test
  void aWholeModelHasNoFaults() throws IOException {
    model(1_000_000);
    Files.writeString(dir.resolve("training_args.bin"), "x");
    Files.writeString(dir.resolve("pytorch_model.bin"), "x");
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("a", "b", "c");
    assertThat(weights.faults()).isEmpty();
    assertThat(weights.misnamed()).isEmpty();
    assertThat(weights.unread()).containsExactly(dir.resolve("pytorch_model.bin"));
    assertThat(weights.files()).containsExactly(dir.resolve("model.safetensors"));
    assertThat(weights.get("b").size()).isEqualTo(100);
  }

  @Test
  void whatIsThereOfAModelInShardsIsRead() throws IOException {
    model(500);
    Files.delete(shard(2));
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("a", "c");
    assertThat(weights.lost()).containsExactly(Map.entry("b", shard(2)));
    assertThat(said(weights))
        .containsExactly(
            shard(2).getFileName() + ": missing, with the 1 tensors that the index puts there");

    Files.writeString(shard(3), "damaged!");
    weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("a");
    assertThat(said(weights)).hasSize(2).last().asString().contains("not a safetensors file");

    SafeTensors.write(shard(3), Map.of("d", Tensor.zeros(1)), Map.of());
    weights = PartialWeights.open(dir);
    assertThat(said(weights))
        .anySatisfy(
            s -> assertThat(s).contains("1 tensors that the index puts there are not", "\"c\""))
        .anySatisfy(s -> assertThat(s).contains("1 tensors are not in the index", "\"d\""));
  }

  @Test
  void withoutAnIndexTheNamesSayWhatIsMissing() throws IOException {
    model(500);
    Files.delete(dir.resolve(INDEX));
    Files.delete(shard(1));
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("b", "c");
    assertThat(said(weights))
        .containsExactly(
            INDEX + ": missing, which lists the shards", shard(1).getFileName() + ": missing");
    Files.writeString(dir.resolve(INDEX), "{");
    weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("b", "c");
    assertThat(said(weights)).anySatisfy(s -> assertThat(s).contains(INDEX, "not valid JSON"));
  }

  @Test
  void besideADamagedIndexUsualNamesAreNotWrong() throws IOException {
    Files.writeString(dir.resolve(INDEX), "{");
    try (InputStream lone = getClass().getResourceAsStream("torch/lone.pt")) {
      Files.copy(lone, dir.resolve("pytorch_model.bin"));
    }
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).isNotEmpty();
    assertThat(weights.misnamed()).isEmpty();
    assertThat(said(weights)).singleElement().asString().startsWith(INDEX);
  }

  @Test
  void damagedAndForeignFilesAreNamed() throws IOException {
    Files.writeString(dir.resolve("model.safetensors"), "damaged!");
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).isEmpty();
    assertThat(said(weights)).hasSize(1);
    Files.move(dir.resolve("model.safetensors"), dir.resolve("adapter.bin"));
    SafeTensors.write(dir.resolve("x.safetensors"), Map.of("e", Tensor.zeros(1)), Map.of());
    SafeTensors.write(dir.resolve("y.safetensors"), Map.of("e", Tensor.zeros(1)), Map.of());
    weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("e");
    assertThat(said(weights)).hasSize(2).last().asString().contains("y.safetensors", "\"e\"");
    assertThat(weights.misnamed())
        .containsExactly(dir.resolve("x.safetensors"), dir.resolve("y.safetensors"));
  }

  /** Names of files are no format strings, whatever stands in them. */
  @ParameterizedTest
  @DisabledOnOs(OS.WINDOWS)
  @ValueSource(strings = {"50%", "%s%n%d", "100%05d", "%%", "a-of-00009.b", "$1", "%"})
  void namesOfShardsAreTakenToTheLetter(String name) {
    String third = name + "-00003-of-00003.safetensors";
    SafeTensors.write(dir.resolve(third), Map.of("c", Tensor.zeros(1)), Map.of());
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).containsExactly("c");
    assertThat(said(weights))
        .containsExactly(
            name + ".safetensors.index.json: missing, which lists the shards",
            name + "-00001-of-00003.safetensors: missing",
            name + "-00002-of-00003.safetensors: missing");
    assertThat(weights.misnamed()).isEmpty();
  }

  @Test
  void anEmptyDirectoryHasNothingAndNoPathIsAnError() {
    PartialWeights weights = PartialWeights.open(dir);
    assertThat(weights.keys()).isEmpty();
    assertThat(weights.faults()).isEmpty();
    assertThatThrownBy(() -> PartialWeights.open(dir.resolve("none")))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("no such file or directory");
  }
}
