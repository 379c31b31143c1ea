package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens by Jinja's rules with {@code trim_blocks} (the newline after a block
 * goes) and {@code lstrip_blocks} (blanks before a block that begins a line go), which is how
 * transformers renders chat templates. One newline at the end of the template goes, too.
 */
final class Lexer {
  private static final Pattern BEGIN = Pattern.compile("\\{[{%#]");
  private static final Pattern RAW = Pattern.compile("\\{%[-+]?\\s*raw\\s*(-%\\}\\s*|%\\})");
  private static final Pattern END_RAW =
      Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(\\+%\\}|-%\\}\\s*|%\\}\\n?)");
  private static final Pattern END_COMMENT = Pattern.compile("\\+#\\}|-#\\}\\s*|#\\}\\n?");
  private static final Pattern END_BLOCK = Pattern.compile("\\+%\\}|-%\\}\\s*|%\\}\\n?");
  private static final Pattern END_PRINT = Pattern.compile("-\\}\\}\\s*|\\}\\}");
  private static final Pattern SPACE = Pattern.compile("\\s+");
  private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}\\p{M}_]*");
  private static final Pattern FLOAT =
      Pattern.compile(
          "[0-9](?:_?[0-9])*(?:(?:\\.[0-9](?:_?[0-9])*)?[eE][+-]?[0-9]+|\\.[0-9](?:_?[0-9])*)");
  private static final Pattern INTEGER =
      Pattern.compile("0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9](?:_?[0-9])*");
  private static final Pattern OPERATOR =
      Pattern.compile("//|\\*\\*|==|!=|>=|<=|[-+/*%~\\[\\](){}><=.:|,;]");

  private final String name;
  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;
  private boolean lineStarts = true;

  private Lexer(String name, String source) {
    this.name = name;
    String text = source.replace("\r\n", "\n").replace('\r', '\n');
    this.source = text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
  }

  static List<Token> tokens(String name, String source) {
    return new Lexer(name, source).run();
  }

  private List<Token> run() {
    Matcher begin = BEGIN.matcher(source);
    while (begin.find(at)) {
      int start = begin.start();
      Matcher raw = at(RAW, start);
      data(start, sign(start + 2), source.charAt(start + 1) != '{');
      if (raw.lookingAt()) raw(raw);
      else if (source.charAt(start + 1) == '#') comment();
      else expression(source.charAt(start + 1) == '%');
    }
    data(source.length(), '+', false);
    add(Kind.END, "");
    return tokens;
  }

  private char sign(int place) {
    char c = place < source.length() ? source.charAt(place) : ' ';
    return c == '-' || c == '+' ? c : ' ';
  }

  private Matcher at(Pattern pattern, int place) {
    return pattern.matcher(source).region(place, source.length());
  }

  private void add(Kind kind, Object value) {
    tokens.add(new Token(kind, value, line));
  }

  private void advance(int to) {
    for (int i = at; i < to; i++) {
      if (source.charAt(i) == '\n') line++;
    }
    if (to > at) lineStarts = source.charAt(to - 1) == '\n';
    at = to;
  }

  /** Text up to {@code end}, where a tag with a sign after its brace begins. */
  private void data(int end, char sign, boolean block) {
    String text = source.substring(at, end);
    if (sign == '-') {
      text = Py.rstrip(text, null);
    } else if (sign != '+' && block) {
      int start = text.lastIndexOf('\n') + 1;
      if ((start > 0 || lineStarts) && Py.strip(text.substring(start), null).isEmpty()) {
        text = text.substring(0, start);
      }
    }
    if (!text.isEmpty()) add(Kind.DATA, text);
    advance(end);
  }

  private void raw(Matcher begin) {
    advance(begin.end());
    Matcher end = END_RAW.matcher(source);
    if (!end.find(at)) throw bad("raw block without endraw");
    String sign = end.group(1);
    data(end.start(), sign.isEmpty() ? ' ' : sign.charAt(0), true);
    advance(end.end());
  }

  private void comment() {
    Matcher end = END_COMMENT.matcher(source);
    if (!end.find(at + 2)) throw bad("comment without its end #}");
    advance(end.end());
  }

  private void expression(boolean block) {
    add(block ? Kind.BLOCK : Kind.PRINT, block ? "{%" : "{{");
    advance(at + 2);
    if (sign(at) != ' ') advance(at + 1);
    Pattern close = block ? END_BLOCK : END_PRINT;
    Deque<Character> open = new ArrayDeque<>();
    while (true) {
      if (at >= source.length()) throw bad("a tag without its end " + (block ? "%}" : "}}"));
      Matcher end = at(close, at);
      if (open.isEmpty() && end.lookingAt()) {
        add(block ? Kind.BLOCK_END : Kind.PRINT_END, "");
        advance(end.end());
        return;
      }
      piece(open);
    }
  }

  private void piece(Deque<Character> open) {
    Matcher m;
    if ((m = at(SPACE, at)).lookingAt()) {
      // nothing
    } else if ((m = at(FLOAT, at)).lookingAt() && (at == 0 || source.charAt(at - 1) != '.')) {
      add(Kind.FLOAT, Double.valueOf(m.group().replace("_", "")));
    } else if ((m = at(INTEGER, at)).lookingAt()) {
      add(Kind.INTEGER, integer(m.group().replace("_", "")));
    } else if ((m = at(NAME, at)).lookingAt()) {
      add(Kind.NAME, m.group());
    } else if (source.charAt(at) == '\'' || source.charAt(at) == '"') {
      string();
      return;
    } else if ((m = at(OPERATOR, at)).lookingAt()) {
      balance(m.group().charAt(0), open);
      add(Kind.OPERATOR, m.group());
    } else {
      throw bad(
          "unexpected character '" + source.substring(at, source.offsetByCodePoints(at, 1)) + "'");
    }
    advance(m.end());
  }

  private void string() {
    char quote = source.charAt(at);
    int end = at + 1;
    while (end < source.length() && source.charAt(end) != quote) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) throw bad("a string without its end " + quote);
    add(Kind.STRING, unescaped(source.substring(at + 1, end)));
    advance(end + 1);
  }

  private void balance(char c, Deque<Character> open) {
    switch (c) {
      case '{' -> open.push('}');
      case '(' -> open.push(')');
      case '[' -> open.push(']');
      case '}', ')', ']' -> {
        if (open.isEmpty() || open.pop() != c) throw bad("unexpected '" + c + "'");
      }
      default -> {}
    }
  }

  private Object integer(String text) {
    try {
      if (text.length() > 1 && text.charAt(0) == '0' && Character.isLetter(text.charAt(1))) {
        int radix =
            switch (text.charAt(1)) {
              case 'x', 'X' -> 16;
              case 'b', 'B' -> 2;
              default -> 8;
            };
        return Long.parseLong(text.substring(2), radix);
      }
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw bad("number " + text + " is beyond 64 bits");
    }
  }

  /** Escapes are Python's. */
  private String unescaped(String text) {
    if (text.indexOf('\\') < 0) return text;
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char e = text.charAt(++i);
      switch (e) {
        case '\n' -> {}
        case '\\', '\'', '"' -> out.append(e);
        case 'a' -> out.append('\u0007');
        case 'b' -> out.append('\b');
        case 'f' -> out.append('\f');
        case 'n' -> out.append('\n');
        case 'r' -> out.append('\r');
        case 't' -> out.append('\t');
        case 'v' -> out.append('\u000b');
        case 'x' -> i = hex(text, i, 2, out);
        case 'u' -> i = hex(text, i, 4, out);
        case 'U' -> i = hex(text, i, 8, out);
        case 'N' -> throw bad("a character by its name, \\N, is not supported in strings");
        case '0', '1', '2', '3', '4', '5', '6', '7' -> {
          int end = i + 1;
          while (end < text.length() && end < i + 3 && "01234567".indexOf(text.charAt(end)) >= 0) {
            end++;
          }
          out.appendCodePoint(Integer.parseInt(text.substring(i, end), 8));
          i = end - 1;
        }
        default -> out.append('\\').append(e);
      }
    }
    return out.toString();
  }

  private int hex(String text, int at, int digits, StringBuilder out) {
    try {
      String hex = text.substring(at + 1, at + 1 + digits);
      if (hex.charAt(0) == '+' || hex.charAt(0) == '-') throw new NumberFormatException();
      out.appendCodePoint(Integer.parseUnsignedInt(hex, 16));
      return at + digits;
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw bad("bad \\" + text.charAt(at) + " escape in a string");
    }
  }

  private ChatTemplateException bad(String why) {
    return new ChatTemplateException("%s: line %d: %s".formatted(name, line, why));
  }
}
