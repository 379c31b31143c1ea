package dev.theriac.llm.chat;

import java.util.List;
import java.util.Map;

/** An expression of a template; {@code line} is where it stands. */
sealed interface Expr {
  /** None, a truth value, a number or a text. */
  record Const(Object value) implements Expr {}

  record Name(String name) implements Expr {}

  /** {@code name.attribute}, which can be assigned to where the name is a namespace. */
  record Slot(String name, String attribute) implements Expr {}

  record Items(List<Expr> items, boolean tuple) implements Expr {}

  record Dict(List<Expr> keys, List<Expr> values) implements Expr {}

  record Attribute(Expr of, String name) implements Expr {}

  record Item(Expr of, Expr key) implements Expr {}

  /** The three may be null. */
  record Slice(Expr from, Expr to, Expr step) implements Expr {}

  record Call(Expr of, Arguments arguments, int line) implements Expr {}

  /** {@code of} is null in a filter block, where the text of the block takes its place. */
  record Filter(Expr of, String name, Arguments arguments, int line) implements Expr {}

  record Test(Expr of, String name, Arguments arguments, boolean negated, int line)
      implements Expr {}

  record Unary(String operator, Expr of, int line) implements Expr {}

  record Binary(String operator, Expr left, Expr right, int line) implements Expr {}

  /** {@code first op value op value}, each compared with the one before. */
  record Compare(Expr first, List<String> operators, List<Expr> values, int line) implements Expr {}

  record Concat(List<Expr> parts, int line) implements Expr {}

  /** {@code then if test else other}; {@code other} may be null. */
  record Choice(Expr test, Expr then, Expr other) implements Expr {}

  /** What stands between the parentheses of a call. */
  record Arguments(List<Expr> positional, Map<String, Expr> named) {
    static final Arguments NONE = new Arguments(List.of(), Map.of());
  }
}
