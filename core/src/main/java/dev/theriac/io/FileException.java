package dev.theriac.io;

import java.nio.file.Path;

/**
 * A file that cannot be read or written, or whose contents are not what they should be. The message
 * names the file, the key or entry in it, what was found and what was expected.
 */
public class FileException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient Path file;

  public FileException(Path file, String message, Throwable cause) {
    super(file + ": " + message, cause);
    this.file = file;
  }

  public FileException(Path file, String message) {
    this(file, message, null);
  }

  /** The file in question. */
  public Path file() {
    return file;
  }
}
