package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.llm.CausalLm;
import dev.theriac.llm.CausalLmConfig;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.llm.DecoderOptions;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Directories of every family, and {@code theriac inspect} of them. */
abstract class InspectFixture {
  static final Path PUBLISHED =
      Path.of("../moe/src/test/resources/dev/theriac/moe/medmoe/published");

  @TempDir Path dir;
  Scope scope;

  record Ran(int status, String out, String err) {}

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static Ran inspect(Path path, String... more) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    List<String> args = new ArrayList<>(List.of("inspect", path.toString()));
    args.addAll(List.of(more));
    int status = Main.run(new PrintWriter(out), new PrintWriter(err), args.toArray(String[]::new));
    return new Ran(status, out.toString(), err.toString());
  }

  static Ran inspect(int status, Path path, String... more) {
    Ran ran = inspect(path, more);
    assertThat(ran.status).as(ran.out + ran.err).isEqualTo(status);
    assertThat(ran.err).doesNotContain("Exception");
    return ran;
  }

  Path published(String name) throws IOException {
    Path to = dir.resolve("published");
    try (Stream<Path> files = Files.walk(PUBLISHED)) {
      for (Path file : files.toList()) {
        Path copy = to.resolve(PUBLISHED.relativize(file).toString());
        if (Files.isDirectory(file)) Files.createDirectories(copy);
        else Files.copy(file, copy);
      }
    }
    return to.resolve(name);
  }

  static DecoderConfig decoder(CausalLmConfig.Kind kind, boolean tied) {
    Family family =
        switch (kind) {
          case PHI -> Family.PHI;
          case STABLELM -> Family.STABLELM;
          default -> Family.LLAMA;
        };
    boolean biases = kind == CausalLmConfig.Kind.PHI || kind == CausalLmConfig.Kind.QWEN2;
    DecoderConfig d =
        new DecoderConfig(
            family,
            50,
            16,
            24,
            3,
            4,
            family == Family.LLAMA ? 2 : 4,
            4,
            4,
            1e4,
            64,
            1e-5,
            0,
            0.02,
            biases,
            false,
            tied);
    boolean phi = family == Family.PHI;
    return d.withOptions(DecoderOptions.of(family).withBiases(phi, phi, phi));
  }

  CausalLm causal(CausalLmConfig.Kind kind, boolean tied) {
    var config = new CausalLmConfig(kind, decoder(kind, tied), 1, List.of(2), null);
    CausalLm model = new CausalLm(config, new Rng(1));
    model.save(dir);
    return model;
  }

  static long shards(Path model) throws IOException {
    try (Stream<Path> files = Files.list(model)) {
      return files.filter(f -> f.toString().contains("-of-")).count();
    }
  }

  static void hollow(Path file, String dtype, int each, Map<String, long[]> tensors)
      throws IOException {
    StringBuilder header = new StringBuilder("{");
    long at = 0;
    for (var e : tensors.entrySet()) {
      long bytes = each * Arrays.stream(e.getValue()).reduce(1, (a, b) -> a * b);
      if (at > 0) header.append(',');
      header.append(
          "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
              .formatted(e.getKey(), dtype, Arrays.toString(e.getValue()), at, at + bytes));
      at += bytes;
    }
    byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer start = ByteBuffer.allocate(8 + json.length).order(ByteOrder.LITTLE_ENDIAN);
    start.putLong(json.length).put(json).flip();
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      while (start.hasRemaining()) out.write(start);
      out.write(ByteBuffer.allocate(1), 8 + json.length + at - 1);
    }
  }
}
