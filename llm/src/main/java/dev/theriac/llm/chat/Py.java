package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Namespace;
import dev.theriac.llm.chat.Values.Tuple;
import dev.theriac.llm.chat.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Python's rules for values: types, truth, equality, order, iteration, blanks. */
final class Py {
  private Py() {}

  static String type(Object value) {
    return switch (value) {
      case null -> "None";
      case String _ -> "str";
      case Boolean _ -> "bool";
      case Long _ -> "int";
      case Double _ -> "float";
      case Tuple _ -> "tuple";
      case List<?> _ -> "list";
      case Map<?, ?> _ -> "dict";
      case Undefined u -> "undefined (" + u.what() + ")";
      case Namespace _ -> "namespace";
      case Function _ -> "function";
      default -> value.getClass().getSimpleName();
    };
  }

  static boolean truth(Object value) {
    return switch (value) {
      case null -> false;
      case Boolean b -> b;
      case Long n -> n != 0;
      case Double d -> d != 0;
      case String s -> !s.isEmpty();
      case List<?> list -> !list.isEmpty();
      case Map<?, ?> map -> !map.isEmpty();
      case Undefined _ -> false;
      default -> true;
    };
  }

  static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof Double || value instanceof Boolean;
  }

  /** Truth values count as 1 and 0. */
  static Object number(Object value) {
    return value instanceof Boolean b ? (Object) (b ? 1L : 0L) : value;
  }

  static double real(Object number) {
    return ((Number) number(number)).doubleValue();
  }

  static boolean same(Object a, Object b, Budget budget) {
    budget.spend(1);
    if (a == b) return true;
    if (a instanceof Undefined && b instanceof Undefined) return true;
    if (a == null || b == null) return false;
    if (isNumber(a) && isNumber(b)) return compareNumbers(a, b) == 0;
    if (a instanceof List<?> x && b instanceof List<?> y) {
      if (a instanceof Tuple != b instanceof Tuple || x.size() != y.size()) return false;
      budget.deeper();
      boolean equal = true;
      for (int i = 0; equal && i < x.size(); i++) equal = same(x.get(i), y.get(i), budget);
      budget.shallower();
      return equal;
    }
    if (a instanceof Map<?, ?> x && b instanceof Map<?, ?> y) {
      if (x.size() != y.size()) return false;
      budget.deeper();
      boolean equal = true;
      for (Map.Entry<?, ?> entry : x.entrySet()) {
        Object key = entry.getKey();
        equal = equal && y.containsKey(key) && same(entry.getValue(), y.get(key), budget);
      }
      budget.shallower();
      return equal;
    }
    return a instanceof String && a.equals(b);
  }

  private static int compareNumbers(Object a, Object b) {
    Object x = number(a);
    Object y = number(b);
    if (x instanceof Long m && y instanceof Long n) return Long.compare(m, n);
    double p = real(x);
    double q = real(y);
    return p == q ? 0 : p < q ? -1 : p > q ? 1 : 2; // 2: not a number, equal to nothing
  }

  /** Below, at or above 0; 2 where a NaN is among the numbers. */
  static int compare(Object a, Object b, Budget budget) {
    budget.spend(1);
    if (isNumber(a) && isNumber(b)) return compareNumbers(a, b);
    if (a instanceof String x && b instanceof String y) return compareTexts(x, y);
    if (a instanceof List<?> x
        && b instanceof List<?> y
        && a instanceof Tuple == b instanceof Tuple) {
      budget.deeper();
      for (int i = 0; i < Math.min(x.size(), y.size()); i++) {
        if (!same(x.get(i), y.get(i), budget)) {
          int order = compare(x.get(i), y.get(i), budget);
          budget.shallower();
          return order;
        }
      }
      budget.shallower();
      return Integer.compare(x.size(), y.size());
    }
    throw new TemplateError("%s and %s have no order".formatted(type(a), type(b)));
  }

  /** By code points, as Python does. */
  private static int compareTexts(String a, String b) {
    int i = 0;
    while (i < a.length() && i < b.length() && a.charAt(i) == b.charAt(i)) i++;
    if (i == a.length() || i == b.length()) return Integer.compare(a.length(), b.length());
    char x = a.charAt(i);
    char y = b.charAt(i);
    if (Character.isSurrogate(x) != Character.isSurrogate(y)) {
      return Character.isSurrogate(x) ? 1 : -1;
    }
    return Character.compare(x, y) < 0 ? -1 : 1;
  }

  /** The elements of a list, the keys of a dict, the characters of a text. */
  static List<Object> elements(Object value, Budget budget) {
    List<Object> out =
        switch (value) {
          case List<?> list -> new ArrayList<>(list);
          case Map<?, ?> map -> new ArrayList<>(map.keySet());
          case String text -> {
            List<Object> characters = new ArrayList<>();
            text.codePoints().forEach(c -> characters.add(Character.toString(c)));
            yield characters;
          }
          case Undefined _ -> List.of();
          case null, default ->
              throw new TemplateError(type(value) + " has no elements to go through");
        };
    budget.spend(out.size());
    return out;
  }

  static long length(Object value) {
    return switch (value) {
      case String text -> text.codePointCount(0, text.length());
      case List<?> list -> list.size();
      case Map<?, ?> map -> map.size();
      case Undefined _ -> 0;
      case null, default -> throw new TemplateError(type(value) + " has no length");
    };
  }

  /** A value that can be a key of a dict; whole floats and truth values count as integers. */
  static Object key(Object value) {
    Object number = number(value);
    if (number instanceof Double d && d == Math.rint(d) && Math.abs(d) < 1e15) return d.longValue();
    if (value instanceof Tuple tuple) return new ArrayList<>(tuple);
    if (value instanceof List<?> || value instanceof Map<?, ?> || value instanceof Undefined) {
      throw new TemplateError(type(value) + " cannot be a key");
    }
    return number;
  }

  /** What Python's str.isspace says. */
  static boolean isSpace(int c) {
    return c >= 9 && c <= 13
        || c >= 0x1c && c <= 0x20
        || c == 0x85
        || c == 0xa0
        || c > 0xff && (Character.isSpaceChar(c) || Character.isWhitespace(c));
  }

  private static boolean strips(int c, String characters) {
    return characters == null ? isSpace(c) : characters.indexOf(c) >= 0;
  }

  static String lstrip(String text, String characters) {
    int i = 0;
    while (i < text.length() && strips(text.codePointAt(i), characters)) {
      i += Character.charCount(text.codePointAt(i));
    }
    return text.substring(i);
  }

  static String rstrip(String text, String characters) {
    int i = text.length();
    while (i > 0 && strips(text.codePointBefore(i), characters)) {
      i -= Character.charCount(text.codePointBefore(i));
    }
    return text.substring(0, i);
  }

  static String strip(String text, String characters) {
    return lstrip(rstrip(text, characters), characters);
  }
}
