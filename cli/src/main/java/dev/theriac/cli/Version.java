package dev.theriac.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine.IVersionProvider;

/** The version of this build, as Maven wrote it into a resource. */
public final class Version implements IVersionProvider {
  private static final String NUMBER = read();

  /** The version, such as {@code 0.1.0-SNAPSHOT}. */
  public static String number() {
    return NUMBER;
  }

  @Override
  public String[] getVersion() {
    return new String[] {StartUpLine.text()};
  }

  private static String read() {
    try (var in = Version.class.getResourceAsStream("version.properties")) {
      if (in == null) {
        throw new IllegalStateException("version.properties is missing from the theriac-cli jar");
      }
      var properties = new Properties();
      properties.load(in);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
