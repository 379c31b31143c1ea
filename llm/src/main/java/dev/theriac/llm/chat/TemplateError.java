package dev.theriac.llm.chat;

/** Says what went wrong; whoever knows the line puts file and line before it. */
final class TemplateError extends RuntimeException {
  private static final long serialVersionUID = 1L;

  TemplateError(String message) {
    super(message, null, false, false);
  }
}
