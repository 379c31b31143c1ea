package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Args;
import dev.theriac.llm.chat.Values.Tuple;
import dev.theriac.llm.chat.Values.Undefined;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/** Jinja's filters, those of use in chat templates. */
final class Filters {
  private static final Pattern WORD = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS);

  private final Budget budget;

  Filters(Budget budget) {
    this.budget = budget;
  }

  /**
   * @throws TemplateError also for a filter that is not known
   */
  Object apply(String name, Object value, Args args) {
    return switch (name) {
      case "trim" -> Py.strip(text(value), args.only("chars").text(0, "chars", null));
      case "upper" -> none(args, text(value).toUpperCase(Locale.ROOT));
      case "lower" -> none(args, text(value).toLowerCase(Locale.ROOT));
      case "capitalize" -> none(args, Methods.capitalized(text(value)));
      case "title" -> none(args, title(text(value)));
      case "string" -> none(args, text(value));
      case "safe" -> none(args, text(value));
      case "e", "escape" -> none(args, escaped(text(value)));
      case "length", "count" -> none(args, Py.length(value));
      case "list" -> none(args, Py.elements(value, budget));
      case "tojson" -> json(value, args);
      case "replace" -> {
        args.only("old", "new", "count");
        String old = text(args.get(0, "old"));
        String with = text(args.get(1, "new"));
        yield Methods.replace(text(value), old, with, args.integer(2, "count", -1), budget);
      }
      case "default", "d" -> {
        args.only("default_value", "boolean");
        boolean missing =
            value instanceof Undefined || args.flag(1, "boolean", false) && !Py.truth(value);
        yield missing ? args.get(0, "default_value", "") : value;
      }
      case "join" -> join(value, args.only("d", "attribute"));
      case "first" -> edge(none(args, value), true);
      case "last" -> edge(none(args, value), false);
      case "reverse" -> reversed(none(args, value));
      case "indent" -> indent(text(value), args.only("width", "first", "blank"));
      case "items" -> items(none(args, value));
      case "dictsort" -> dictSort(value, args.only("case_sensitive", "by", "reverse"));
      case "sort" -> sort(value, args.only("reverse", "case_sensitive", "attribute"));
      case "unique" -> unique(value, args.only("case_sensitive", "attribute"));
      case "sum" -> sum(value, args.only("attribute", "start"));
      case "min" -> best(value, args.only("case_sensitive", "attribute"), true);
      case "max" -> best(value, args.only("case_sensitive", "attribute"), false);
      case "int" -> integer(value, args.only("default", "base"));
      case "float" -> real(value, args.only("default"));
      case "abs" -> abs(none(args, value));
      case "round" -> round(value, args.only("precision", "method"));
      case "attr" -> attribute(value, args.only("name").text(0, "name"));
      case "wordcount" -> WORD.matcher(none(args, text(value))).results().count();
      default -> throw new TemplateError("the filter '" + name + "' is not supported");
    };
  }

  private static <T> T none(Args args, T value) {
    args.only();
    return value;
  }

  private String text(Object value) {
    String text = PyText.str(value, budget);
    budget.length(text.length());
    return text;
  }

  /** Words between blanks and brackets; a capital only at their start. */
  private static String title(String s) {
    StringBuilder out = new StringBuilder();
    boolean start = true;
    for (int c : s.codePoints().toArray()) {
      out.appendCodePoint(start ? Character.toUpperCase(c) : Character.toLowerCase(c));
      start = Py.isSpace(c) || "-({[<".indexOf(c) >= 0;
    }
    return out.toString();
  }

  private static String escaped(String s) {
    return s.replace("&", "&amp;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
        .replace("'", "&#39;")
        .replace("\"", "&#34;");
  }

  private String json(Object value, Args args) {
    args.only("ensure_ascii", "indent", "separators", "sort_keys");
    Object indent = args.get(1, "indent", null);
    String blanks =
        indent == null
            ? null
            : indent instanceof String s
                ? s
                : " ".repeat(Math.clamp(args.integer(1, "indent", 0), 0, 1000));
    String comma = blanks == null ? ", " : ",";
    String colon = ": ";
    if (args.get(2, "separators", null) instanceof List<?> pair
        && pair.size() == 2
        && pair.get(0) instanceof String between
        && pair.get(1) instanceof String after) {
      comma = between;
      colon = after;
    }
    boolean ascii = args.flag(0, "ensure_ascii", false);
    return new PyJson(budget, ascii, blanks, comma, colon, args.flag(3, "sort_keys", false))
        .write(value);
  }

  /** {@code a.b.0} of a value, as attributes are given to filters; the value itself for null. */
  Object path(Object value, Object path) {
    if (path == null) return value;
    if (path instanceof Long) return Operators.item(value, path, budget);
    for (String part : text(path).split("\\.", -1)) {
      boolean digits =
          !part.isEmpty() && part.length() < 10 && part.chars().allMatch(c -> c >= '0' && c <= '9');
      value = Operators.item(value, digits ? (Object) Long.valueOf(part) : part, budget);
    }
    return value;
  }

  private Object attribute(Object value, String name) {
    Object method = Methods.of(value, name, budget);
    return method != null ? method : new Undefined(Py.type(value) + " has no attribute " + name);
  }

  private String join(Object value, Args args) {
    String between = args.has(0, "d") ? text(args.get(0, "d")) : "";
    Object attribute = args.get(1, "attribute", null);
    StringBuilder out = new StringBuilder();
    boolean first = true;
    for (Object element : Py.elements(value, budget)) {
      String part = text(path(element, attribute));
      budget.length((long) out.length() + between.length() + part.length());
      if (!first) out.append(between);
      out.append(part);
      first = false;
    }
    return out.toString();
  }

  private Object edge(Object value, boolean first) {
    List<Object> all = Py.elements(value, budget);
    if (all.isEmpty()) return new Undefined("no element, where the sequence is empty");
    return first ? all.getFirst() : all.getLast();
  }

  private Object reversed(Object value) {
    if (value instanceof String s) return new StringBuilder(s).reverse().toString();
    List<Object> all = Py.elements(value, budget);
    Collections.reverse(all);
    return all;
  }

  private String indent(String s, Args args) {
    Object width = args.get(0, "width", 4L);
    String blanks =
        width instanceof String w
            ? w
            : " ".repeat(Math.clamp(args.integer(0, "width", 4), 0, 10_000));
    List<Object> lines = Methods.lines(s + "\n", false);
    budget.length(s.length() + (long) lines.size() * (blanks.length() + 1));
    boolean blank = args.flag(2, "blank", false);
    StringBuilder out = new StringBuilder(args.flag(1, "first", false) ? blanks : "");
    for (int i = 0; i < lines.size(); i++) {
      String line = (String) lines.get(i);
      if (i > 0) out.append('\n');
      if (i > 0 && (blank || !line.isEmpty())) out.append(blanks);
      out.append(line);
    }
    return out.toString();
  }

  private List<Object> items(Object value) {
    if (value instanceof Undefined) return new ArrayList<>();
    if (!(value instanceof Map<?, ?> map)) {
      throw new TemplateError("items of " + Py.type(value) + ", must be a dict");
    }
    budget.spend(map.size());
    List<Object> out = new ArrayList<>();
    map.forEach((key, element) -> out.add(Tuple.of(key, element)));
    return out;
  }

  private Object folded(Object value, boolean sensitive) {
    return !sensitive && value instanceof String s ? s.toLowerCase(Locale.ROOT) : value;
  }

  private Comparator<Object> order(boolean sensitive) {
    return (a, b) -> Py.compare(folded(a, sensitive), folded(b, sensitive), budget);
  }

  private List<Object> dictSort(Object value, Args args) {
    List<Object> all = items(value);
    String by = args.text(1, "by", "key");
    if (!by.equals("key") && !by.equals("value")) {
      throw new TemplateError("dictsort: 'by' is '" + by + "', must be 'key' or 'value'");
    }
    int place = by.equals("key") ? 0 : 1;
    Comparator<Object> order = order(args.flag(0, "case_sensitive", false));
    Comparator<Object> pairs =
        (a, b) -> order.compare(((Tuple) a).get(place), ((Tuple) b).get(place));
    all.sort(args.flag(2, "reverse", false) ? pairs.reversed() : pairs);
    return all;
  }

  private List<Object> sort(Object value, Args args) {
    List<Object> all = Py.elements(value, budget);
    Object attribute = args.get(2, "attribute", null);
    Comparator<Object> order = order(args.flag(1, "case_sensitive", false));
    Comparator<Object> by = (a, b) -> order.compare(path(a, attribute), path(b, attribute));
    all.sort(args.flag(0, "reverse", false) ? by.reversed() : by);
    return all;
  }

  private List<Object> unique(Object value, Args args) {
    boolean sensitive = args.flag(0, "case_sensitive", false);
    Object attribute = args.get(1, "attribute", null);
    List<Object> seen = new ArrayList<>();
    List<Object> out = new ArrayList<>();
    for (Object element : Py.elements(value, budget)) {
      Object key = folded(path(element, attribute), sensitive);
      if (seen.stream().noneMatch(other -> Py.same(other, key, budget))) {
        seen.add(key);
        out.add(element);
      }
    }
    return out;
  }

  private Object sum(Object value, Args args) {
    Object attribute = args.get(0, "attribute", null);
    Object total = args.get(1, "start", 0L);
    for (Object element : Py.elements(value, budget)) {
      total = Operators.binary("+", total, path(element, attribute), budget);
    }
    return total;
  }

  private Object best(Object value, Args args, boolean least) {
    Object attribute = args.get(1, "attribute", null);
    Comparator<Object> order = order(args.flag(0, "case_sensitive", false));
    List<Object> all = Py.elements(value, budget);
    if (all.isEmpty()) return new Undefined("no element, where the sequence is empty");
    Object best = all.getFirst();
    for (Object element : all) {
      int c = order.compare(path(element, attribute), path(best, attribute));
      if (least ? c < 0 : c > 0 && c != 2) best = element;
    }
    return best;
  }

  private Object integer(Object value, Args args) {
    Object other = args.get(0, "default", 0L);
    int base = args.integer(1, "base", 10);
    if (base < 2 || base > 36) throw new TemplateError("int: base " + base);
    try {
      return switch (Py.number(value)) {
        case Long n -> n;
        case Double d ->
            d.isNaN() || d.isInfinite()
                ? other
                : (Object) new BigDecimal(d).toBigInteger().longValueExact();
        case String s -> Long.parseLong(Py.strip(s, null).replace("_", ""), base);
        case null, default -> other;
      };
    } catch (NumberFormatException | ArithmeticException e) {
      Object real =
          value instanceof String
              ? real(value, new Args("int", List.of(Double.NaN), Map.of()))
              : null;
      return real instanceof Double d && !d.isNaN() && Math.abs(d) < 1e18
          ? (Object) d.longValue()
          : other;
    }
  }

  private Object real(Object value, Args args) {
    Object other = args.get(0, "default", 0.0);
    if (Py.isNumber(value)) return Py.real(value);
    if (!(value instanceof String s)) return other;
    String text = Py.strip(s, null).replace("_", "");
    // Java takes more: a letter for the type, hexadecimals.
    if (!text.matches("[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?")) return other;
    return Double.parseDouble(text);
  }

  private static Object abs(Object value) {
    if (!Py.isNumber(value)) throw new TemplateError("abs of " + Py.type(value));
    Object number = Py.number(value);
    if (number instanceof Double d) return Math.abs(d);
    return Operators.binary("*", number, (Long) number < 0 ? -1L : 1L, null);
  }

  private static Object round(Object value, Args args) {
    if (!Py.isNumber(value)) throw new TemplateError("round of " + Py.type(value));
    int digits = Math.clamp(args.integer(0, "precision", 0), -300, 300);
    String method = args.text(1, "method", "common");
    double x = Py.real(value);
    if (Double.isNaN(x) || Double.isInfinite(x)) return x;
    if (method.equals("common")) {
      // Python rounds the exact binary value, halves to even.
      double rounded = new BigDecimal(x).setScale(digits, RoundingMode.HALF_EVEN).doubleValue();
      return Py.number(value) instanceof Long n
          ? (Object) (digits >= 0 ? n : (long) rounded)
          : rounded;
    }
    double scale = Math.pow(10, digits);
    return switch (method) {
      case "ceil" -> Math.ceil(x * scale) / scale;
      case "floor" -> Math.floor(x * scale) / scale;
      default -> throw new TemplateError("round: method '" + method + "'");
    };
  }
}
