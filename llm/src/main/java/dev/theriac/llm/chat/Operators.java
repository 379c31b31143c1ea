package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Tuple;
import dev.theriac.llm.chat.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Arithmetic, comparisons and slices with Python's results; whole numbers have 64 bits. */
final class Operators {
  private Operators() {}

  static Object binary(String operator, Object a, Object b, Budget budget) {
    refuseUndefined(a);
    refuseUndefined(b);
    try {
      return switch (operator) {
        case "+" -> add(a, b, budget);
        case "*" -> multiply(a, b, budget);
        default -> {
          if (operator.equals("%") && a instanceof String text) yield format(text, b, budget);
          if (!Py.isNumber(a) || !Py.isNumber(b)) throw mismatch(operator, a, b);
          yield arithmetic(operator, Py.number(a), Py.number(b));
        }
      };
    } catch (ArithmeticException e) {
      throw new TemplateError("%s: %s".formatted(operator, e.getMessage()));
    }
  }

  static void refuseUndefined(Object value) {
    if (value instanceof Undefined undefined) throw new TemplateError(undefined.what());
  }

  private static TemplateError mismatch(String operator, Object a, Object b) {
    return new TemplateError(
        "%s cannot join %s and %s".formatted(operator, Py.type(a), Py.type(b)));
  }

  private static Object add(Object a, Object b, Budget budget) {
    if (a instanceof String x && b instanceof String y) {
      budget.length((long) x.length() + y.length());
      return x + y;
    }
    if (a instanceof List<?> x
        && b instanceof List<?> y
        && a instanceof Tuple == b instanceof Tuple) {
      budget.spend((long) x.size() + y.size());
      List<Object> both = new ArrayList<>(x);
      both.addAll(y);
      return a instanceof Tuple ? new Tuple(both) : both;
    }
    if (!Py.isNumber(a) || !Py.isNumber(b)) throw mismatch("+", a, b);
    return arithmetic("+", Py.number(a), Py.number(b));
  }

  private static Object multiply(Object a, Object b, Budget budget) {
    if (Py.isNumber(a) && !Py.isNumber(b)) return multiply(b, a, budget);
    if (Py.number(b) instanceof Long n) {
      long count = Math.max(0, n);
      if (a instanceof String text) {
        return text.repeat(
            budget.length(Math.multiplyExact(count, (long) text.length())) == 0 ? 0 : (int) count);
      }
      if (a instanceof List<?> list) {
        budget.spend(Math.multiplyExact(count, (long) list.size()));
        List<Object> out = new ArrayList<>();
        for (long i = 0; i < count && !list.isEmpty(); i++) out.addAll(list);
        return a instanceof Tuple ? new Tuple(out) : out;
      }
    }
    if (!Py.isNumber(a) || !Py.isNumber(b)) throw mismatch("*", a, b);
    return arithmetic("*", Py.number(a), Py.number(b));
  }

  private static Object arithmetic(String operator, Object a, Object b) {
    if (a instanceof Long x && b instanceof Long y) {
      return switch (operator) {
        case "+" -> Math.addExact(x, y);
        case "-" -> Math.subtractExact(x, y);
        case "*" -> Math.multiplyExact(x, y);
        case "//" -> Math.floorDiv(x, y);
        case "%" -> Math.floorMod(x, y);
        case "**" -> y >= 0 ? (Object) power(x, y) : (Object) Math.pow(x, y);
        default -> {
          if (y == 0) throw new ArithmeticException("/ by zero");
          yield (double) x / y;
        }
      };
    }
    double x = Py.real(a);
    double y = Py.real(b);
    if (y == 0 && List.of("/", "//", "%").contains(operator)) {
      throw new ArithmeticException("/ by zero");
    }
    return switch (operator) {
      case "+" -> x + y;
      case "-" -> x - y;
      case "*" -> x * y;
      case "//" -> Math.floor(x / y);
      case "%" -> {
        double rest = x % y;
        yield rest != 0 && rest < 0 != y < 0 ? rest + y : rest;
      }
      case "**" -> Math.pow(x, y);
      default -> x / y;
    };
  }

  private static long power(long base, long exponent) {
    long result = 1;
    for (long i = 0; i < exponent && result != 0; i++) {
      if (base == 1 || base == -1) return base == 1 || exponent % 2 == 0 ? 1 : -1;
      result = Math.multiplyExact(result, base);
    }
    return result;
  }

  /** Python's {@code "..." % values} with %s and %d. */
  private static String format(String text, Object values, Budget budget) {
    List<?> list =
        values instanceof Tuple tuple ? tuple : List.of(values == null ? "None" : values);
    StringBuilder out = new StringBuilder();
    int next = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      char kind = c == '%' && i + 1 < text.length() ? text.charAt(i + 1) : 0;
      if (c != '%') {
        out.append(c);
        continue;
      }
      i++;
      if (kind == '%') {
        out.append('%');
      } else if ((kind == 's' || kind == 'd') && next < list.size()) {
        Object value = list.get(next++);
        if (kind == 'd' && !(Py.number(value) instanceof Long)) {
          throw new TemplateError("%d needs a whole number, found " + Py.type(value));
        }
        out.append(PyText.str(kind == 'd' ? Py.number(value) : value, budget));
      } else {
        throw new TemplateError(
            "the format '%s' is not supported (only %%s, %%d, %%%%)".formatted(text));
      }
      budget.length(out.length());
    }
    if (next != list.size()) throw new TemplateError("too many values for the format " + text);
    return out.toString();
  }

  static Object unary(String operator, Object value) {
    refuseUndefined(value);
    if (!Py.isNumber(value)) throw new TemplateError(operator + " of " + Py.type(value));
    Object number = Py.number(value);
    if (operator.equals("+")) return number;
    if (number instanceof Long n) {
      if (n == Long.MIN_VALUE) throw new TemplateError("a number beyond 64 bits");
      return -n;
    }
    return -(Double) number;
  }

  static boolean compare(String operator, Object a, Object b, Budget budget) {
    return switch (operator) {
      case "==" -> Py.same(a, b, budget);
      case "!=" -> !Py.same(a, b, budget);
      case "in" -> contains(b, a, budget);
      case "not in" -> !contains(b, a, budget);
      default -> {
        refuseUndefined(a);
        refuseUndefined(b);
        int order = Py.compare(a, b, budget);
        yield order != 2
            && switch (operator) {
              case "<" -> order < 0;
              case "<=" -> order <= 0;
              case ">" -> order > 0;
              default -> order >= 0;
            };
      }
    };
  }

  static boolean contains(Object container, Object value, Budget budget) {
    if (container instanceof String text) {
      if (value instanceof String part) return text.contains(part);
      refuseUndefined(value);
      throw new TemplateError("'in' a text needs a text on its left, found " + Py.type(value));
    }
    if (container instanceof Map<?, ?> map) return map.containsKey(Py.key(value));
    for (Object element : Py.elements(container, budget)) {
      if (Py.same(element, value, budget)) return true;
    }
    return false;
  }

  /** {@code value[key]}; Undefined where there is none. */
  static Object item(Object value, Object key, Budget budget) {
    refuseUndefined(value);
    if (value instanceof Map<?, ?> map) {
      Object k = key instanceof List<?> || key instanceof Map<?, ?> ? key : Py.key(key);
      if (map.containsKey(k)) return map.get(k);
    } else if (Py.number(key) instanceof Long index) {
      if (value instanceof List<?> list) {
        long i = index < 0 ? index + list.size() : index;
        if (i >= 0 && i < list.size()) return list.get((int) i);
      } else if (value instanceof String text) {
        long length = Py.length(text);
        long i = index < 0 ? index + length : index;
        if (i >= 0 && i < length) {
          return Character.toString(text.codePointAt(text.offsetByCodePoints(0, (int) i)));
        }
      }
    }
    if (key instanceof String name) {
      Object method = Methods.of(value, name, budget);
      if (method != null) return method;
    }
    if (key instanceof Undefined undefined) throw new TemplateError(undefined.what());
    String shown = key instanceof String s ? "'" + s + "'" : PyText.repr(key, budget);
    return new Undefined("%s has no element %s".formatted(Py.type(value), shown));
  }

  static Object slice(Object value, Object from, Object to, Object step, Budget budget) {
    refuseUndefined(value);
    if (!(value instanceof List<?>) && !(value instanceof String)) {
      throw new TemplateError("a slice of " + Py.type(value));
    }
    List<Object> all = Py.elements(value, budget);
    long by = step == null ? 1 : bound(step);
    if (by == 0) throw new TemplateError("a slice with step 0");
    long size = all.size();
    long low = by > 0 ? 0 : -1;
    long high = by > 0 ? size : size - 1;
    long start = from == null ? (by > 0 ? low : high) : clamp(bound(from), size, low, high);
    long end = to == null ? (by > 0 ? high : low) : clamp(bound(to), size, low, high);
    List<Object> out = new ArrayList<>();
    for (long i = start; by > 0 ? i < end : i > end; i += by) out.add(all.get((int) i));
    if (value instanceof Tuple) return new Tuple(out);
    if (!(value instanceof String)) return out;
    StringBuilder text = new StringBuilder();
    out.forEach(text::append);
    return text.toString();
  }

  private static long bound(Object value) {
    if (Py.number(value) instanceof Long n) return Math.clamp(n, -1L << 40, 1L << 40);
    throw new TemplateError("a slice bound is " + Py.type(value) + ", must be a whole number");
  }

  private static long clamp(long index, long size, long low, long high) {
    return Math.clamp(index < 0 ? index + size : index, low, high);
  }
}
