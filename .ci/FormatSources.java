import com.google.googlejavaformat.java.Main;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs google-java-format over every Java file of the repository, in one JVM of its own: the
 * formatter uses the compiler of the JVM it runs in, and Maven's may be older than the language the
 * sources are written in.
 *
 * <p>Usage: {@code FormatSources ROOT check|write}. Exit status 1: files differ or do not parse.
 */
public final class FormatSources {
  private FormatSources() {}

  public static void main(String[] args) throws Exception {
    Path root = Path.of(args[0]).toAbsolutePath().normalize();
    boolean write = args[1].equals("write");
    List<String> arguments =
        new ArrayList<>(
            write ? List.of("--replace") : List.of("--dry-run", "--set-exit-if-changed"));
    int options = arguments.size();
    arguments.addAll(sources(root));
    if (arguments.size() == options) {
      System.err.println("no Java file under " + root);
      System.exit(1);
    }
    var out = new PrintWriter(System.err, true);
    int status =
        new Main(out, out, InputStream.nullInputStream()).format(arguments.toArray(String[]::new));
    out.flush();
    if (status != 0 && !write) {
      System.err.println(
          "The files above are not formatted. To format everything: mvn -q -N -Pformat verify");
    }
    System.exit(status);
  }

  /** Every Java file in a source folder of a module, and those beside this one. */
  private static List<String> sources(Path root) throws IOException {
    var found = new ArrayList<String>();
    try (var modules = Files.newDirectoryStream(root, Files::isDirectory)) {
      for (Path module : modules) {
        Path source =
            module.getFileName().toString().equals(".ci") ? module : module.resolve("src");
        if (!Files.isDirectory(source)) {
          continue;
        }
        try (var files = Files.walk(source)) {
          files
              .filter(f -> f.toString().endsWith(".java"))
              .map(Path::toString)
              .sorted()
              .forEach(found::add);
        }
      }
    }
    return found;
  }
}
