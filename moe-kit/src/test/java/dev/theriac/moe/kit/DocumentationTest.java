package dev.theriac.moe.kit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The page's programs are files that are compiled, and its numbers those of the code. */
class DocumentationTest {
  private static final Path SOURCES = Path.of("src/test/java");

  @Test
  void programsAreCompiled() throws IOException {
    List<String> programs =
        Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
            .matcher(page())
            .results()
            .map(m -> m.group(1))
            .toList();
    assertThat(programs).hasSize(2);
    assertThat(Files.readString(SOURCES.resolve("dev/theriac/moe/kit/CpuKitTest.java")))
        .contains(programs.get(0));
    assertThat(Files.readString(SOURCES.resolve("example/QualifyInstallation.java")))
        .contains(programs.get(1));
  }

  @Test
  void numbersAreThoseOfTheCode() throws IOException {
    assertThat(page())
        .contains(TestIds.all().size() + " tests in seven groups")
        .contains("puts " + words(BrokenKernelsTest.defects().count()) + " defects")
        .contains("allows 2e-6 and 3e-5, gradients 5e-6\nand 1e-4");
    assertThat(Tolerance.F32).isEqualTo(new Tolerance(2e-6, 3e-5));
    assertThat(Tolerance.F32_GRADIENT).isEqualTo(new Tolerance(5e-6, 1e-4));
  }

  private static String words(long count) {
    return count == 16 ? "sixteen" : String.valueOf(count);
  }

  private static String page() throws IOException {
    return Files.readString(Path.of("../docs/COMPATIBILITY-KIT.md"));
  }
}
