package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Namespace;
import dev.theriac.llm.chat.Values.Tuple;
import dev.theriac.llm.chat.Values.Undefined;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/** Values as Python writes them: {@code str} and {@code repr}. */
final class PyText {
  private final Budget budget;
  private final StringBuilder out = new StringBuilder();

  private PyText(Budget budget) {
    this.budget = budget;
  }

  static String str(Object value, Budget budget) {
    if (value instanceof String text) return text;
    if (value instanceof Undefined) return "";
    return repr(value, budget);
  }

  static String repr(Object value, Budget budget) {
    PyText text = new PyText(budget);
    text.write(value);
    return text.out.toString();
  }

  private void write(Object value) {
    budget.spend(1);
    budget.length(out.length());
    switch (value) {
      case null -> out.append("None");
      case Boolean b -> out.append(b ? "True" : "False");
      case Long n -> out.append((long) n);
      case Double d -> out.append(real(d));
      case String s -> quote(s);
      case Undefined _ -> out.append("Undefined");
      case List<?> list -> {
        boolean tuple = value instanceof Tuple;
        out.append(tuple ? '(' : '[');
        budget.deeper();
        for (int i = 0; i < list.size(); i++) {
          if (i > 0) out.append(", ");
          write(list.get(i));
        }
        budget.shallower();
        if (tuple && list.size() == 1) out.append(',');
        out.append(tuple ? ')' : ']');
      }
      case Map<?, ?> map -> {
        out.append('{');
        budget.deeper();
        String comma = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
          out.append(comma);
          write(entry.getKey());
          out.append(": ");
          write(entry.getValue());
          comma = ", ";
        }
        budget.shallower();
        out.append('}');
      }
      case Namespace _ -> throw new TemplateError("a namespace cannot be written out");
      default -> throw new TemplateError("a " + Py.type(value) + " cannot be written out");
    }
  }

  private void quote(String text) {
    char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
    out.append(quote);
    text.codePoints()
        .forEach(c -> {
          switch (c) {
            case '\n' -> out.append("\\n");
            case '\r' -> out.append("\\r");
            case '\t' -> out.append("\\t");
            case '\\' -> out.append("\\\\");
            default -> {
              if (c == quote) out.append('\\').append(quote);
              else if (printable(c)) out.appendCodePoint(c);
              else if (c < 0x100) out.append("\\x%02x".formatted(c));
              else if (c < 0x10000) out.append("\\u%04x".formatted(c));
              else out.append("\\U%08x".formatted(c));
            }
          }
        });
    out.append(quote);
  }

  private static boolean printable(int c) {
    if (c == ' ') return true;
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SPACE_SEPARATOR ->
          false;
      default -> true;
    };
  }

  /** The shortest digits that give the number back, with an exponent below 1e-4 and from 1e16. */
  static String real(double value) {
    if (Double.isNaN(value)) return "nan";
    if (Double.isInfinite(value)) return value > 0 ? "inf" : "-inf";
    if (value == 0) return 1 / value < 0 ? "-0.0" : "0.0";
    BigDecimal exact = new BigDecimal(Double.toString(value)).stripTrailingZeros();
    String digits = exact.unscaledValue().abs().toString();
    int exponent = digits.length() - exact.scale() - 1;
    String sign = value < 0 ? "-" : "";
    if (exponent < -4 || exponent >= 16) {
      String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
      return "%s%s%se%s%02d"
          .formatted(
              sign, digits.charAt(0), fraction, exponent < 0 ? "-" : "+", Math.abs(exponent));
    }
    String plain = exact.abs().toPlainString();
    return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
  }
}
