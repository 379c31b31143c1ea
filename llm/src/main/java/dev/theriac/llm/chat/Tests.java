package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Args;
import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Undefined;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Jinja's tests: what may stand after {@code is}. */
final class Tests {
  private final Budget budget;

  Tests(Budget budget) {
    this.budget = budget;
  }

  /**
   * @throws TemplateError also for a test that is not known
   */
  boolean test(String name, Object value, Args args) {
    return switch (name) {
      case "defined" -> none(args, !(value instanceof Undefined));
      case "undefined" -> none(args, value instanceof Undefined);
      case "none" -> none(args, value == null);
      case "true" -> none(args, value instanceof Boolean b && b);
      case "false" -> none(args, value instanceof Boolean b && !b);
      case "boolean" -> none(args, value instanceof Boolean);
      case "integer" -> none(args, value instanceof Long);
      case "float" -> none(args, value instanceof Double);
      case "number" -> none(args, Py.isNumber(value));
      case "string" -> none(args, value instanceof String);
      case "mapping" -> none(args, value instanceof Map);
      case "callable" -> none(args, value instanceof Function);
      case "iterable", "sequence" ->
          none(
              args,
              value instanceof String
                  || value instanceof List
                  || value instanceof Map
                  || value instanceof Undefined);
      case "odd" -> none(args, remainder(value, 2L) == 1);
      case "even" -> none(args, remainder(value, 2L) == 0);
      case "divisibleby" -> remainder(value, args.only("num").get(0, "num")) == 0;
      case "upper" -> none(args, same(value, true));
      case "lower" -> none(args, same(value, false));
      case "sameas" -> {
        Object other = args.only("other").get(0, "other");
        boolean plain = other == null || other instanceof Boolean;
        yield plain ? other == value || other != null && other.equals(value) : other == value;
      }
      case "in" -> Operators.contains(args.only("seq").get(0, "seq"), value, budget);
      case "equalto", "eq", "==" -> compare("==", value, args);
      case "ne", "!=" -> compare("!=", value, args);
      case "lt", "lessthan", "<" -> compare("<", value, args);
      case "le", "<=" -> compare("<=", value, args);
      case "gt", "greaterthan", ">" -> compare(">", value, args);
      case "ge", ">=" -> compare(">=", value, args);
      default -> throw new TemplateError("the test '" + name + "' is not supported");
    };
  }

  private static boolean none(Args args, boolean result) {
    args.only();
    return result;
  }

  private boolean compare(String operator, Object value, Args args) {
    return Operators.compare(operator, value, args.only("other").get(0, "other"), budget);
  }

  private double remainder(Object value, Object by) {
    return Py.real(Operators.binary("%", numeric(value), numeric(by), budget));
  }

  private static Object numeric(Object value) {
    if (Py.isNumber(value)) return value;
    throw new TemplateError("a number is wanted, found " + Py.type(value));
  }

  private boolean same(Object value, boolean upper) {
    String text = PyText.str(value, budget);
    String other = upper ? text.toUpperCase(Locale.ROOT) : text.toLowerCase(Locale.ROOT);
    return text.equals(other)
        && !text.toUpperCase(Locale.ROOT).equals(text.toLowerCase(Locale.ROOT));
  }
}
