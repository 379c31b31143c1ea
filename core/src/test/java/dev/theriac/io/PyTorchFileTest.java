package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of make_torch.py, whose good ones PyTorch has read again. */
class PyTorchFileTest {
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

  private static Path file(String name) {
    return Fixtures.file("torch/" + name);
  }

  private static PyTorchFile read(String name) {
    return PyTorchFile.open(file(name));
  }

  @Test
  void readsEveryElementTypeThatATensorCanHold() {
    PyTorchFile file = read("dtypes.pt");
    assertThat(file.keys()).hasSize(17);
    assertFloats(file, "float64", "F64", DType.F32);
    assertFloats(file, "float32", "F32", DType.F32);
    assertFloats(file, "float16", "F16", DType.F16);
    assertFloats(file, "bfloat16", "BF16", DType.BF16);
    assertLongs(file, "int64", "I64", DType.I64, 0);
    assertLongs(file, "int32", "I32", DType.I32, 0);
    assertLongs(file, "int16", "I16", DType.I32, 0);
    assertLongs(file, "int8", "I8", DType.I8, 0);
    assertLongs(file, "uint32", "U32", DType.I64, 11);
    assertLongs(file, "uint16", "U16", DType.I32, 11);
    assertLongs(file, "uint8", "U8", DType.U8, 11);
    assertThat(file.get("bool").dtype()).isEqualTo(DType.BOOL);
    assertThat(file.get("bool").toLongs()).isEqualTo(Fixtures.mask(6));
  }

  private static void assertFloats(Weights file, String key, String stored, DType read) {
    assertThat(file.entry(key).describe()).isEqualTo(stored + "[2, 3]");
    assertThat(file.get(key).dtype()).isEqualTo(read);
    assertThat(file.get(key).toFloats()).isEqualTo(Fixtures.floats(6));
  }

  private static void assertLongs(Weights file, String key, String stored, DType read, int add) {
    assertThat(file.entry(key).describe()).isEqualTo(stored + "[2, 3]");
    assertThat(file.get(key).dtype()).isEqualTo(read);
    assertThat(file.get(key).toLongs()).isEqualTo(Fixtures.longs(6, add));
  }

  @ParameterizedTest
  @CsvSource({
    "uint64,U64",
    "complex64,C64",
    "complex128,C128",
    "float8_e4m3fn,F8_E4M3",
    "float8_e5m2,F8_E5M2"
  })
  void otherElementTypesAreNamedWhenAskedFor(String key, String type) {
    PyTorchFile file = read("dtypes.pt");
    assertThat(file.entry(key).dtype()).isEqualTo(type);
    assertThatThrownBy(() -> file.get(key))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("dtypes.pt", "\"" + key + "\"", type + "[2, 3]", "convert it");
  }

  @Test
  void readsWhatSafetensorsHoldsOfTheSameTensors() {
    PyTorchFile file = read("dtypes.pt");
    Weights same = Weights.open(file("dtypes.safetensors"));
    assertThat(same).isInstanceOf(SafeTensors.class);
    assertThat(same.keys()).hasSize(16);
    for (String key : same.keys()) {
      assertThat(file.entry(key).describe()).isEqualTo(same.entry(key).describe());
      if (ElementType.of(same.entry(key).dtype()).dtype() != null) assertSame(file, same, key);
    }
  }

  private static void assertSame(Weights file, Weights same, String key) {
    Tensor a = file.get(key);
    Tensor b = same.get(key);
    assertThat(a.dtype()).as(key).isEqualTo(b.dtype());
    assertThat(a.shape()).as(key).isEqualTo(b.shape());
    assertThat(a.toFloats()).as(key).isEqualTo(b.toFloats());
  }

  @Test
  void aConvertedTensorIsOfTheTypeThatItIsReadAs() {
    PyTorchFile file = read("dtypes.pt");
    assertThat(file.get("float64", DType.F32, 2, 3).dtype()).isEqualTo(DType.F32);
    assertThatThrownBy(() -> file.get("float16", DType.F32, 2, 3))
        .hasMessageContainingAll("F16[2, 3]", "F32[2, 3]");
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 5})
  void readsEveryKindOfViewInEachProtocol(int protocol) {
    Weights file = Weights.open(file("views-%d.pt".formatted(protocol)));
    assertThat(file).isInstanceOf(PyTorchFile.class);
    SafeTensors same = SafeTensors.open(file("views.safetensors"));
    assertThat(file.keys()).hasSize(23).containsExactlyInAnyOrderElementsOf(same.keys());
    for (String key : same.keys()) {
      assertSame(file, same, key);
      assertThat(file.get(key).contiguous().toFloats()).isEqualTo(same.get(key).toFloats());
    }
  }

  @Test
  void viewsOfOneStorageAreViewsOfOneMapping() {
    PyTorchFile file = read("views-2.pt");
    long start = file.get("whole").strided().address();
    assertThat(((CpuStorage) file.get("whole").storage()).isReadOnly()).isTrue();
    assertThat(file.get("transposed").strided().address()).isEqualTo(start);
    assertThat(file.get("transposed").layout().strides()).containsExactly(1, 8);
    assertThat(file.get("row").strided().address()).isEqualTo(start + 4 * 16);
    assertThat(file.get("expanded").layout().strides()).containsExactly(0, 0);
    assertThat(file.get("expanded").strided().address()).isEqualTo(start + 4 * 37);
    assertThat(file.entry("row").offset() - file.entry("whole").offset()).isEqualTo(64);
    assertThat(file.get("tied.a").strided().address())
        .isEqualTo(file.get("tied.b").strided().address());
    // A converted tensor takes what its elements span in the file, not what its shape says.
    assertThat(file.get("double.expanded").storage().byteSize()).isLessThanOrEqualTo(256);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 5})
  void nestedContainersGivePathsAndPlainValuesMetadata(int protocol) {
    PyTorchFile file = read("nested-%d.pt".formatted(protocol));
    assertThat(file.keys())
        .containsExactly(
            "model.weight",
            "model.bias",
            "optimizer.state.0.step",
            "optimizer.state.0.exp_avg",
            "optimizer.state.0.exp_avg_sq",
            "optimizer.state.1.step",
            "optimizer.state.1.exp_avg",
            "optimizer.state.1.exp_avg_sq");
    assertThat(file.get("model.weight", DType.F32, 2, 3).toFloats()).isEqualTo(Fixtures.floats(6));
    assertThat(file.get("optimizer.state.1.step").item()).isEqualTo(1);
    assertThat(file.metadata())
        .containsEntry("epoch", "3")
        .containsEntry("loss", "0.25")
        .containsEntry("name", "Lunge (größer) 肺")
        .containsEntry("done", "false")
        .containsEntry("nothing", "null")
        .containsEntry("large", "1180591620717411303424")
        .containsEntry("negative", "-1099511627776")
        .containsEntry("size.1", "3")
        .containsEntry("dtype", "torch.bfloat16")
        .containsEntry("device", "cuda:1")
        .containsEntry("set.0", "1")
        .containsEntry("frozen.0", "a")
        .containsEntry("list.1.1", "3")
        .containsEntry("list.2.x.0", "4")
        .containsEntry("ordered.z", "1")
        .containsEntry("optimizer.param_groups.0.lr", "0.5")
        .doesNotContainKeys("raw", "no", "mutable");
  }

  @Test
  void otherRootsThanDictsHavePathsToo() {
    assertThat(read("lone.pt").get("").toFloats()).isEqualTo(Fixtures.floats(6));
    assertThat(read("list.pt").keys()).containsExactly("0", "1.0");
    assertThat(read("numbered.pt").get("1.a").item()).isEqualTo(-2.75f);
  }

  /** Padding absent, sizes behind the data, sizes in zip64 fields, bytes in the other order. */
  @ParameterizedTest
  @ValueSource(strings = {"some.pt", "odd.pt", "descriptors.pt", "zip64.pt", "big-endian.pt"})
  void readsEveryFormOfArchive(String name) {
    PyTorchFile file = read(name);
    assertFloats(file, "float32", "F32", DType.F32);
    assertFloats(file, "bfloat16", "BF16", DType.BF16);
    assertFloats(file, "float64", "F64", DType.F32);
    assertLongs(file, "int64", "I64", DType.I64, 0);
    assertLongs(file, "int16", "I16", DType.I32, 0);
    assertLongs(file, "uint8", "U8", DType.U8, 11);
    Tensor t = file.get("transposed", DType.F32, 3, 2);
    assertThat(t.toFloats()).isEqualTo(file.get("float32").transpose(0, 1).toFloats());
    Tensor product = t.matmul(file.get("float32"));
    assertThat(product.toFloats())
        .isEqualTo(t.contiguous().matmul(file.get("float32").contiguous()).toFloats());
  }

  @Test
  void oddAddressesAreReallyOdd() {
    PyTorchFile file = read("odd.pt");
    assertThat(file.keys().stream().map(k -> file.entry(k).offset() % 4)).contains(1L, 3L);
  }

  @Test
  void readsShardsThroughTheirIndex() throws IOException {
    Path index = file("pytorch_model.bin.index.json");
    for (Weights file :
        new Weights[] {Weights.open(index), Weights.open(index.getParent()), open(index)}) {
      assertThat(file.keys())
          .containsExactly("layer.0.weight", "layer.1.weight", "layer.2.weight", "layer.3.weight");
      assertThat(file.get("layer.3.weight", DType.F32, 2, 4).toFloats())
          .isEqualTo(Fixtures.floats(8));
      assertThat(file.entry("layer.3.weight").file())
          .hasFileName("pytorch_model-00002-of-00002.bin");
    }
    Files.copy(index, dir.resolve("pytorch_model.bin.index.json"));
    assertThatThrownBy(() -> Weights.open(dir))
        .hasMessageContainingAll("layer.0.weight", "pytorch_model-00001-of-00002.bin", "missing");
    Files.copy(file("some.pt"), dir.resolve("pytorch_model-00001-of-00002.bin"));
    assertThatThrownBy(() -> Weights.open(dir))
        .hasMessageContainingAll("layer.0.weight", "pytorch_model-00001-of-00002.bin", "is not");
    Files.copy(file("lone.pt"), dir.resolve("pytorch_model.bin"));
    assertThat(Weights.open(dir).keys()).containsExactly("");
    SafeTensors.write(dir.resolve("model.safetensors"), java.util.Map.of(), java.util.Map.of());
    assertThat(Weights.open(dir)).isInstanceOf(SafeTensors.class);
  }

  private static Weights open(Path path) {
    return PyTorchFile.open(path);
  }

  @Test
  void aFileBesideTheFormatIsToldWhatItIs() throws IOException {
    assertRefused("legacy.pt", "before PyTorch 1.6", "torch.save(torch.load(FILE), FILE2)");
    assertRefused("tar.pt", "before PyTorch 1.6");
    assertRefused("script.pt", "TorchScript", "state_dict()");
    assertRefused("deflated.pt", "some/", "compressed (method 8)", "zip -0");
    assertThatThrownBy(() -> PyTorchFile.open(Fixtures.file("stored.npz")))
        .hasMessageContainingAll("stored.npz", "no data.pkl");
    assertThatThrownBy(() -> PyTorchFile.open(Fixtures.file("reference.safetensors")))
        .hasMessageContainingAll("reference.safetensors", "no zip file");
    assertThatThrownBy(() -> PyTorchFile.open(dir))
        .hasMessageContainingAll("pytorch_model.bin", "pytorch_model.bin.index.json");
    assertThatThrownBy(() -> Weights.open(dir)).hasMessageContaining("model.safetensors");
    assertThatThrownBy(() -> Weights.open(dir.resolve("no.pt"))).hasMessageContaining("no such");
  }

  /** What would be executed, or is no tensor, is refused by its name. */
  @ParameterizedTest
  @CsvSource({
    "system,posix.system",
    "getattr,builtins.getattr",
    "eval,builtins.eval",
    "namespace,argparse.Namespace",
    "numpy,numpy._core.multiarray.scalar",
    "array,numpy._core.multiarray._reconstruct",
    "complex,builtins.complex",
    "sparse,torch._utils._rebuild_sparse_tensor",
    "quantised,torch._utils._rebuild_qtensor",
    "conjugated,a conjugated or negated view",
    "meta,torch._utils._rebuild_meta_tensor_no_storage",
    "storage,a storage outside a tensor",
    "function,torch._utils._rebuild_tensor_v2",
    "defaultdict,collections.defaultdict",
    "tuple_key,a tuple as a key",
    "module,torch.nn.modules.linear.Linear"
  })
  void isRefusedByName(String name, String refused) {
    assertRefused("refused-%s.pt".formatted(name), refused);
  }

  private static void assertRefused(String name, String... parts) {
    for (boolean any : new boolean[] {false, true}) {
      assertThatThrownBy(
              () -> {
                if (any) Weights.open(file(name));
                else PyTorchFile.open(file(name));
              })
          .isInstanceOf(FileException.class)
          .hasMessageContaining(name)
          .hasMessageContainingAll(parts);
    }
  }
}
