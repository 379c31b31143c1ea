package dev.theriac.llm.tokenizer;

/** A tokenizer file is unreadable or wrong, or the library that reads it cannot run here. */
public final class TokenizerException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Makes one with a message that names the file and the remedy. */
  public TokenizerException(String message) {
    super(message);
  }

  /** Makes one with its cause. */
  public TokenizerException(String message, Throwable cause) {
    super(message, cause);
  }
}
