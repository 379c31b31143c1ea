package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher script in a copy of the source tree's layout, with a java and a mvn that say how
 * they were called.
 */
@DisabledOnOs(OS.WINDOWS)
class LauncherTest {
  private static final Path SCRIPT = Path.of("..", "theriac").toAbsolutePath().normalize();

  /** All that the script may call, besides java and mvn. */
  private static final List<String> TOOLS =
      List.of(
          "uname",
          "dirname",
          "readlink",
          "find",
          "head",
          "sed",
          "grep",
          "cat",
          "touch",
          "mkdir",
          "cp",
          "mv",
          "rm",
          "date");

  @TempDir Path temp;
  private Path home;
  private Path jdk;
  private Path tools;

  @BeforeEach
  void layOut() throws IOException {
    home = Files.createDirectories(temp.resolve("a source tree"));
    Files.copy(SCRIPT, home.resolve("theriac"));
    executable(home.resolve("theriac"), Files.readString(SCRIPT));
    Files.createDirectories(home.resolve("cli/src/main/java"));
    Files.writeString(home.resolve("pom.xml"), "<project/>");
    Files.writeString(home.resolve("cli/pom.xml"), "<project/>");
    jdk = Files.createDirectories(temp.resolve("jdk 25"));
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.3\"\n");
    executable(jdk.resolve("bin/java"), "#!/bin/sh\nfor a in \"$@\"; do echo \"[$a]\"; done\n");
    executable(jdk.resolve("bin/javac"), "#!/bin/sh\n");
    tools = Files.createDirectories(temp.resolve("tools"));
    for (String tool : TOOLS) {
      executable(tools.resolve(tool), "#!/bin/sh\nexec '%s' \"$@\"\n".formatted(which(tool)));
    }
  }

  @Test
  void buildsOnceThenStartsThroughASymlinkFromAnyFolder() throws Exception {
    maven(0);
    Path link = Files.createSymbolicLink(temp.resolve("link"), Path.of("a source tree", "theriac"));
    Path linkToLink = Files.createSymbolicLink(temp.resolve("tools/theriac"), link);

    Run first = run(linkToLink, "ask", "two words", "it's");
    assertThat(first.err())
        .contains("not built yet: building it now", "[1/2] Theriac core", "built")
        .doesNotContain("noise");
    assertThat(first.status()).isZero();
    assertThat(first.out())
        .startsWith("[@" + home + "/cli/jvm.args]\n[-cp]\n[" + home + "/cli/target/app-")
        .endsWith("/*]\n[dev.theriac.cli.Main]\n[ask]\n[two words]\n[it's]\n");

    Run second = run(linkToLink);
    assertThat(second.err()).isEmpty();
    assertThat(calls()).isEqualTo(1);
  }

  @Test
  void passesJavaOptionsAndShowsTheCommand() throws Exception {
    maven(0);
    Run run =
        run(
            home.resolve("theriac"),
            Map.of("THERIAC_JAVA_OPTS", "-Xmx1g -Da=b"),
            "--show-command",
            "x");
    assertThat(run.status()).isZero();
    assertThat(run.out())
        .startsWith("'" + jdk + "/bin/java' '@" + home + "/cli/jvm.args' '-Xmx1g' '-Da=b' '-cp' ")
        .contains("'dev.theriac.cli.Main' 'x'");
  }

  @Test
  void fewProcessorsGetASecondThreadOfTheSecondCompiler() throws Exception {
    maven(0);
    for (int processors : new int[] {1, 2, 3, 4, 16}) {
      executable(tools.resolve("getconf"), "#!/bin/sh\necho %d\n".formatted(processors));
      String command = run(home.resolve("theriac"), "--show-command", "x").out();
      boolean few = processors == 2 || processors == 3;
      assertThat(command.contains("/cli/jvm.args' '-XX:CICompilerCount=3' '-cp'")).isEqualTo(few);
      assertThat(command.contains("CICompilerCount")).isEqualTo(few);
    }
  }

  @Test
  void buildsAgainWhenASourceIsNewer() throws Exception {
    maven(0);
    run(home.resolve("theriac"));
    Path source = Files.writeString(home.resolve("cli/src/main/java/New.java"), "class New {}");
    Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(5)));

    assertThat(run(home.resolve("theriac"), Map.of("THERIAC_NO_BUILD", "1")).err()).isEmpty();
    assertThat(calls()).isEqualTo(1);
    assertThat(run(home.resolve("theriac")).err()).contains("the sources are newer than the build");
    assertThat(calls()).isEqualTo(2);
  }

  /** What the benchmarks hand to libtorch lies beside src/main. */
  @Test
  void buildsAgainWhenAProgramForLibtorchIsNewer() throws Exception {
    maven(0);
    Path folder = Files.createDirectories(home.resolve("bench/src/libtorch/resources/dev"));
    Path program = Files.writeString(folder.resolve("gemm.pt"), "old");
    run(home.resolve("theriac"));
    assertThat(run(home.resolve("theriac")).err()).isEmpty();
    Files.setLastModifiedTime(program, FileTime.from(Instant.now().plusSeconds(5)));
    assertThat(run(home.resolve("theriac")).err()).contains("the sources are newer than the build");
    assertThat(calls()).isEqualTo(2);
  }

  @Test
  void fetchesLibtorchOnceForBenchmarksAlone() throws Exception {
    maven(0);
    executable(tools.resolve("uname"), "#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo x86_64\n");
    Path theriac = home.resolve("theriac");
    String rival = "[-Dtheriac.bench.rival=" + home + "/bench/target/rival/*]";
    assertThat(run(theriac, "bench").out()).doesNotContain("rival");
    assertThat(run(theriac, "bench", "gemm", "--no-rival").out()).doesNotContain("bench.rival");
    assertThat(run(theriac, "bench", "gpu").out()).doesNotContain("bench.rival");
    assertThat(calls()).isEqualTo(1);

    Path old = home.resolve("bench/target/rival/old-1.0.jar");
    Files.createDirectories(old.getParent());
    Files.writeString(old, "");
    Run first = run(theriac, "bench", "gemm");
    assertThat(first.err()).contains("fetching libtorch and OpenBLAS for the comparison, once");
    assertThat(first.out()).contains(rival);
    assertThat(old).doesNotExist();
    assertThat(calls()).isEqualTo(2);
    assertThat(run(theriac, "bench", "gemm").out()).contains(rival);
    assertThat(calls()).isEqualTo(2);
  }

  @Test
  void goesOnWithoutLibtorchWhenItCannotBeFetched() throws Exception {
    maven(0);
    executable(tools.resolve("uname"), "#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo x86_64\n");
    run(home.resolve("theriac"));
    maven(1);
    Run run = run(home.resolve("theriac"), "bench", "gemm");
    assertThat(run.status()).isZero();
    assertThat(run.err()).contains("libtorch could not be fetched", "going on without it");
    assertThat(run.out()).doesNotContain("rival").contains("[bench]\n[gemm]");
  }

  @Test
  void aFailedBuildShowsItsErrorsAndStartsNothing() throws Exception {
    maven(1);
    Run run = run(home.resolve("theriac"));
    assertThat(run.status()).isEqualTo(70);
    assertThat(run.out()).isEmpty();
    assertThat(run.err())
        .contains("[ERROR] no such symbol", "the build failed", "cli/target/build.log");
  }

  @Test
  void saysThatMavenIsMissing() throws Exception {
    Run run = run(home.resolve("theriac"));
    assertThat(run.status()).isEqualTo(69);
    assertThat(run.err()).contains("not built yet", "no mvn on the PATH", "install Maven");
  }

  @Test
  void saysThatTheJdkHasNoCompiler() throws Exception {
    maven(0);
    Files.delete(jdk.resolve("bin/javac"));
    Run run = run(home.resolve("theriac"));
    assertThat(run.status()).isEqualTo(69);
    assertThat(run.err()).contains("without a compiler", "JAVA25_HOME");
  }

  @Test
  void refusesAJdkOfAnotherVersion() throws Exception {
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"21.0.2\"\n");
    Run run = run(home.resolve("theriac"));
    assertThat(run.status()).isEqualTo(69);
    assertThat(run.err()).contains("THERIAC_JAVA_HOME is " + jdk, "no Java 25");
  }

  /** A mvn that leaves what the real build leaves, and counts its calls. */
  private void maven(int status) throws IOException {
    executable(
        tools.resolve("mvn"),
        """
        #!/bin/sh
        echo call >>'%1$s/calls'
        echo '[INFO] Building Theriac core 0.1.0-SNAPSHOT                [1/2]'
        echo '[INFO] noise'
        [ %2$d = 0 ] || { echo '[ERROR] no such symbol'; exit %2$d; }
        mkdir -p '%1$s/cli/target/lib'
        touch '%1$s/cli/target/theriac-cli.jar' '%1$s/cli/target/lib/theriac-core.jar'
        """
            .formatted(home, status));
  }

  private long calls() throws IOException {
    try (var lines = Files.lines(home.resolve("calls"))) {
      return lines.count();
    }
  }

  private Run run(Path script, String... args) throws Exception {
    return run(script, Map.of(), args);
  }

  private Run run(Path script, Map<String, String> environment, String... args) throws Exception {
    var command = new ArrayList<>(List.of(script.toString()));
    command.addAll(List.of(args));
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    var builder = new ProcessBuilder(command).directory(temp.toFile());
    builder.redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().clear();
    builder.environment().put("PATH", tools.toString());
    builder.environment().put("THERIAC_JAVA_HOME", jdk.toString());
    builder.environment().putAll(environment);
    Process process = builder.start();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
  }

  private static void executable(Path file, String text) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
    assertThat(file.toFile().setExecutable(true)).isTrue();
  }

  private static Path which(String tool) {
    for (String folder : System.getenv("PATH").split(":")) {
      Path file = Path.of(folder, tool);
      if (Files.isExecutable(file)) {
        return file;
      }
    }
    throw new IllegalStateException("no " + tool + " on the PATH");
  }

  private record Run(int status, String out, String err) {}
}
