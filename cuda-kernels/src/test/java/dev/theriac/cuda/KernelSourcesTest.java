package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The device code in the repository is that of the sources in the repository. */
class KernelSourcesTest {
  private static final Path SOURCES = Path.of("native/kernels");
  private static final Path RESOURCES = Path.of("src/main/resources/dev/theriac/cuda");

  @Test
  void theDeviceCodeIsThatOfTheSources() throws Exception {
    var expected = new TreeMap<String, String>();
    for (String line : Files.readAllLines(RESOURCES.resolve("kernels.sha256"))) {
      String[] parts = line.split("  ", 2);
      expected.put(parts[1], parts[0]);
    }
    var found = new TreeMap<String, String>();
    hash(SOURCES, "*.{cu,cuh}", found);
    hash(RESOURCES, "kernels*.ptx", found);
    assertThat(found)
        .as("kernels.sha256; sh native/build.sh target/emu %s device compiles anew", RESOURCES)
        .isEqualTo(expected);
  }

  private static void hash(Path folder, String glob, TreeMap<String, String> hashes)
      throws Exception {
    try (var files = Files.newDirectoryStream(folder, glob)) {
      for (Path file : files) {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        hashes.put(file.getFileName().toString(), HexFormat.of().formatHex(digest));
      }
    }
  }

  /** All PTX is written in the headers; kernels are in the tables of both compilers. */
  @Test
  void kernelsKeepTheirRules() throws IOException {
    try (Stream<Path> files = Files.list(SOURCES)) {
      for (Path file : files.filter(path -> path.toString().endsWith(".cu")).toList()) {
        String source = Files.readString(file);
        assertThat(source)
            .as("%s", file)
            .doesNotContain("asm volatile", "asm(", "<<<", "cooperative_groups", "cuda_bf16.h");
        String name = file.getFileName().toString();
        if (name.startsWith("all")) continue;
        assertThat(
                Files.readString(SOURCES.resolve("all.cu"))
                    + (Files.exists(SOURCES.resolve("all_sm90a.cu"))
                        ? Files.readString(SOURCES.resolve("all_sm90a.cu"))
                        : ""))
            .as("all.cu includes %s", name)
            .contains("\"" + name + "\"");
      }
    }
  }
}
