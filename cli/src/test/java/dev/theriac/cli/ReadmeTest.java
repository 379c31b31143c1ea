package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What README.md says is true: its program runs, its links lead somewhere. */
class ReadmeTest {
  private static final Path ROOT = Path.of("..");
  private static final Pattern PROGRAM = Pattern.compile("(?s)```java\n(.*?)```");
  private static final Pattern LINK = Pattern.compile("\\]\\((?!http)([^)#]+)\\)");

  @TempDir Path folder;

  private static String readme() throws IOException {
    return Files.readString(ROOT.resolve("README.md"));
  }

  @Test
  void theProgramCompilesAndAnswers() throws Exception {
    Matcher program = PROGRAM.matcher(readme());
    assertThat(program.find()).isTrue();
    Path source = Files.writeString(folder.resolve("Example.java"), program.group(1));
    String classPath = System.getProperty("java.class.path");
    var compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter messages = new StringWriter();
    try (var files = compiler.getStandardFileManager(null, null, null)) {
      boolean compiled =
          compiler
              .getTask(
                  messages,
                  files,
                  null,
                  List.of("-d", folder.toString(), "-cp", classPath),
                  null,
                  files.getJavaFileObjects(source))
              .call();
      assertThat(compiled).as(messages.toString()).isTrue();
    }
    Path launcher = Path.of(System.getProperty("java.home"), "bin", "java");
    Path output = folder.resolve("output");
    Process process =
        new ProcessBuilder(
                launcher.toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                folder + File.pathSeparator + classPath,
                "Example")
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(process.waitFor(4, TimeUnit.MINUTES)).isTrue();
    } finally {
      process.destroyForcibly();
    }
    assertThat(process.exitValue()).as(Files.readString(output)).isZero();
  }

  @Test
  void everyLinkLeadsToAFile() throws IOException {
    for (String page : List.of("README.md", "CONTRIBUTING.md")) {
      Matcher link = LINK.matcher(Files.readString(ROOT.resolve(page)));
      while (link.find()) assertThat(ROOT.resolve(link.group(1))).exists();
    }
    assertThat(LINK.matcher(readme()).results().count()).isGreaterThan(5);
  }
}
