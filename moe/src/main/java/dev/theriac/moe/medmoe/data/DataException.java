package dev.theriac.moe.medmoe.data;

/** A data file is unreadable or does not keep to its format; the message names the place. */
public final class DataException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Makes one with a message that names the file, the item and the key. */
  public DataException(String message) {
    super(message);
  }

  /** Makes one with its cause. */
  public DataException(String message, Throwable cause) {
    super(message, cause);
  }
}
