package dev.theriac.llm.chat;

/** What a template may use, so that none runs or grows without end. For one thread. */
final class Budget {
  private static final int STEPS = 20_000_000;
  private static final int CHARACTERS = 1 << 24;
  private static final int DEEPEST = 200;

  private int steps;
  private int depth;

  /** Counts {@code count} more steps: nodes run, elements and characters made. */
  void spend(long count) {
    if (count > STEPS - steps) throw new TemplateError("it takes more than " + STEPS + " steps");
    steps += (int) count;
  }

  /** Checks the length of a text, and counts it. */
  int length(long characters) {
    if (characters > CHARACTERS) {
      throw new TemplateError("it makes a text of more than " + CHARACTERS + " characters");
    }
    spend(characters / 64);
    return (int) characters;
  }

  void deeper() {
    if (++depth > DEEPEST) throw new TemplateError("it nests more than " + DEEPEST + " deep");
  }

  void shallower() {
    depth--;
  }
}
