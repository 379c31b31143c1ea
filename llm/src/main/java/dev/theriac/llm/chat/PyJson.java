package dev.theriac.llm.chat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Writes JSON with the blanks and escapes of Python's {@code json.dumps}. */
final class PyJson {
  private final Budget budget;
  private final boolean ascii;
  private final String indent;
  private final String comma;
  private final String colon;
  private final boolean sorted;
  private final StringBuilder out = new StringBuilder();

  /**
   * @param indent blanks of one level, or null for one line
   */
  PyJson(Budget budget, boolean ascii, String indent, String comma, String colon, boolean sorted) {
    this.budget = budget;
    this.ascii = ascii;
    this.indent = indent;
    this.comma = comma;
    this.colon = colon;
    this.sorted = sorted;
  }

  String write(Object value) {
    write(value, 0);
    return out.toString();
  }

  private void write(Object value, int level) {
    budget.spend(1);
    budget.length(out.length());
    switch (value) {
      case null -> out.append("null");
      case Boolean b -> out.append((boolean) b);
      case Long n -> out.append((long) n);
      case Double d -> out.append(real(d));
      case String s -> quote(s);
      case List<?> list -> {
        if (list.isEmpty()) {
          out.append("[]");
          return;
        }
        budget.deeper();
        out.append('[');
        for (int i = 0; i < list.size(); i++) {
          separate(i > 0, level + 1);
          write(list.get(i), level + 1);
        }
        close(level, ']');
      }
      case Map<?, ?> map -> {
        if (map.isEmpty()) {
          out.append("{}");
          return;
        }
        budget.deeper();
        out.append('{');
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (sorted) entries.sort(Comparator.comparing(entry -> key(entry.getKey())));
        for (int i = 0; i < entries.size(); i++) {
          separate(i > 0, level + 1);
          quote(key(entries.get(i).getKey()));
          out.append(colon);
          write(entries.get(i).getValue(), level + 1);
        }
        close(level, '}');
      }
      default -> throw new TemplateError("tojson: " + Py.type(value) + " has no JSON");
    }
  }

  private void separate(boolean more, int level) {
    if (more) out.append(comma);
    line(level);
  }

  private void close(int level, char bracket) {
    budget.shallower();
    line(level);
    out.append(bracket);
  }

  private void line(int level) {
    if (indent == null) return;
    budget.length(out.length() + (long) level * indent.length());
    out.append('\n').append(indent.repeat(level));
  }

  private static String key(Object key) {
    return switch (key) {
      case null -> "null";
      case String s -> s;
      case Boolean b -> b.toString();
      case Long n -> n.toString();
      case Double d -> real(d);
      default -> throw new TemplateError("tojson: a key is " + Py.type(key));
    };
  }

  private static String real(double value) {
    if (Double.isNaN(value)) return "NaN";
    if (Double.isInfinite(value)) return value > 0 ? "Infinity" : "-Infinity";
    return PyText.real(value);
  }

  private void quote(String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\f' -> out.append("\\f");
        case '\b' -> out.append("\\b");
        default -> {
          if (c < 0x20 || ascii && c > 0x7e) out.append("\\u%04x".formatted((int) c));
          else out.append(c);
        }
      }
    }
    out.append('"');
  }
}
