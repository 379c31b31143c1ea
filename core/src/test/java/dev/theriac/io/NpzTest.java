package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NpzTest {
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

  @ParameterizedTest
  @ValueSource(strings = {"stored.npz", "deflated.npz"})
  void readsWhatNumPyWrote(String name) {
    try (Npz npz = Npz.open(Fixtures.file(name))) {
      assertThat(npz.names()).hasSize(12).contains("u1", "fortran");
      for (String type : new String[] {"f2", "f4", "f8"}) {
        Tensor t = npz.get(type);
        assertThat(t.dtype()).isEqualTo(type.equals("f2") ? DType.F16 : DType.F32);
        assertThat(t.shape()).containsExactly(3, 5);
        assertThat(t.toFloats()).isEqualTo(Fixtures.floats(15));
      }
      assertLongs(npz.get("i1"), DType.I8, Fixtures.longs(15, 0), 3, 5);
      assertLongs(npz.get("i4"), DType.I32, Fixtures.longs(15, 0), 3, 5);
      assertLongs(npz.get("i8"), DType.I64, Fixtures.longs(15, 0), 3, 5);
      assertLongs(npz.get("u1"), DType.U8, Fixtures.longs(15, 11), 3, 5);
      assertLongs(npz.get("b1"), DType.BOOL, Fixtures.mask(15), 3, 5);
      assertLongs(npz.get("vector"), DType.I64, Fixtures.longs(129, 0), 129);
      assertThat(npz.get("scalar").shape()).isEmpty();
      assertThat(npz.get("scalar").item()).isEqualTo(-2.75f);
      assertThat(npz.get("empty").shape()).containsExactly(0, 3);
      assertThat(npz.get("fortran").shape()).containsExactly(3, 5, 2);
      assertThat(npz.get("fortran").toFloats()).isEqualTo(Fixtures.floats(30));
      assertThatThrownBy(() -> npz.get("nothing"))
          .isInstanceOf(FileException.class)
          .hasMessageContainingAll(name, "\"nothing\"", "fortran");
    }
  }

  private static void assertLongs(Tensor t, DType dtype, long[] values, long... shape) {
    assertThat(t.dtype()).isEqualTo(dtype);
    assertThat(t.shape()).isEqualTo(shape);
    assertThat(t.toLongs()).isEqualTo(values);
  }

  @Test
  void readsASingleArray() {
    Tensor t = Npz.readNpy(Fixtures.file("single.npy"));
    assertThat(t.shape()).containsExactly(17, 3);
    assertThat(t.toFloats()).isEqualTo(Fixtures.floats(51));
  }

  @ParameterizedTest
  @CsvSource({"big_endian,>f4", "complex,<c8", "text,<U2", "record,x"})
  void otherTypesAreRefusedByName(String name, String type) {
    try (Npz npz = Npz.open(Fixtures.file("refused.npz"))) {
      assertThatThrownBy(() -> npz.get(name))
          .isInstanceOf(FileException.class)
          .hasMessageContainingAll("refused.npz", "\"" + name + "\"", type, "astype");
      assertThat(npz.get("good").toFloats()).isEqualTo(Fixtures.floats(2));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "'descr': '<f4', 'fortran_order': False, 'shape': (2,); 12; needs 8 bytes, there are 12",
        "'descr': '<f4', 'fortran_order': False, 'shape': (3,); 8; needs 12 bytes, there are 8",
        "'descr': '<f4', 'fortran_order': False, 'shape': (-2,); 8; lacks",
        "'descr': '<f4', 'fortran_order': False; 8; lacks",
        "'descr': '<f4', 'fortran_order': 1, 'shape': (2,); 8; lacks",
        "'fortran_order': False, 'shape': (2,); 8; lacks",
        "'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,); 8; not a list",
        "'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296); 0; overflows"
      },
      quoteCharacter = '"')
  void aHeaderThatLiesIsRefused(String header, int dataBytes, String message) throws IOException {
    byte[] dict = ("{" + header + "}\n").getBytes(StandardCharsets.US_ASCII);
    byte[] out = new byte[10 + dict.length + dataBytes];
    System.arraycopy(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}, 0, out, 0, 8);
    out[8] = (byte) dict.length;
    System.arraycopy(dict, 0, out, 10, dict.length);
    Path file = Files.write(dir.resolve("bad.npy"), out);
    assertThatThrownBy(() -> Npz.readNpy(file))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("bad.npy", message);
  }

  @Test
  void damageIsSeen() throws IOException {
    byte[] good = Files.readAllBytes(Fixtures.file("single.npy"));
    for (int length : new int[] {0, 5, 9, 60, good.length - 1}) {
      Path file = Files.write(dir.resolve("cut.npy"), java.util.Arrays.copyOf(good, length));
      assertThatThrownBy(() -> Npz.readNpy(file))
          .isInstanceOf(FileException.class)
          .hasMessageContaining("cut.npy");
    }
    byte[] zip = Files.readAllBytes(Fixtures.file("stored.npz"));
    Path cut = Files.write(dir.resolve("cut.npz"), java.util.Arrays.copyOf(zip, 1000));
    assertThatThrownBy(() -> Npz.open(cut)).isInstanceOf(FileException.class);
    assertThatThrownBy(() -> Npz.open(dir.resolve("none.npz"))).hasMessageContaining("no such");

    // The header of an array ends with the first newline after its name; elements follow.
    String text = new String(zip, StandardCharsets.ISO_8859_1);
    int at = text.indexOf('\n', text.indexOf("u1.npy"));
    zip[at + 3] ^= 1;
    Path flipped = Files.write(dir.resolve("flipped.npz"), zip);
    assertThatThrownBy(() -> Npz.read(flipped))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("flipped.npz", "array \"");
  }

  @Test
  void readsPneumoniaMnist() {
    Path file = sharedData("pneumoniamnist.npz");
    assumeTrue(file != null, "SKIPPED: no ../shared/data/pneumoniamnist.npz beside the project");
    try (Npz npz = Npz.open(file)) {
      assertThat(npz.get("train_images").shape()).containsExactly(4708, 28, 28);
      assertThat(npz.get("val_images").shape()).containsExactly(524, 28, 28);
      assertThat(npz.get("test_images").shape()).containsExactly(624, 28, 28);
      assertThat(npz.get("train_images").dtype()).isEqualTo(DType.U8);
      assertThat(npz.get("train_labels").shape()).containsExactly(4708, 1);
      assertThat(LongStream.of(npz.get("train_labels").toLongs()).sum()).isEqualTo(3494);
      assertThat(LongStream.of(npz.get("test_labels").toLongs()).sum()).isEqualTo(390);
    }
  }

  /** {@code theriac.data}, or shared/data beside the project or above it; null when absent. */
  private static Path sharedData(String name) {
    String set = System.getProperty("theriac.data");
    if (set != null) return Path.of(set, name);
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      Path file = p.resolve("shared").resolve("data").resolve(name);
      if (Files.exists(file)) return file;
    }
    return null;
  }
}
