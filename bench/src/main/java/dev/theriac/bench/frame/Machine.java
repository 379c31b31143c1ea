package dev.theriac.bench.frame;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/**
 * Where figures were measured.
 *
 * @param cpu the processor's own name, and its vector width where known
 * @param cores processors that this JVM may use
 * @param system operating system and architecture
 * @param java the Java virtual machine
 * @param version of this project
 * @param commit that it was built from, or "unknown"
 */
record Machine(String cpu, int cores, String system, String java, String version, String commit) {
  static Machine here() {
    Properties build = new Properties();
    try (var in = Machine.class.getResourceAsStream("build.properties")) {
      if (in != null) build.load(in);
    } catch (IOException e) {
      // The header then says that it does not know.
    }
    return new Machine(
        processor(),
        Runtime.getRuntime().availableProcessors(),
        System.getProperty("os.name") + " " + System.getProperty("os.arch"),
        System.getProperty("java.vm.name") + " " + Runtime.version(),
        build.getProperty("version", "unknown"),
        asked());
  }

  private static String processor() {
    try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse("unknown");
    } catch (IOException e) {
      return "unknown";
    }
  }

  /** Asked of git where the program runs from a source tree. */
  private static String asked() {
    try {
      Path here =
          Path.of(Machine.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      Process git =
          new ProcessBuilder("git", "describe", "--always", "--dirty", "--abbrev=12")
              .directory((Files.isDirectory(here) ? here : here.getParent()).toFile())
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      String answer = new String(git.getInputStream().readAllBytes()).strip();
      return git.waitFor() == 0 && !answer.isEmpty() ? answer : "unknown";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "unknown";
    } catch (IOException | URISyntaxException | RuntimeException e) {
      return "unknown";
    }
  }
}
