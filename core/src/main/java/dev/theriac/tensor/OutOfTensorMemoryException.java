package dev.theriac.tensor;

/** The pool's limit or the machine's memory is used up; the message says by whom. */
public final class OutOfTensorMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public OutOfTensorMemoryException(String message) {
    super(message);
  }
}
