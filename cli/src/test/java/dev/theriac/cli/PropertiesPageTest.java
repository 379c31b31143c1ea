package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * docs/PROPERTIES.md lists the system properties that the code names, all of them and no others.
 */
class PropertiesPageTest {
  private static final Path ROOT = Path.of("..");
  private static final Pattern IN_CODE =
      Pattern.compile("\"(theriac\\.[a-z]+(?:\\.[a-z]+)*)[\"= ]");
  private static final Pattern READS =
      Pattern.compile(
          "\\b(System\\.getProperty|Boolean\\.getBoolean|(Integer|Long)\\.get(Integer|Long))\\(");
  private static final Pattern ROW = Pattern.compile("(?m)^\\| `(theriac\\.[a-z.]+)` \\|");

  @Test
  void everyPropertyHasItsRow() throws IOException {
    Set<String> named = new TreeSet<>();
    for (String module : List.of("core", "cuda-kernels", "vision", "llm", "moe", "cli", "bench")) {
      try (var files = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
        for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
          // Elsewhere such a string is something else: a key in a model file's metadata.
          if (READS.matcher(Files.readString(file)).find()) named.addAll(matches(IN_CODE, file));
        }
      }
    }
    Set<String> rows = matches(ROW, ROOT.resolve("docs/PROPERTIES.md"));
    assertThat(named).contains("theriac.threads", "theriac.memory.limit");
    assertThat(rows).containsExactlyElementsOf(named);
  }

  private static Set<String> matches(Pattern pattern, Path file) throws IOException {
    var found = new TreeSet<String>();
    var matcher = pattern.matcher(Files.readString(file));
    while (matcher.find()) found.add(matcher.group(1));
    return found;
  }
}
