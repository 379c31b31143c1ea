package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.theriac.fuzz.Fuzz;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Pickles that no writer writes, in archives whose checksums are right. Storage "0" has 24 bytes.
 */
class UnpicklerTest {
  private static final String TENSOR = "ctorch._utils\n_rebuild_tensor_v2\n";
  private static final String TENSOR_3 = "ctorch._utils\n_rebuild_tensor_v3\n";
  private static final String END = "\u0089N";

  @TempDir Path dir;

  /** A reference to storage "0" as floats, of so many elements. */
  private static String storage(int count) {
    return storage("ctorch\nFloatStorage\n", "0", count);
  }

  private static String storage(String type, String key, int count) {
    return "(" + text("storage") + type + text(key) + text("cpu") + number(count) + "tQ";
  }

  private static String text(String s) {
    return "X" + (char) s.length() + "\0\0\0" + s;
  }

  private static String number(int n) {
    return "J"
        + (char) (n & 255)
        + (char) (n >> 8 & 255)
        + (char) (n >> 16 & 255)
        + (char) (n >>> 24);
  }

  private static String tensor(String storage, int offset, String sizes, String strides) {
    return TENSOR + "(" + storage + number(offset) + sizes + strides + END + "tR";
  }

  private static String sizes(int... values) {
    StringBuilder out = new StringBuilder("(");
    for (int v : values) out.append(number(v));
    return out + "t";
  }

  private Path file(String pickle) throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", ("\u0080\2" + pickle).getBytes(StandardCharsets.ISO_8859_1));
    entries.put("a/data/0", new byte[24]);
    return Files.write(dir.resolve("made.pt"), TorchZip.of(entries));
  }

  @Test
  void theHelpersOfThisTestMakeGoodFiles() throws IOException {
    PyTorchFile file =
        PyTorchFile.open(file(tensor(storage(6), 0, sizes(2, 3), sizes(3, 1)) + "."));
    try (Scope _ = Scope.open()) {
      assertThat(file.get("").toFloats()).isEqualTo(new float[6]);
    }
    assertThat(file.entry("").describe()).isEqualTo("F32[2, 3]");
    PyTorchFile untyped =
        PyTorchFile.open(
            file(
                TENSOR_3
                    + "("
                    + storage("ctorch.storage\nUntypedStorage\n", "0", 24)
                    + number(1)
                    + sizes(2)
                    + sizes(1)
                    + END
                    + "ctorch\nuint16\ntR."));
    assertThat(untyped.entry("").describe()).isEqualTo("U16[2]");
  }

  static Stream<Arguments> lies() {
    String nothing = tensor(storage(6), 0, sizes(), sizes());
    return Stream.of(
        arguments(
            tensor(storage(6), 0, sizes(7), sizes(1)) + ".", "goes beyond storage \"0\" of 6"),
        arguments(tensor(storage(6), 1, sizes(6), sizes(1)) + ".", "offset 1 goes beyond"),
        arguments(tensor(storage(6), 6, sizes(), sizes()) + ".", "offset 6 goes beyond"),
        arguments(tensor(storage(6), 0, sizes(2, 2), sizes(5, 1)) + ".", "strides [5, 1]"),
        arguments(tensor(storage(6), 0, sizes(2), sizes(-1)) + ".", "does not have"),
        arguments(tensor(storage(6), -1, sizes(2), sizes(1)) + ".", "does not have"),
        arguments(tensor(storage(6), 0, sizes(-2), sizes(1)) + ".", "does not have"),
        arguments(tensor(storage(6), 0, sizes(2), sizes()) + ".", "1 sizes and 0 strides"),
        arguments(
            tensor(storage(6), 0, sizes(new int[65]), sizes(new int[65])) + ".", "65 sizes and"),
        arguments(
            tensor(storage(6), 0, sizes(1 << 30, 1 << 30, 16), sizes(0, 0, 0)) + ".", "overflows"),
        arguments(
            tensor(storage(6), 0, sizes(1 << 30, 0, 1 << 30, 16), sizes(1, 1, 1, 1)) + ".",
            "overflows"),
        arguments(
            tensor(storage(7), 0, sizes(7), sizes(1)) + ".", "has 24 bytes, data.pkl says 28"),
        arguments(
            tensor(storage(5), 0, sizes(5), sizes(1)) + ".", "has 24 bytes, data.pkl says 20"),
        arguments(tensor(storage(-1), 0, sizes(), sizes()) + ".", "not a storage"),
        arguments(
            tensor(storage("ctorch\nFloatStorage\n", "../0", 6), 0, sizes(), sizes()) + ".",
            "storage \"../0\" is missing"),
        arguments(
            tensor(storage("ctorch.storage\nUntypedStorage\n", "0", 24), 0, sizes(), sizes()) + ".",
            "does not have"),
        arguments(
            tensor(storage("ctorch\nQInt8Storage\n", "0", 24), 0, sizes(), sizes()) + ".",
            "torch.QInt8Storage is refused"),
        arguments(text("x") + "Q.", "not a storage"),
        arguments("cos\nsystem\n" + text("touch x") + "\u0085R.", "os.system is refused"),
        arguments("c__builtin__\neval\n.", "builtins.eval is refused"),
        arguments("ctorch\nload\n.", "torch.load is refused"),
        arguments("ctorch\nFloatStorage\n)R.", "calls StorageClass"),
        arguments("ctorch\nfloat32\n)R.", "calls"),
        arguments(text("x") + ")R.", "calls a str"),
        arguments("ccollections\nOrderedDict\nNR.", "call without arguments"),
        arguments("ctorch\nSize\n)R.", "torch.Size with arguments"),
        arguments(
            "ctorch._utils\n_rebuild_parameter\n" + text("x") + "\u0085R.", "_rebuild_parameter"),
        arguments("}" + "}b.", "attributes of a dict"),
        arguments(nothing + "}b.", "attributes of"),
        arguments("I1\n.", "opcode 0x49"),
        arguments("\u0082\1.", "opcode 0x82"),
        arguments("\u0097.", "opcode 0x97"),
        arguments("(ios\nsystem\n.", "opcode 0x69"),
        arguments("\u0080\1N.", "protocol 1"),
        arguments("\u0080\6N.", "protocol 6"),
        arguments(".", "ends with 0 values"),
        arguments("NN.", "ends with 2 values"),
        arguments("(N.", "ends with 1 values"),
        arguments("N.N", "1 bytes follow"),
        arguments("N", "needs 1 bytes, and there are 0"),
        arguments("0.", "empty stack"),
        arguments("(0.", "empty stack"),
        arguments("t.", "there is none"),
        arguments("N\u0087.", "empty stack"),
        arguments("NNa.", "appends to None"),
        arguments(")Na.", "appends to a tuple"),
        arguments("]NNs.", "sets an item of a list"),
        arguments("}(Nu.", "a key without a value"),
        arguments("}(NNNNu.", "there twice"),
        arguments("}(]Nu.", "a list as a key"),
        arguments("\u008f(]\u0090.", "a list in a set"),
        arguments("h\5.", "value 5, which was not kept"),
        arguments("NN\u0093.", "a name that is not text"),
        arguments("c" + "a".repeat(400) + "\nb\n.", "without end"),
        arguments("X\377\377\377\377a.", "needs 4294967295 bytes"),
        arguments("\u008d\377\377\377\377\377\377\377\377a.", "needs 18446744073709551615 bytes"),
        arguments("\u008b\0\1\0\0" + "a".repeat(256) + "N.", "one is due"),
        arguments("\u008b\1\1\0\0" + "a".repeat(300) + ".", "an int of 257 bytes"),
        arguments("X\2\0\0\0\303(.", "not UTF-8"),
        arguments("]q\0h\0a.", "nested deeper than 64"),
        arguments("]".repeat(70) + "a".repeat(69) + "K\1.", "ends with 2 values"),
        arguments("]".repeat(70) + "K\1" + "a".repeat(70) + ".", "nested deeper than 64"),
        arguments("}" + text("a") + "]s" + text("a") + "Ns.", "\"a\" is there twice"),
        arguments(
            "}" + text("a") + "}" + text("b") + "Nss" + text("a.b") + "Ns.", "there are two of"));
  }

  @ParameterizedTest
  @MethodSource("lies")
  void isRefused(String pickle, String message) throws IOException {
    Path file = file(pickle);
    assertThatThrownBy(() -> PyTorchFile.open(file))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file.toString(), message);
  }

  /** Few bytes that stand for very much: nothing of it is made. */
  @Test
  void bombsMakeLittle() throws IOException {
    StringBuilder laughs = new StringBuilder(")q\0000");
    for (int i = 1; i < 200; i++) {
      laughs.append('(').append(("h" + (char) (i - 1)).repeat(10)).append("tq").append((char) i);
      laughs.append("0");
    }
    bomb(laughs + "h\307.", "nested deeper", "repeated ones counted");
    StringBuilder wide = new StringBuilder(")q\0000");
    for (int i = 1; i < 30; i++) {
      wide.append("(h").append((char) (i - 1)).append("Nh").append((char) (i - 1)).append("tq");
      wide.append((char) i).append("0");
    }
    bomb(wide + "h\35.", "repeated ones counted", "letters");
    String pairs = "](" + "K\1K\2\u0086".repeat(500) + "eq\0";
    String copies = "ccollections\nOrderedDict\nh\0\u0085R0".repeat(500);
    bomb(pairs + copies + ".", "values");
    String longText = "X\0\0\1\0" + "k".repeat(1 << 16);
    bomb("}" + longText + "](" + "N".repeat(60_000) + "es.", "letters");
    bomb("]".repeat(100_000) + ".", "100000 values where one is due");
    bomb("(".repeat(100_000) + ".", "0 values where one is due");
  }

  private void bomb(String pickle, String... oneOf) throws IOException {
    Path file = file(pickle);
    Fuzz.Report report =
        Fuzz.expecting(FileException.class)
            .files(0)
            .limits(32L << 20, 1 << 20)
            .run(
                dir,
                "bomb.pt",
                Files.readAllBytes(file),
                f ->
                    assertThatThrownBy(() -> PyTorchFile.open(f))
                        .isInstanceOf(FileException.class)
                        .message()
                        .containsAnyOf(oneOf));
    assertThat(report.tensors()).isZero();
  }

  /** Any number of tensors may share a storage, and each that is converted would be a copy. */
  @Test
  void conversionsAreBounded() throws IOException {
    String one = TENSOR_3 + "(" + storage("ctorch.storage\nUntypedStorage\n", "0", 24) + number(0);
    one += sizes(3) + sizes(1) + END + "ctorch\nfloat64\ntRq\0";
    Path file = file("]" + one + "a(" + "h\0".repeat(100_000) + "e.");
    assertThatThrownBy(() -> PyTorchFile.open(file))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("made.pt", "overlap", "8 times");
  }
}
