package dev.theriac.bench.frame;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The source tree that this program was built in: its launcher, and the options that it passes. */
public final class SourceTree {
  /** The launcher's JVM options, from the tree's folder. */
  public static final Path OPTIONS = Path.of("cli", "jvm.args");

  private SourceTree() {}

  /**
   * The folder that has the launcher.
   *
   * @throws IOException where the program lies elsewhere
   */
  public static Path folder() throws IOException {
    Path start;
    try {
      start = Path.of(SourceTree.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IOException(e);
    }
    for (Path at = start; at != null; at = at.getParent()) {
      if (Files.exists(at.resolve(OPTIONS))) return at;
    }
    throw new IOException("no " + OPTIONS + " in any folder above " + start);
  }
}
