package dev.theriac.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backends;
import dev.theriac.io.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Processes killed while they write a checkpoint lose nothing but the steps since the last one. */
@DisabledOnOs(OS.WINDOWS)
class KilledRunTest {
  private static final long STEPS = 16;
  private static final int BALLAST_ROWS = 40_000;
  private static final int KILLS = 3;

  @TempDir Path dir;

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void aRunKilledInMidWriteGoesOnToTheSameBits() throws Exception {
    long seed = System.nanoTime();
    Random random = new Random(seed);
    Path killed = dir.resolve("killed");
    Path whole = dir.resolve("whole");
    int midWrite = 0;
    for (int attempt = 0; attempt < 6 && midWrite < KILLS; attempt++) {
      Process child = start(killed);
      awaitWrite(child, killed, newest(killed) + random.nextInt(2));
      TimeUnit.MICROSECONDS.sleep(random.nextInt(20_000));
      child.destroyForcibly();
      assertThat(child.waitFor()).as("killed by SIGKILL, seed %d", seed).isEqualTo(137);
      if (isWriting(child, killed)) midWrite++;
    }
    assertThat(midWrite).as("kills in mid-write, seed %d", seed).isEqualTo(KILLS);
    assertThat(newest(killed)).isLessThan(STEPS);
    run(killed);
    run(whole);
    String last = "checkpoint-%08d.safetensors".formatted(STEPS);
    assertThat(Files.mismatch(killed.resolve(last), whole.resolve(last)))
        .as("first differing byte, seed %d", seed)
        .isEqualTo(-1);
    try (Stream<Path> files = Files.list(killed)) {
      assertThat(files.filter(AtomicFile::isTemporary)).isEmpty();
    }
  }

  private static void run(Path directory) {
    TinyRun.Task task = new TinyRun.Task(new TinyRun.Net(16, BALLAST_ROWS));
    Backends.with(
        Backends.scalar(),
        () -> {
          TinyRun.trainer(task, directory, STEPS, 1).run();
          return null;
        });
  }

  private static Process start(Path directory) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            "-XX:TieredStopAtLevel=1",
            "-Dtheriac.backend=scalar",
            "-cp",
            System.getProperty("java.class.path"),
            TinyRun.class.getName(),
            directory.toString(),
            Long.toString(STEPS),
            Integer.toString(BALLAST_ROWS))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  /** Waits until the child is writing a checkpoint later than that of {@code step}. */
  private static void awaitWrite(Process child, Path directory, long step) throws Exception {
    while (child.isAlive()) {
      if (newest(directory) >= step && isWriting(child, directory)) return;
      Thread.sleep(1);
    }
    throw new AssertionError("the run ended by itself: exit status " + child.exitValue());
  }

  /** Temporary files carry the id of their process, so those of earlier children do not count. */
  private static boolean isWriting(Process child, Path directory) throws IOException {
    if (!Files.isDirectory(directory)) return false;
    try (Stream<Path> files = Files.list(directory)) {
      return files.anyMatch(
          p -> AtomicFile.isTemporary(p) && p.toString().contains("." + child.pid() + "-"));
    }
  }

  private static long newest(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) return 0;
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .map(p -> p.getFileName().toString())
          .filter(n -> n.matches("checkpoint-\\d{8}\\.safetensors"))
          .mapToLong(n -> Long.parseLong(n.substring(11, 19)))
          .max()
          .orElse(0);
    }
  }
}
