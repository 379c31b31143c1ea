package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files with random damage are read in full or refused with a {@link FileException}. */
class FuzzTest {
  private static final int FILES = 300;

  @TempDir Path dir;

  @ParameterizedTest
  @ValueSource(strings = {"reference.safetensors", "stored.npz", "deflated.npz", "single.npy"})
  void damageIsAFileException(String name) throws IOException {
    byte[] good = Files.readAllBytes(Fixtures.file(name));
    Rng rng = new Rng(5);
    int refused = 0;
    for (int i = 0; i < FILES; i++) {
      byte[] bad = damage(good.clone(), rng);
      Path file = Files.write(dir.resolve(name), bad);
      try (Scope _ = Scope.open()) {
        reader(name).accept(file);
      } catch (FileException e) {
        refused++;
        assertThat(e).hasMessageContaining(file.toString());
      } catch (RuntimeException | Error e) {
        throw new AssertionError("file %d of seed 5".formatted(i), e);
      }
    }
    assertThat(refused).as("some damage is seen").isGreaterThan(FILES / 10);
  }

  private static Consumer<Path> reader(String name) {
    if (name.endsWith("npy")) return Npz::readNpy;
    if (name.endsWith("npz")) return Npz::read;
    return file -> SafeTensors.open(file).tensors().values().forEach(t -> t.toFloats());
  }

  private static byte[] damage(byte[] bytes, Rng rng) {
    // Headers lie at the start of two of the formats and at the end of the third.
    int window = Math.min(bytes.length, rng.nextInt(2) == 0 ? 1000 : bytes.length);
    int from = rng.nextInt(3) == 0 ? bytes.length - window : 0;
    for (int n = 1 + rng.nextInt(4); n > 0; n--) {
      int at = from + rng.nextInt(window);
      switch (rng.nextInt(4)) {
        case 0 -> bytes[at] ^= (byte) (1 << rng.nextInt(8));
        case 1 -> bytes[at] = (byte) rng.nextInt(256);
        case 2 -> bytes[at] = (byte) ("0123456789-[]{},:\"ef".charAt(rng.nextInt(20)));
        default -> bytes[at] = bytes[rng.nextInt(bytes.length)];
      }
    }
    int length = rng.nextInt(8) == 0 ? rng.nextInt(bytes.length) : bytes.length;
    return java.util.Arrays.copyOf(bytes, length);
  }
}
