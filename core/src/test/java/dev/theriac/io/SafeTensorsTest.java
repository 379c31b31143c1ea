package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafeTensorsTest {
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

  @Test
  void readsWhatTheReferenceImplementationWrote() {
    SafeTensors file = SafeTensors.open(Fixtures.file("reference.safetensors"));
    assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
    assertThat(file.keys()).hasSize(12);
    assertTensor(file, "layers.0.weight", DType.F32, Fixtures.floats(51), 17, 3);
    assertTensor(file, "layers.0.bias", DType.F32, Fixtures.floats(17), 17);
    assertTensor(file, "bf", DType.BF16, Fixtures.floats(15), 3, 1, 5);
    assertTensor(file, "half", DType.F16, Fixtures.floats(129), 129);
    assertTensor(file, "empty", DType.F32, new float[0], 0, 4);
    assertTensor(file, "scalar", DType.F32, Fixtures.floats(1));
    assertTensor(file, "Schlüssel \"1\"\n", DType.F32, Fixtures.floats(1), 1);
    assertThat(file.get("long", DType.I64, 2, 2).toLongs()).isEqualTo(Fixtures.longs(4, 0));
    assertThat(file.get("int", DType.I32, 7).toLongs()).isEqualTo(Fixtures.longs(7, 0));
    assertThat(file.get("byte", DType.U8, 5).toLongs()).isEqualTo(Fixtures.longs(5, 11));
    assertThat(file.get("signed", DType.I8, 3).toLongs()).isEqualTo(Fixtures.longs(3, 0));
    assertThat(file.get("mask", DType.BOOL, 1, 3).toLongs()).isEqualTo(Fixtures.mask(3));
  }

  private static void assertTensor(
      SafeTensors file, String key, DType dtype, float[] values, long... shape) {
    Tensor t = file.get(key, dtype, shape);
    assertThat(t.dtype()).isEqualTo(dtype);
    assertThat(t.shape()).isEqualTo(shape);
    assertThat(t.toFloats()).isEqualTo(values);
  }

  @Test
  void writesTheBytesThatTheReferenceImplementationWrites() throws IOException {
    Path original = Fixtures.file("reference.safetensors");
    SafeTensors file = SafeTensors.open(original);
    Path copy = dir.resolve("copy.safetensors");
    SafeTensors.write(copy, file.tensors(), file.metadata());
    assertThat(Files.readAllBytes(copy)).isEqualTo(Files.readAllBytes(original));
  }

  /** So that mapped vectors do not lie across lines of the cache. */
  @Test
  void largeDataBeginAtALineOfTheCache() throws IOException {
    Path large = dir.resolve("large.safetensors");
    for (int name = 1; name < 9; name++) {
      Tensor t = Tensor.full(name, DType.F32, 512, 512);
      SafeTensors.write(large, Map.of("x".repeat(name), t), Map.of());
      SafeTensors file = SafeTensors.open(large);
      assertThat(file.entry("x".repeat(name)).offset() % 64).isZero();
      assertThat(file.get("x".repeat(name)).toFloats()).containsOnly(name);
    }
  }

  @Test
  void mapsWithoutCopying() {
    Tensor a = SafeTensors.open(Fixtures.file("reference.safetensors")).get("half");
    assertThat(((CpuStorage) a.storage()).isReadOnly()).isTrue();
    assertThat(a.storage().byteSize()).isEqualTo(258);
  }

  @Test
  void freeingOneTensorLeavesTheOthers() {
    SafeTensors file = SafeTensors.open(Fixtures.file("reference.safetensors"));
    Tensor a = file.get("half");
    Tensor b = file.get("half");
    a.close();
    assertThat(b.toFloats()).isEqualTo(Fixtures.floats(129));
    assertThatThrownBy(a::toFloats).hasMessageContaining("half");
  }

  @Test
  void nonContiguousTensorsAreWrittenInRowMajorOrder() {
    Tensor t = Tensor.of(Fixtures.floats(51), 17, 3).transpose(0, 1);
    Path file = dir.resolve("t.safetensors");
    SafeTensors.write(file, Map.of("t", t), Map.of());
    assertThat(SafeTensors.open(file).get("t", DType.F32, 3, 17).toFloats())
        .isEqualTo(t.toFloats());
  }

  @Test
  void anEmptyFileOfTensorsIsAFileOfTensors() {
    Path file = dir.resolve("none.safetensors");
    SafeTensors.write(file, Map.of(), Map.of());
    assertThat(SafeTensors.open(file).keys()).isEmpty();
  }

  @Test
  void aWrongShapeOrTypeNamesKeyAndBoth() {
    SafeTensors file = SafeTensors.open(Fixtures.file("reference.safetensors"));
    assertThatThrownBy(() -> file.get("layers.0.weight", DType.F32, 3, 17))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(
            "reference.safetensors", "\"layers.0.weight\"", "F32[17, 3]", "F32[3, 17]");
    assertThatThrownBy(() -> file.get("bf", DType.F32, 3, 1, 5))
        .hasMessageContainingAll("\"bf\"", "BF16[3, 1, 5]", "F32[3, 1, 5]");
    assertThatThrownBy(() -> file.get("model.layers.0.weight"))
        .hasMessageContainingAll("\"model.layers.0.weight\"", "there is \"layers.0.weight\"");
  }

  @Test
  void aModelIsCutIntoShardsAndReadBack() throws IOException {
    Map<String, Tensor> model = model(0);
    SafeTensors.writeModel(dir, model, Map.of("format", "pt"), 1000);
    assertThat(names())
        .containsExactly(
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "model.safetensors.index.json");
    assertThat(Files.readString(dir.resolve("model.safetensors.index.json")))
        .contains("\"total_size\": 3000", "\"b\": \"model-00002-of-00003.safetensors\"");
    assertModel(model);
    assertThat(SafeTensors.open(dir).metadata()).containsEntry("format", "pt");
  }

  /** What is read of one model is written with another: its size is not that one's. */
  @Test
  void metadataOfShardsGoesAlongWithoutTheirSize() throws IOException {
    SafeTensors.writeModel(dir, model(0), Map.of("format", "pt"), 1000);
    Map<String, String> read = SafeTensors.open(dir).metadata();
    assertThat(read).containsEntry("total_size", "3000");
    Map<String, Tensor> half = new LinkedHashMap<>(model(0));
    half.keySet().remove("b");
    for (long most : new long[] {1000, 10_000}) {
      SafeTensors.writeModel(dir, half, read, most);
      assertModel(half);
      Map<String, String> again = SafeTensors.open(dir).metadata();
      assertThat(again).containsEntry("format", "pt");
      if (most == 1000) assertThat(again.get("total_size")).isNotEqualTo("3000");
      else assertThat(again).doesNotContainKey("total_size");
    }
  }

  @Test
  void shardsOfHuggingFacesToolsAreReadAndWrittenByteForByte() throws IOException {
    Path theirs = Fixtures.file("shards/model.safetensors.index.json").getParent();
    SafeTensors file = SafeTensors.open(theirs);
    assertThat(file.keys())
        .containsExactly(
            "embed.weight",
            "layers.0.weight",
            "layers.0.steps",
            "layers.1.weight",
            "layers.1.scale",
            "head.weight");
    assertTensor(file, "embed.weight", DType.F32, Fixtures.floats(200), 10, 20);
    assertTensor(file, "layers.0.weight", DType.BF16, Fixtures.floats(35), 5, 7);
    assertTensor(file, "layers.1.weight", DType.F16, Fixtures.floats(33), 3, 11);
    assertTensor(file, "layers.1.scale", DType.F32, Fixtures.floats(1));
    assertThat(file.get("layers.0.steps", DType.I64, 10, 10).toLongs())
        .isEqualTo(Fixtures.longs(100, 0));
    SafeTensors.writeModel(dir, file.tensors(), Map.of("format", "pt"), 1000);
    assertThat(names()).hasSize(4);
    for (String name : names()) {
      String ours = Files.readString(dir.resolve(name), StandardCharsets.ISO_8859_1);
      String same = Files.readString(theirs.resolve(name), StandardCharsets.ISO_8859_1);
      assertThat(ours.strip()).as(name).isEqualTo(same.strip());
    }
  }

  /** Such as a disk that is full after the second shard. */
  @Test
  void aModelOfWhichAShardCannotBeWrittenLeavesTheOldOneAndNothingElse() throws IOException {
    SafeTensors.writeModel(dir, model(0), Map.of(), 1000);
    List<String> before = names();
    Map<String, Tensor> broken = model(1);
    broken.get("d").close();
    assertThatThrownBy(() -> SafeTensors.writeModel(dir, broken, Map.of(), 1000))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("after it was freed");
    assertThat(names()).isEqualTo(before);
    assertModel(model(0));
  }

  @Test
  void aNewModelReplacesTheOldOneWhateverTheirForms() throws IOException {
    SafeTensors.writeModel(dir, model(0), Map.of(), 1000);
    SafeTensors.writeModel(dir, model(1), Map.of(), 1000);
    assertModel(model(1));
    assertThat(names()).hasSize(4).contains("model-2-00001-of-00003.safetensors");
    SafeTensors.writeModel(dir, model(2), Map.of(), 1_000_000);
    assertModel(model(2));
    assertThat(names()).containsExactly("model.safetensors");
    SafeTensors.writeModel(dir, model(3), Map.of(), 1000);
    assertModel(model(3));
    assertThat(names()).hasSize(4).doesNotContain("model.safetensors");
  }

  /** Beside new weights PyTorch's files would be another model, for tools that prefer them. */
  @Test
  void aNewModelReplacesPyTorchsFilesToo() throws IOException {
    String index = "pytorch_model.bin.index.json";
    for (long most : new long[] {1_000_000, 1000}) {
      Files.writeString(dir.resolve("pytorch_model.bin"), "old");
      Files.writeString(dir.resolve("pytorch_model-00001-of-00001.bin"), "old");
      Files.writeString(dir.resolve("notes.txt"), "mine");
      Files.writeString(dir.resolve("training_args.bin"), "mine");
      Files.writeString(
          dir.resolve(index),
          "{\"weight_map\": {\"a\": \"pytorch_model-00001-of-00001.bin\", \"b\": \"notes.txt\"}}");
      SafeTensors.writeModel(dir, model(0), Map.of(), most);
      assertModel(model(0));
      assertThat(names())
          .contains("notes.txt", "training_args.bin")
          .doesNotContain("pytorch_model.bin", index, "pytorch_model-00001-of-00001.bin");
    }
    Files.writeString(dir.resolve(index), "damaged");
    Files.writeString(dir.resolve("pytorch_model-00001-of-00001.bin"), "old");
    SafeTensors.writeModel(dir, model(1), Map.of(), 1000);
    assertModel(model(1));
    assertThat(names()).doesNotContain(index);
  }

  @Test
  void anIndexThatNamesOtherFilesTakesNoneAway() throws IOException {
    for (long most : new long[] {1_000_000, 1000}) {
      Files.writeString(dir.resolve("notes.txt"), "mine");
      Files.writeString(
          dir.resolve("model.safetensors.index.json"),
          "{\"weight_map\": {\"a\": \"model.safetensors\", \"b\": \"notes.txt\"}}");
      SafeTensors.writeModel(dir, model(0), Map.of(), most);
      assertModel(model(0));
      assertThat(names()).contains("notes.txt");
    }
  }

  private static Map<String, Tensor> model(int add) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    out.put("a", Tensor.of(Fixtures.floats(200 + add), 200 + add));
    out.put("b", Tensor.of(Fixtures.longs(100, add), 10, 10));
    out.put("c", Tensor.of(Fixtures.floats(50), 50));
    out.put("d", Tensor.of(Fixtures.floats(300), 3, 100));
    return out;
  }

  private void assertModel(Map<String, Tensor> expected) {
    SafeTensors read = SafeTensors.open(dir);
    assertThat(read.keys()).containsExactlyInAnyOrderElementsOf(expected.keySet());
    expected.forEach((key, t) -> {
      Tensor found = read.get(key, t.dtype(), t.shape());
      assertThat(found.toFloats()).isEqualTo(t.toFloats());
    });
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(dir)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aBadIndexIsNamed() throws IOException {
    SafeTensors.writeModel(dir, model(0), Map.of(), 1000);
    Path index = dir.resolve("model.safetensors.index.json");
    String good = Files.readString(index);

    Files.writeString(index, good.replace("\"b\":", "\"q\":"));
    assertThatThrownBy(() -> SafeTensors.open(dir))
        .hasMessageContainingAll("index.json", "\"q\"", "model-00002-of-00003.safetensors");
    Files.writeString(index, good.replace("model-00002", "../model-00002"));
    assertThatThrownBy(() -> SafeTensors.open(dir)).hasMessageContaining("not a plain file name");
    Files.writeString(index, good.replace("model-00002", "model\\u000000002"));
    assertThatThrownBy(() -> SafeTensors.open(dir)).hasMessageContaining("not a plain file name");
    Files.writeString(index, good.replace("weight_map", "weights"));
    assertThatThrownBy(() -> SafeTensors.open(dir)).hasMessageContaining("weight_map");
    Files.writeString(index, good);
    Files.delete(dir.resolve("model-00003-of-00003.safetensors"));
    assertThatThrownBy(() -> SafeTensors.open(dir))
        .hasMessageContainingAll("\"d\"", "model-00003-of-00003.safetensors", "missing");
    Files.delete(index);
    assertThatThrownBy(() -> SafeTensors.open(dir))
        .hasMessageContainingAll("model.safetensors", "model.safetensors.index.json");
    assertThatThrownBy(() -> SafeTensors.open(dir.resolve("no.safetensors")))
        .hasMessageContaining("no such file");
  }

  @Test
  void aChecksumSeesEveryByte() throws IOException {
    Path file = dir.resolve("checked.safetensors");
    SafeTensors.writeChecked(file, Map.of("w", Tensor.of(Fixtures.floats(3), 3)), Map.of("a", "b"));
    SafeTensors read = SafeTensors.openChecked(file);
    assertThat(read.metadata()).containsEntry("a", "b").containsKey("sha256");
    assertThat(read.get("w").toFloats()).isEqualTo(Fixtures.floats(3));
    byte[] good = Files.readAllBytes(file);
    int undetected = 0;
    for (int i = 0; i < good.length; i++) {
      byte[] bad = good.clone();
      bad[i] ^= (byte) (1 << i % 8);
      Path damaged = dir.resolve("damaged.safetensors");
      Files.write(damaged, bad);
      try {
        SafeTensors.openChecked(damaged);
        undetected++;
      } catch (FileException e) {
        assertThat(e).hasMessageContaining("damaged.safetensors");
      }
    }
    assertThat(undetected).isZero();
    Path plain = dir.resolve("plain.safetensors");
    SafeTensors.write(plain, Map.of("w", Tensor.zeros(3)), Map.of());
    assertThatThrownBy(() -> SafeTensors.openChecked(plain)).hasMessageContaining("no checksum");
  }

  /** A map without an order of its own, as Map.of makes, has another in each JVM. */
  @Test
  void equalContentsGiveEqualBytesWhateverTheMapsOrder() throws IOException {
    Map<String, Tensor> tensors = new TreeMap<>();
    Map<String, String> metadata = new TreeMap<>();
    for (String key : List.of("c", "Aa", "BB", "a", "b")) {
      tensors.put(key, Tensor.of(new float[] {1, key.length()}, 2));
      metadata.put(key, "v" + key);
    }
    List<byte[]> seen = new ArrayList<>();
    for (boolean turned : new boolean[] {false, true}) {
      List<String> keys = new ArrayList<>(tensors.keySet());
      if (turned) Collections.reverse(keys);
      Map<String, Tensor> t = new HashMap<>(turned ? 4 : 4096);
      Map<String, String> m = new HashMap<>(turned ? 4 : 4096);
      for (String key : keys) {
        t.put(key, tensors.get(key));
        m.put(key, metadata.get(key));
      }
      Path folder = Files.createDirectories(dir.resolve("turned-" + turned));
      SafeTensors.writeModel(folder, t, m, 16);
      SafeTensors.write(folder.resolve("single"), t, m);
      SafeTensors.writeChecked(folder.resolve("checked"), t, m);
      try (Stream<Path> files = Files.list(folder)) {
        for (Path file : files.sorted().toList()) seen.add(Files.readAllBytes(file));
      }
    }
    int half = seen.size() / 2;
    assertThat(half).isGreaterThan(4);
    for (int i = 0; i < half; i++) assertThat(seen.get(i)).isEqualTo(seen.get(half + i));
  }
}
