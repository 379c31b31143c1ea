package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Files with random damage are read in full or refused with a {@link FileException}, within the
 * bounds of {@link Fuzz}.
 */
class FuzzTest {
  private static final long HEAP = 16L << 20;
  private static final long TENSORS = 1L << 20;

  @TempDir Path dir;

  private static Fuzz fuzz() {
    return Fuzz.expecting(FileException.class).limits(HEAP, TENSORS);
  }

  private void check(Fuzz.Report report) {
    assertThat(report.files()).isGreaterThanOrEqualTo(300);
    assertThat(report.refused()).as("some damage is seen").isGreaterThan(report.files() / 10);
  }

  @ParameterizedTest
  @ValueSource(strings = {"stored.npz", "deflated.npz", "single.npy"})
  void arrays(String name) throws IOException {
    byte[] good = Files.readAllBytes(Fixtures.file(name));
    check(
        fuzz()
            .words("'<f8'", "'|u1'", "True", "999999999", "(1,", "-1")
            .run(dir, name, good, name.endsWith("npy") ? Npz::readNpy : Npz::read));
  }

  @Test
  void safetensors() throws IOException {
    byte[] good = Files.readAllBytes(Fixtures.file("reference.safetensors"));
    check(
        fuzz()
            .words("F64", "F4", "U8", "[0]", "4294967296", "\"", "{", "]", "__metadata__", "1e9")
            .run(dir, "model.safetensors", good, FuzzTest::use));
  }

  @ParameterizedTest
  @ValueSource(strings = {"views-2.pt", "nested-4.pt", "zip64.pt", "descriptors.pt"})
  void archives(String name) throws IOException {
    byte[] good = Files.readAllBytes(Fixtures.file("torch/" + name));
    check(fuzz().words("PK\1\2", "PK\3\4", "PK\5\6").run(dir, name, good, FuzzTest::use));
  }

  /** Pickles whose damage no checksum shows. */
  @ParameterizedTest
  @ValueSource(
      strings = {"views-2.pt", "views-4.pt", "nested-2.pt", "nested-3.pt", "nested-5.pt", "odd.pt"})
  void pickles(String name) throws IOException {
    Map<String, byte[]> entries = TorchZip.entries(Fixtures.file("torch/" + name));
    String pickle = entries.keySet().stream().filter(k -> k.endsWith("data.pkl")).findFirst().get();
    check(
        fuzz()
            .words("cos\nsystem\n", "ctorch\nLongStorage\n", "(", "t", ")R", "]", "}", "b", "Q")
            .words("\u008c\1a", "h\0", "2", "0", "a", "e", "s", "u", "\u0081", "\u0090", "K\377")
            .wrap(b -> TorchZip.with(entries, pickle, b))
            .run(dir, name, entries.get(pickle), FuzzTest::use));
  }

  @Test
  void shardIndices() throws IOException {
    String index = "pytorch_model.bin.index.json";
    for (int i = 1; i <= 2; i++) {
      String shard = "pytorch_model-0000%d-of-00002.bin".formatted(i);
      Files.copy(Fixtures.file("torch/" + shard), dir.resolve(shard));
    }
    byte[] good = Files.readAllBytes(Fixtures.file("torch/" + index));
    check(
        fuzz()
            .words("..", "/", "\"", "{", "[", "null", "1e99", "\\u0000", ".safetensors")
            .run(dir, index, good, FuzzTest::use));
  }

  @Test
  void shards() throws IOException {
    try (Scope _ = Scope.open()) {
      Map<String, Tensor> model = new TreeMap<>();
      for (String key : new String[] {"a", "b", "c"}) model.put(key, Tensor.zeros(5, 7));
      SafeTensors.writeModel(dir, model, Map.of(), 150);
    }
    String shard = "model-00002-of-00003.safetensors";
    byte[] good = Files.readAllBytes(dir.resolve(shard));
    check(fuzz().words("F64", "[0]", "7", "\"a\"").run(dir, shard, good, _ -> use(dir)));
    byte[] index = Files.readAllBytes(dir.resolve("model.safetensors.index.json"));
    Files.write(dir.resolve(shard), good);
    check(fuzz().seed(6).run(dir, "model.safetensors.index.json", index, FuzzTest::use));
    assertThat(new String(index, StandardCharsets.UTF_8)).contains(shard);
  }

  private static void use(Path path) {
    Weights weights = Weights.open(path);
    weights.metadata().forEach((k, v) -> assertThat(k + v).isNotNull());
    weights
        .tensors()
        .forEach((key, t) -> {
          assertThat(weights.entry(key).shape()).isEqualTo(t.shape());
          // A view whose elements repeat may have any number of them.
          if (t.size() <= 10_000) assertThat(t.toFloats()).hasSize((int) t.size());
        });
  }
}
