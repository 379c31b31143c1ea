package dev.theriac.llm.chat;

/**
 * A piece of a template.
 *
 * @param value the text, the number, or the name
 */
record Token(Kind kind, Object value, int line) {
  enum Kind {
    DATA,
    PRINT,
    PRINT_END,
    BLOCK,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  boolean is(Kind other, String text) {
    return kind == other && value.equals(text);
  }

  String shown() {
    return switch (kind) {
      case DATA -> "text";
      case PRINT_END -> "}}";
      case BLOCK_END -> "%}";
      case END -> "the end of the template";
      default -> value.toString();
    };
  }
}
