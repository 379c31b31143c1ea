package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Expr.Arguments;
import dev.theriac.llm.chat.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** Reads expressions with Jinja's precedence. */
final class ExprParser {
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final TokenStream in;

  ExprParser(TokenStream in) {
    this.in = in;
  }

  Expr expression() {
    in.deeper();
    Expr value = or();
    while (in.skipName("if")) {
      Expr test = or();
      value = new Expr.Choice(test, value, in.skipName("else") ? expression() : null);
    }
    in.shallower();
    return value;
  }

  /** One expression, or several with commas between: a tuple. */
  Expr tuple() {
    return tuple(this::expression);
  }

  /** The same where an {@code if} is not part of the expression. */
  Expr tupleWithoutChoice() {
    return tuple(this::or);
  }

  private Expr tuple(Supplier<Expr> one) {
    Expr first = one.get();
    if (!in.at(",")) return first;
    List<Expr> items = new ArrayList<>(List.of(first));
    while (in.skip(",")) {
      if (endsTuple()) break;
      items.add(one.get());
    }
    return new Expr.Items(items, true);
  }

  private boolean endsTuple() {
    Token token = in.peek();
    return token.kind() == Kind.PRINT_END
        || token.kind() == Kind.BLOCK_END
        || in.at(")")
        || in.atName("in")
        || in.atName("recursive")
        || in.at("=");
  }

  /** What is assigned to: a name, several, or (if {@code slots}) an attribute of a namespace. */
  Expr target(boolean slots) {
    List<Expr> items = new ArrayList<>();
    boolean comma = false;
    do {
      if (!items.isEmpty() && endsTuple()) break;
      items.add(oneTarget(slots));
      comma |= in.at(",");
    } while (in.skip(","));
    return comma ? new Expr.Items(items, true) : items.getFirst();
  }

  private Expr oneTarget(boolean slots) {
    if (in.skip("(")) {
      in.deeper();
      Expr inner = target(slots);
      in.shallower();
      in.expect(")");
      return inner;
    }
    String name = (String) in.expect(Kind.NAME).value();
    if (Set.of("true", "false", "none", "True", "False", "None").contains(name)) {
      throw in.bad("cannot assign to " + name);
    }
    if (slots && in.skip(".")) {
      return new Expr.Slot(name, (String) in.expect(Kind.NAME).value());
    }
    return new Expr.Name(name);
  }

  private Expr or() {
    Expr left = and();
    while (in.atName("or")) {
      int line = in.next().line();
      left = new Expr.Binary("or", left, and(), line);
    }
    return left;
  }

  private Expr and() {
    Expr left = not();
    while (in.atName("and")) {
      int line = in.next().line();
      left = new Expr.Binary("and", left, not(), line);
    }
    return left;
  }

  private Expr not() {
    if (!in.atName("not")) return compare();
    int line = in.next().line();
    in.deeper();
    Expr of = not();
    in.shallower();
    return new Expr.Unary("not", of, line);
  }

  private Expr compare() {
    int line = in.peek().line();
    Expr first = sum();
    List<String> operators = new ArrayList<>();
    List<Expr> values = new ArrayList<>();
    while (true) {
      Token token = in.peek();
      if (token.kind() == Kind.OPERATOR && COMPARISONS.contains(token.value())) {
        operators.add((String) in.next().value());
      } else if (in.skipName("in")) {
        operators.add("in");
      } else if (in.atName("not") && in.peekAfter().is(Kind.NAME, "in")) {
        in.next();
        in.next();
        operators.add("not in");
      } else {
        return operators.isEmpty() ? first : new Expr.Compare(first, operators, values, line);
      }
      values.add(sum());
    }
  }

  private Expr sum() {
    return binary(this::concat, Set.of("+", "-"));
  }

  private Expr concat() {
    int line = in.peek().line();
    List<Expr> parts = new ArrayList<>(List.of(product()));
    while (in.skip("~")) parts.add(product());
    return parts.size() == 1 ? parts.getFirst() : new Expr.Concat(parts, line);
  }

  private Expr product() {
    return binary(this::power, Set.of("*", "/", "//", "%"));
  }

  private Expr power() {
    return binary(() -> unary(true), Set.of("**"));
  }

  private Expr binary(Supplier<Expr> operand, Set<String> operators) {
    Expr left = operand.get();
    while (in.peek().kind() == Kind.OPERATOR && operators.contains(in.peek().value())) {
      Token operator = in.next();
      left = new Expr.Binary((String) operator.value(), left, operand.get(), operator.line());
    }
    return left;
  }

  private Expr unary(boolean filters) {
    Expr value;
    if (in.at("-") || in.at("+")) {
      Token sign = in.next();
      in.deeper();
      value = new Expr.Unary((String) sign.value(), unary(false), sign.line());
      in.shallower();
    } else {
      value = primary();
    }
    value = postfix(value);
    return filters ? filtersAndTests(value) : value;
  }

  private Expr primary() {
    Token token = in.next();
    switch (token.kind()) {
      case NAME -> {
        return switch ((String) token.value()) {
          case "true", "True" -> new Expr.Const(true);
          case "false", "False" -> new Expr.Const(false);
          case "none", "None" -> new Expr.Const(null);
          default -> new Expr.Name((String) token.value());
        };
      }
      case STRING -> {
        StringBuilder text = new StringBuilder((String) token.value());
        while (in.peek().kind() == Kind.STRING) text.append(in.next().value());
        return new Expr.Const(text.toString());
      }
      case INTEGER, FLOAT -> {
        return new Expr.Const(token.value());
      }
      default -> {
        if (token.is(Kind.OPERATOR, "(")) {
          if (in.skip(")")) return new Expr.Items(List.of(), true);
          Expr inner = tuple();
          in.expect(")");
          return inner;
        }
        if (token.is(Kind.OPERATOR, "[")) return new Expr.Items(list("]"), false);
        if (token.is(Kind.OPERATOR, "{")) return dict();
        if (token.kind() != Kind.END) in.back();
        throw in.unexpected();
      }
    }
  }

  private List<Expr> list(String end) {
    List<Expr> items = new ArrayList<>();
    while (!in.skip(end)) {
      if (!items.isEmpty()) {
        in.expect(",");
        if (in.skip(end)) break;
      }
      items.add(expression());
    }
    return items;
  }

  private Expr dict() {
    List<Expr> keys = new ArrayList<>();
    List<Expr> values = new ArrayList<>();
    while (!in.skip("}")) {
      if (!keys.isEmpty()) {
        in.expect(",");
        if (in.skip("}")) break;
      }
      keys.add(expression());
      in.expect(":");
      values.add(expression());
    }
    return new Expr.Dict(keys, values);
  }

  private Expr postfix(Expr value) {
    while (true) {
      if (in.skip(".")) {
        Token token = in.next();
        if (token.kind() == Kind.NAME) {
          value = new Expr.Attribute(value, (String) token.value());
        } else if (token.kind() == Kind.INTEGER) {
          value = new Expr.Item(value, new Expr.Const(token.value()));
        } else {
          throw in.bad("expected a name or a number after '.'");
        }
      } else if (in.skip("[")) {
        value = new Expr.Item(value, subscript());
      } else if (in.at("(")) {
        int line = in.peek().line();
        value = new Expr.Call(value, arguments(), line);
      } else {
        return value;
      }
    }
  }

  private Expr subscript() {
    Expr from = in.at(":") ? null : expression();
    if (!in.skip(":")) {
      if (in.at(",")) throw in.bad("a subscript of several values is not supported");
      in.expect("]");
      return from;
    }
    Expr to = in.at(":") || in.at("]") ? null : expression();
    Expr step = in.skip(":") && !in.at("]") ? expression() : null;
    in.expect("]");
    return new Expr.Slice(from, to, step);
  }

  private Arguments arguments() {
    in.expect("(");
    List<Expr> positional = new ArrayList<>();
    Map<String, Expr> named = new LinkedHashMap<>();
    while (!in.skip(")")) {
      if (!positional.isEmpty() || !named.isEmpty()) {
        in.expect(",");
        if (in.skip(")")) break;
      }
      if (in.at("*") || in.at("**")) throw in.bad("arguments with * or ** are not supported");
      if (in.peek().kind() == Kind.NAME && in.peekAfter().is(Kind.OPERATOR, "=")) {
        String name = (String) in.next().value();
        in.next();
        if (named.put(name, expression()) != null) throw in.bad("argument " + name + " twice");
      } else if (!named.isEmpty()) {
        throw in.bad("an argument without a name after one with a name");
      } else {
        positional.add(expression());
      }
    }
    return new Arguments(positional, named);
  }

  /**
   * Filters after {@code value}; null where the text of a block takes its place, and null if there
   * are none.
   *
   * @param inline whether the first one has no bar before it
   */
  Expr filters(Expr value, boolean inline) {
    while (inline || in.skip("|")) {
      Token name = in.expect(Kind.NAME);
      value = new Expr.Filter(value, (String) name.value(), maybeArguments(), name.line());
      inline = false;
    }
    return value;
  }

  private Arguments maybeArguments() {
    return in.at("(") ? arguments() : Arguments.NONE;
  }

  private Expr filtersAndTests(Expr value) {
    while (true) {
      if (in.at("|")) {
        value = filters(value, false);
      } else if (in.atName("is")) {
        value = test(value);
      } else if (in.at("(")) {
        int line = in.peek().line();
        value = new Expr.Call(value, arguments(), line);
      } else {
        return value;
      }
    }
  }

  private Expr test(Expr value) {
    int line = in.next().line();
    boolean negated = in.skipName("not");
    String name = (String) in.expect(Kind.NAME).value();
    Arguments arguments = Arguments.NONE;
    Token token = in.peek();
    boolean literal =
        switch (token.kind()) {
          case STRING, INTEGER, FLOAT -> true;
          case NAME ->
              !Set.of("else", "or", "and", "is", "if", "not", "in", "recursive")
                  .contains(token.value());
          case OPERATOR -> token.value().equals("[") || token.value().equals("{");
          default -> false;
        };
    if (in.at("(")) arguments = arguments();
    else if (literal) arguments = new Arguments(List.of(postfix(primary())), Map.of());
    return new Expr.Test(value, name, arguments, negated, line);
  }
}
