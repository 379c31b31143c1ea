package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {
  @TempDir Path dir;

  @Test
  void replacesAndLeavesNothingElse() throws IOException {
    Path file = dir.resolve("a").resolve("b.txt");
    AtomicFile.write(file, "old");
    AtomicFile.write(file, "new");
    assertThat(file).hasContent("new");
    assertNothingBeside(file);
  }

  @Test
  void aWriterThatFailsLeavesTheOldFile() throws IOException {
    Path file = dir.resolve("b.txt");
    AtomicFile.write(file, "old");
    assertThatThrownBy(() ->
            AtomicFile.write(
                file,
                out -> {
                  out.write(new byte[5]);
                  throw new IOException("No space left on device");
                }))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(
            file.toString(), "No space left on device after 5 bytes", "intact");
    assertThatThrownBy(() ->
            AtomicFile.write(
                file,
                _ -> {
                  throw new IllegalStateException("other");
                }))
        .hasMessage("other");
    assertThat(file).hasContent("old");
    assertNothingBeside(file);
  }

  private static void assertNothingBeside(Path file) throws IOException {
    try (Stream<Path> files = Files.list(file.getParent())) {
      assertThat(files).containsExactly(file);
    }
  }

  /** The kernel refuses the write: the same path as a full disk, in a process that may not. */
  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aFileSystemThatRefusesToGrowLeavesTheOldFile() throws Exception {
    Path file = dir.resolve("model.safetensors");
    AtomicFile.write(file, "old");
    Process child =
        new ProcessBuilder(
                "sh",
                "-c",
                "ulimit -f 200; exec \"$@\"",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:-UsePerfData",
                "-Xshare:auto",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                BigWriter.class.getName(),
                file.toString())
            .redirectErrorStream(true)
            .start();
    String output = new String(child.getInputStream().readAllBytes());
    assertThat(child.waitFor()).as(output).isEqualTo(7);
    assertThat(output).contains(file.toString(), "File too large after ", "intact");
    assertThat(file).hasContent("old");
    assertNothingBeside(file);
  }

  /** Writes 16 MiB; exit status 7 when that is refused as it should be. */
  static final class BigWriter {
    public static void main(String[] args) {
      try {
        AtomicFile.write(
            Path.of(args[0]),
            out -> {
              for (int i = 0; i < 16; i++) out.write(new byte[1 << 20]);
            });
      } catch (FileException e) {
        System.out.println(e.getMessage());
        System.exit(7);
      }
    }
  }

  @Test
  void aDeviceIsWrittenToAndNeverReplaced() {
    Path full = Path.of("/dev/full");
    org.junit.jupiter.api.Assumptions.assumeTrue(Files.exists(full), "no /dev/full here");
    assertThatThrownBy(() -> AtomicFile.write(full, new byte[100]))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("/dev/full", "No space left on device after 0 bytes");
    assertThat(Files.isRegularFile(full)).isFalse();
  }

  @Test
  void unusableDirectoriesAreNamed() throws IOException {
    Path notDirectory = Files.writeString(dir.resolve("file"), "x");
    Path file = notDirectory.resolve("model.safetensors");
    assertThatThrownBy(() -> AtomicFile.write(file, "x"))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(file.toString(), "not a directory");
    assertThatThrownBy(() -> AtomicFile.write(dir, "x")).hasMessageContaining("is a directory");
  }

  /** A directory that refuses files even to root; where there is none, permissions are taken. */
  @Test
  @DisabledOnOs(OS.WINDOWS)
  void anUnwritableDirectoryIsNamed() throws IOException {
    Path closed = Files.isDirectory(Path.of("/proc/self")) ? Path.of("/proc/self") : dir;
    if (closed == dir) assertThat(dir.toFile().setWritable(false)).isTrue();
    assertThatThrownBy(() -> AtomicFile.write(closed.resolve("model.safetensors"), "x"))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(closed.toString(), "does not accept new files", "choose another");
  }

  @Test
  @DisabledOnOs(OS.WINDOWS)
  void aSymbolicLinkStaysOne() throws IOException {
    Path real = Files.writeString(dir.resolve("real"), "old");
    Path link = Files.createSymbolicLink(dir.resolve("link"), real);
    AtomicFile.write(link, "new");
    assertThat(link).isSymbolicLink();
    assertThat(real).hasContent("new");
  }

  @Test
  void aSecondNameOutlivesTheFirst() throws IOException {
    Path first = Files.writeString(dir.resolve("first"), "1");
    Path best = Files.writeString(dir.resolve("best"), "0");
    AtomicFile.link(first, best);
    AtomicFile.link(first, best);
    Files.delete(first);
    assertThat(best).hasContent("1");
    assertNothingBeside(best);
  }
}
