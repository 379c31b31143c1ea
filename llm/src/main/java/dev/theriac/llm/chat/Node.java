package dev.theriac.llm.chat;

import java.util.List;

/** A statement of a template. */
sealed interface Node {
  record Text(String text) implements Node {}

  record Print(Expr value, int line) implements Node {}

  record If(List<Expr> tests, List<List<Node>> bodies, List<Node> other) implements Node {}

  /** {@code filter} may be null. */
  record For(
      Expr target,
      Expr values,
      Expr filter,
      boolean recursive,
      List<Node> body,
      List<Node> other,
      int line)
      implements Node {}

  record Set(Expr target, Expr value, int line) implements Node {}

  /** {@code filter} may be null. */
  record SetBlock(Expr target, Expr filter, List<Node> body, int line) implements Node {}

  record Macro(String name, List<String> parameters, List<Expr> defaults, List<Node> body)
      implements Node {}

  record With(List<Expr> targets, List<Expr> values, List<Node> body, int line) implements Node {}

  record FilterBlock(Expr filter, List<Node> body) implements Node {}

  /** What the model would write; rendered as it is. */
  record Generation(List<Node> body) implements Node {}

  record Break() implements Node {}

  record Continue() implements Node {}
}
