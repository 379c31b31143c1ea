package dev.theriac.io;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Reads the JSON of a file header, RFC 8259 to the letter, with bounds on depth and on the number
 * of values, because headers come from strangers. Objects become {@link Map}s in file order (a
 * repeated key is an error), arrays {@link List}s, whole numbers {@link Long}s, others {@link
 * Double}s.
 */
final class Json {
  private static final int MAX_DEPTH = 16;
  private static final int MAX_VALUES = 5_000_000;

  private final Path file;
  private final String what;
  private final String text;
  private int at;
  private int values;

  private Json(Path file, String what, String text) {
    this.file = file;
    this.what = what;
    this.text = text;
  }

  /** Parses UTF-8; {@code what} names the text in errors. */
  static Object parse(Path file, String what, ByteBuffer utf8) {
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(utf8).toString();
    } catch (CharacterCodingException e) {
      throw new FileException(file, what + " is not UTF-8", e);
    }
    Json json = new Json(file, what, text);
    Object value = json.value(0);
    json.space();
    if (json.at < text.length()) throw json.bad("text after the end");
    return value;
  }

  /** {@code s} as a JSON string with its quotes. */
  static String quote(String s) {
    StringBuilder out = new StringBuilder(s.length() + 2).append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < 0x20) out.append("\\u%04x".formatted((int) c));
          else out.append(c);
        }
      }
    }
    return out.append('"').toString();
  }

  /** A value of {@link #parse} as JSON on one line. */
  static String write(Object value) {
    return switch (value) {
      case Map<?, ?> map ->
          map.entrySet().stream()
              .map(e -> quote((String) e.getKey()) + ":" + write(e.getValue()))
              .collect(Collectors.joining(",", "{", "}"));
      case List<?> list ->
          list.stream().map(Json::write).collect(Collectors.joining(",", "[", "]"));
      case String s -> quote(s);
      case null, default -> String.valueOf(value);
    };
  }

  private Object value(int depth) {
    if (depth > MAX_DEPTH) throw bad("nested deeper than " + MAX_DEPTH);
    if (++values > MAX_VALUES) throw bad("more than " + MAX_VALUES + " values");
    space();
    return switch (peek()) {
      case '{' -> object(depth);
      case '[' -> array(depth);
      case '"' -> string();
      case 't' -> word("true", true);
      case 'f' -> word("false", false);
      case 'n' -> word("null", null);
      default -> number();
    };
  }

  private Map<String, Object> object(int depth) {
    Map<String, Object> out = new LinkedHashMap<>();
    at++;
    space();
    if (peek() == '}') {
      at++;
      return out;
    }
    while (true) {
      space();
      if (peek() != '"') throw bad("expected a key in quotes");
      String key = string();
      space();
      expect(':');
      Object value = value(depth + 1);
      if (out.containsKey(key)) throw bad("key \"" + key + "\" appears twice");
      out.put(key, value);
      space();
      if (peek() == '}') {
        at++;
        return out;
      }
      expect(',');
    }
  }

  private List<Object> array(int depth) {
    List<Object> out = new ArrayList<>(4);
    at++;
    space();
    if (peek() == ']') {
      at++;
      return out;
    }
    while (true) {
      out.add(value(depth + 1));
      space();
      if (peek() == ']') {
        at++;
        return out;
      }
      expect(',');
    }
  }

  private String string() {
    int start = ++at;
    while (at < text.length() && plain(text.charAt(at))) at++;
    if (at < text.length() && text.charAt(at) == '"') return text.substring(start, at++);
    StringBuilder out = new StringBuilder(text.substring(start, at));
    while (true) {
      if (at >= text.length()) throw bad("ends inside a string");
      char c = text.charAt(at++);
      if (c == '"') return whole(out.toString());
      if (c < 0x20) throw bad("control character in a string");
      out.append(c == '\\' ? escape() : c);
    }
  }

  /**
   * Half of a surrogate pair, which only an escape can write, is no character: as UTF-8 it would
   * turn into "?", and two keys could become one.
   */
  private String whole(String s) {
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (!Character.isSurrogate(c)) continue;
      boolean pair = i + 1 < s.length() && Character.isSurrogatePair(c, s.charAt(i + 1));
      if (!pair) throw bad("half of a surrogate pair (\\u%04x) in a string".formatted((int) c));
      i++;
    }
    return s;
  }

  private static boolean plain(char c) {
    return c != '"' && c != '\\' && c >= 0x20;
  }

  private char escape() {
    if (at >= text.length()) throw bad("ends inside a string");
    char c = text.charAt(at++);
    return switch (c) {
      case '"', '\\', '/' -> c;
      case 'b' -> '\b';
      case 'f' -> '\f';
      case 'n' -> '\n';
      case 'r' -> '\r';
      case 't' -> '\t';
      case 'u' -> {
        int code = 0;
        for (int i = 0; i < 4; i++) {
          int digit = at < text.length() ? Character.digit(text.charAt(at), 16) : -1;
          if (digit < 0 || text.charAt(at) > 'f') throw bad("bad \\u escape");
          code = code << 4 | digit;
          at++;
        }
        yield (char) code;
      }
      default -> throw bad("unknown escape \\" + c);
    };
  }

  private Object word(String word, Object value) {
    if (!text.startsWith(word, at)) throw bad("expected a value");
    at += word.length();
    return value;
  }

  private Object number() {
    int start = at;
    if (peek() == '-') at++;
    int first = at;
    digits();
    if (text.charAt(first) == '0' && at - first > 1) throw bad("number with a leading zero");
    boolean whole = true;
    if (at < text.length() && text.charAt(at) == '.') {
      whole = false;
      at++;
      digits();
    }
    if (at < text.length() && (text.charAt(at) | 0x20) == 'e') {
      whole = false;
      at++;
      if (at < text.length() && (text.charAt(at) == '+' || text.charAt(at) == '-')) at++;
      digits();
    }
    String number = text.substring(start, at);
    try {
      if (whole) return Long.valueOf(number);
    } catch (NumberFormatException e) {
      // beyond 64 bits: as a double, which whoever wants a size refuses
    }
    return Double.valueOf(number);
  }

  private void digits() {
    int start = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') at++;
    if (at == start) throw bad("expected a value");
  }

  private void space() {
    while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) at++;
  }

  private char peek() {
    if (at >= text.length()) throw bad("ends too early");
    return text.charAt(at);
  }

  private void expect(char c) {
    if (peek() != c) throw bad("expected '" + c + "'");
    at++;
  }

  private FileException bad(String why) {
    return new FileException(
        file, "%s is not valid JSON: %s, at character %d".formatted(what, why, at));
  }
}
