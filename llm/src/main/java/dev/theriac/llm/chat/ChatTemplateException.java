package dev.theriac.llm.chat;

/**
 * A chat template that cannot be read or rendered, or that refuses the conversation ({@code
 * raise_exception}). The message names the template's file, the line and the construct.
 */
public final class ChatTemplateException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Makes one with the whole message. */
  public ChatTemplateException(String message) {
    super(message);
  }
}
