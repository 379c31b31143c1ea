package dev.theriac.backend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.Device;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PreparationTest {
  @TempDir private Path temp;

  @Test
  void largeModelsAreWorthIt() throws IOException {
    assertThat(preparations()).isZero();
    file("model-00001-of-00002.safetensors", 300_000_000);
    assertThat(preparations()).isZero();
    file("model-00002-of-00002.safetensors", 300_000_000);
    assertThat(preparations()).isOne();
    assertThat(preparations()).isOne();
    Files.delete(temp.resolve("model-00002-of-00002.safetensors"));
    file("training.log", 600_000_000);
    assertThat(preparations()).isZero();
    file("model-00002-of-00002.safetensors", 300_000_000);
    Files.createSymbolicLink(temp.resolve("more.safetensors"), temp.resolve("gone"));
    assertThat(preparations()).isOne();
    temp = temp.resolve("none");
    assertThat(preparations()).isZero();
  }

  /** It takes no room: nothing is written. */
  private void file(String name, long bytes) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(temp.resolve(name).toFile(), "rw")) {
      file.setLength(bytes);
    }
  }

  private int preparations() {
    AtomicInteger count = new AtomicInteger();
    Backend counting =
        (Backend)
            Proxy.newProxyInstance(
                Backend.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (_, method, _) -> {
                  if (method.getName().equals("prepare")) count.incrementAndGet();
                  return method.getName().equals("device") ? Device.CPU : null;
                });
    return Backends.with(
        counting,
        () -> {
          Backends.prepareFor(temp);
          return count.get();
        });
  }
}
