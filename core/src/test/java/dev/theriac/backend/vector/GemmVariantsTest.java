package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Vector width and size of the kernels are fixed for the life of a JVM, so each has one of its own
 * here. In each the kernels must reach their speed, and the bits must be the same.
 */
@Tag(VectorWidthsTest.ONE_WIDTH)
class GemmVariantsTest {

  @ParameterizedTest
  @CsvSource({"128,true", "256,false"})
  void sameBits(Integer bits, boolean directives) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--add-modules=jdk.incubator.vector");
    command.add("--enable-native-access=ALL-UNNAMED");
    if (bits != null) {
      command.add("-D" + Lanes.BITS_PROPERTY + "=" + bits);
    }
    command.add("-D" + JitDirectives.PROPERTY + "=" + directives);
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(GemmDigest.class.getName());
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    String[] words = output.substring(output.indexOf("digest ")).strip().split(" ");
    assertThat(words[1]).isEqualTo(String.valueOf(bits == null ? Lanes.LENGTH * 32 : bits));
    assertThat(words[2]).isEqualTo(String.valueOf(directives));
    assertThat(words[3]).isEqualTo(Long.toHexString(GemmDigest.digest()));
  }
}
