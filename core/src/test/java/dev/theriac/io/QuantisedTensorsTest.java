package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Quantised matrices in files, and files of tensors that are made while they are written. */
class QuantisedTensorsTest {
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

  private static QuantisedMatrix matrix(QuantisedFormat format, long rows, long columns) {
    return Quantised.quantise(Tensor.randn(new Rng(rows), 0.1, rows, columns), format);
  }

  private Weights write(SequencedMap<String, SafeTensors.Source> sources, long maxBytes) {
    SafeTensors.writeSources(dir, sources, Map.of("format", "pt"), maxBytes);
    return SafeTensors.open(dir);
  }

  @ParameterizedTest
  @EnumSource
  void matricesAreReadAsTheyWereWritten(QuantisedFormat format) {
    SequencedMap<String, SafeTensors.Source> sources = new LinkedHashMap<>();
    // An odd number of half values before them would put matrices anywhere.
    sources.put("bias", SafeTensors.Source.of(Tensor.zeros(3).to(DType.BF16)));
    long[][] sizes = {{64, 64}, {70, 33}, {1, 1}, {130, 200}};
    for (long[] s : sizes) {
      Tensor t = QuantisedTensors.tensor(matrix(format, s[0], s[1]));
      assertThat(t.shape()).isEqualTo(QuantisedTensors.shape(format, s[0], s[1]));
      sources.put(QuantisedTensors.key("m" + s[0], format), SafeTensors.Source.of(t));
    }
    for (long most : new long[] {1 << 20, 6000}) {
      Weights file = write(sources, most);
      assertThat(file.metadata()).containsEntry("format", "pt");
      for (long[] s : sizes) {
        String key = QuantisedTensors.key("m" + s[0], format);
        assertThat(QuantisedTensors.isKey(key, format)).isTrue();
        assertThat(QuantisedTensors.weight(key, format)).isEqualTo("m" + s[0]);
        QuantisedMatrix back = QuantisedTensors.read(file, key, format, s[0], s[1]);
        assertThat(back.bytes().toLongs()).isEqualTo(matrix(format, s[0], s[1]).bytes().toLongs());
        assertThat(file.entry(key).offset() % 64).isZero();
        assertThat(back.bytes().strided().address() % 64).isZero();
      }
    }
  }

  @Test
  void anotherTypeOrShapeIsRefused() {
    SequencedMap<String, SafeTensors.Source> sources = new LinkedHashMap<>();
    sources.put("a.int8", SafeTensors.Source.of(Tensor.zeros(1, 1, 4352)));
    sources.put(
        "b.int8",
        SafeTensors.Source.of(QuantisedTensors.tensor(matrix(QuantisedFormat.INT8, 64, 64))));
    Weights file = write(sources, 1 << 20);
    assertThatThrownBy(() -> QuantisedTensors.read(file, "a.int8", QuantisedFormat.INT8, 64, 64))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("model.safetensors")
        .hasMessageContaining("\"a.int8\" is F32[1, 1, 4352]")
        .hasMessageContaining("U8[1, 1, 4352]");
    assertThatThrownBy(() -> QuantisedTensors.read(file, "b.int8", QuantisedFormat.INT8, 65, 64))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("INT8[65, 64] in blocks of 32 is U8[2, 1, 4352]");
    assertThatThrownBy(() -> QuantisedTensors.read(file, "c.int8", QuantisedFormat.INT8, 64, 64))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("no tensor \"c.int8\"");
  }

  @Test
  void tensorsAreMadeOneAfterTheOther() throws IOException {
    SequencedMap<String, SafeTensors.Source> sources = new LinkedHashMap<>();
    for (int i = 0; i < 8; i++) {
      int value = i;
      sources.put(
          "t" + i,
          new SafeTensors.Source(
              DType.F32, new long[] {1 << 18}, () -> Tensor.full(value, DType.F32, 1 << 18)));
    }
    Memory.resetPeak();
    long before = Memory.stats().live();
    Weights file = write(sources, 3 << 20);
    assertThat(Memory.stats().peak() - before).isLessThan(3 << 20);
    for (int i = 0; i < 8; i++) assertThat(file.get("t" + i).get(77)).isEqualTo(i);
    try (Stream<Path> files = Files.list(dir)) {
      assertThat(files.filter(f -> f.toString().endsWith(".safetensors"))).hasSize(3);
    }
  }

  @Test
  void whatIsMadeIsWhatWasAnnounced() {
    SequencedMap<String, SafeTensors.Source> sources = new LinkedHashMap<>();
    sources.put("x", new SafeTensors.Source(DType.F32, new long[] {3}, () -> Tensor.zeros(4)));
    assertThatThrownBy(() -> write(sources, 1 << 20))
        .hasMessageContaining("tensor x was announced as F32[3], made was F32[4]");
    assertThat(dir).isEmptyDirectory();
  }
}
