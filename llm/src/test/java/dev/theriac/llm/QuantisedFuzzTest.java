package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.io.FileException;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.tensor.Memory;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Quantised models with damaged files: they answer, or an error names the file; nothing else. */
class QuantisedFuzzTest {
  private static final int CASES = 200;

  @TempDir Path dir;

  @ParameterizedTest
  @EnumSource(names = {"INT4", "BF16"})
  void damagedFilesAreErrorsThatNameThem(QuantisedFormat format) throws IOException {
    Path from = dir.resolve("from");
    Path out = dir.resolve("out");
    try (Scope _ = Scope.open()) {
      var weights = new CausalReference("llama").weights(false);
      CausalReference.publish(from, "llama", weights, 1 << 20);
      new Quantiser(from, out, new Quantisation(format, false)).run();
    }
    Path config = out.resolve("config.json");
    Path weights = out.resolve("model.safetensors");
    byte[] goodConfig = Files.readAllBytes(config);
    byte[] goodWeights = Files.readAllBytes(weights);
    int header = (int) ByteBuffer.wrap(goodWeights).order(ByteOrder.LITTLE_ENDIAN).getLong(0) + 8;
    Memory.resetPeak();
    long before = Memory.stats().live();
    int refused = 0;
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      boolean ofConfig = seed % 3 == 0;
      Files.write(config, ofConfig ? damaged(goodConfig, goodConfig.length, random) : goodConfig);
      // A file that is mapped must not be cut: another one takes its place.
      Files.delete(weights);
      Files.write(weights, ofConfig ? goodWeights : damaged(goodWeights, header, random));
      try (Scope _ = Scope.open()) {
        CausalLm.load(out)
            .generate(java.util.List.of(new int[] {1, 2}), GenerationConfig.greedy(1));
      } catch (FileException e) {
        refused++;
        assertThat(e).as("seed %d", seed).hasMessageContaining(out.toString());
      }
    }
    assertThat(refused).isGreaterThan(CASES / 2);
    assertThat(Memory.stats().peak() - before).isLessThan(64 << 20);
  }

  /** Changed, cut or lengthened, mostly within its first {@code interesting} bytes. */
  private static byte[] damaged(byte[] good, int interesting, Random random) {
    byte[] bad = good.clone();
    switch (random.nextInt(6)) {
      case 0 -> {
        return Arrays.copyOf(good, random.nextInt(good.length));
      }
      case 1 -> {
        return Arrays.copyOf(good, good.length + 1 + random.nextInt(100));
      }
      case 2 -> {
        int at = random.nextInt(interesting);
        int length = Math.min(1 + random.nextInt(30), interesting - at);
        int to = random.nextInt(interesting - length + 1);
        System.arraycopy(good, at, bad, to, length);
      }
      default -> {
        for (int i = 0, n = 1 + random.nextInt(3); i < n; i++) {
          int at = random.nextInt(interesting);
          // Digits and letters for their like pass the first checks.
          bad[at] =
              Character.isDigit(good[at])
                  ? (byte) ('0' + random.nextInt(10))
                  : Character.isLetter(good[at])
                      ? (byte) ('a' + random.nextInt(26))
                      : (byte) random.nextInt(256);
        }
      }
    }
    return bad;
  }
}
