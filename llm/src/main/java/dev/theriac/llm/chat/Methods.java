package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Args;
import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Tuple;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Methods of Python's texts, lists and dicts, those that change nothing. */
final class Methods {
  private static final List<String> CHANGING =
      List.of(
          "append",
          "extend",
          "insert",
          "remove",
          "pop",
          "clear",
          "sort",
          "reverse",
          "update",
          "setdefault",
          "popitem");

  private final Budget budget;

  private Methods(Budget budget) {
    this.budget = budget;
  }

  /** The method, or null if there is none of that name. */
  static Function of(Object value, String name, Budget budget) {
    Methods methods = new Methods(budget);
    return switch (value) {
      case String text -> methods.text(text, name);
      case List<?> list -> methods.list(list, name);
      case Map<?, ?> map -> methods.dict(map, name);
      case null, default -> null;
    };
  }

  private static Function refused(Object value, String name) {
    if (!CHANGING.contains(name)) return null;
    return _ -> {
      throw new TemplateError(
          "%s.%s changes its object, which templates may not".formatted(Py.type(value), name));
    };
  }

  private Function dict(Map<?, ?> map, String name) {
    return switch (name) {
      case "get" ->
          args -> {
            Object key = Py.key(args.only("key", "default").get(0, "key"));
            return map.containsKey(key) ? map.get(key) : args.get(1, "default", null);
          };
      case "items" -> args -> items(map, args.only());
      case "keys" -> args -> new ArrayList<Object>(map(args.only(), map).keySet());
      case "values" -> args -> new ArrayList<Object>(map(args.only(), map).values());
      case "copy" -> args -> new LinkedHashMap<Object, Object>(map(args.only(), map));
      default -> refused(map, name);
    };
  }

  private Map<?, ?> map(Args args, Map<?, ?> map) {
    budget.spend(map.size());
    return map;
  }

  private List<Object> items(Map<?, ?> map, Args args) {
    List<Object> out = new ArrayList<>();
    map(args, map).forEach((key, value) -> out.add(Tuple.of(key, value)));
    return out;
  }

  private Function list(List<?> list, String name) {
    return switch (name) {
      case "index" ->
          args -> {
            Object wanted = args.only("value").get(0, "value");
            for (int i = 0; i < list.size(); i++) {
              if (Py.same(list.get(i), wanted, budget)) return (long) i;
            }
            throw new TemplateError("list.index: the value is not in the list");
          };
      case "count" ->
          args -> {
            Object wanted = args.only("value").get(0, "value");
            return list.stream().filter(element -> Py.same(element, wanted, budget)).count();
          };
      case "copy" -> args -> Py.elements(list, args.only() == null ? null : budget);
      default -> refused(list, name);
    };
  }

  private Function text(String s, String name) {
    return switch (name) {
      case "strip" -> args -> Py.strip(s, args.only("chars").text(0, "chars", null));
      case "lstrip" -> args -> Py.lstrip(s, args.only("chars").text(0, "chars", null));
      case "rstrip" -> args -> Py.rstrip(s, args.only("chars").text(0, "chars", null));
      case "split" -> args -> split(s, args.only("sep", "maxsplit"), false);
      case "rsplit" -> args -> split(s, args.only("sep", "maxsplit"), true);
      case "splitlines" -> args -> lines(s, args.only("keepends").flag(0, "keepends", false));
      case "startswith" -> args -> edge(args.only("prefix").get(0, "prefix"), s::startsWith);
      case "endswith" -> args -> edge(args.only("suffix").get(0, "suffix"), s::endsWith);
      case "upper" -> args -> plain(args, s.toUpperCase(Locale.ROOT));
      case "lower", "casefold" -> args -> plain(args, s.toLowerCase(Locale.ROOT));
      case "capitalize" -> args -> plain(args, capitalized(s));
      case "title" -> args -> plain(args, titled(s));
      case "replace" ->
          args -> {
            args.only("old", "new", "count");
            return replace(
                s, args.text(0, "old"), args.text(1, "new"), args.integer(2, "count", -1), budget);
          };
      case "removeprefix" ->
          args -> {
            String prefix = args.only("prefix").text(0, "prefix");
            return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
          };
      case "removesuffix" ->
          args -> {
            String suffix = args.only("suffix").text(0, "suffix");
            return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
          };
      case "find" -> args -> place(s, s.indexOf(args.only("sub").text(0, "sub")));
      case "rfind" -> args -> place(s, s.lastIndexOf(args.only("sub").text(0, "sub")));
      case "index" ->
          args -> {
            long at = place(s, s.indexOf(args.only("sub").text(0, "sub")));
            if (at < 0) throw new TemplateError("str.index: not in the text");
            return at;
          };
      case "count" -> args -> count(s, args.only("sub").text(0, "sub"));
      case "join" -> args -> join(s, Py.elements(args.only("list").get(0, "list"), budget));
      case "partition" ->
          args -> {
            String by = args.only("sep").text(0, "sep");
            int at = s.indexOf(by);
            return at < 0
                ? Tuple.of(s, "", "")
                : Tuple.of(s.substring(0, at), by, s.substring(at + by.length()));
          };
      case "rpartition" ->
          args -> {
            String by = args.only("sep").text(0, "sep");
            int at = s.lastIndexOf(by);
            return at < 0
                ? Tuple.of("", "", s)
                : Tuple.of(s.substring(0, at), by, s.substring(at + by.length()));
          };
      case "isdigit", "isnumeric", "isdecimal" -> args -> all(args, s, Character::isDigit);
      case "isalpha" -> args -> all(args, s, Character::isLetter);
      case "isalnum" -> args -> all(args, s, Character::isLetterOrDigit);
      case "isspace" -> args -> all(args, s, Py::isSpace);
      case "isupper" ->
          args -> plain(args, "") == null || cased(s) && s.equals(s.toUpperCase(Locale.ROOT));
      case "islower" ->
          args -> plain(args, "") == null || cased(s) && s.equals(s.toLowerCase(Locale.ROOT));
      default -> null;
    };
  }

  private static String plain(Args args, String value) {
    args.only();
    return value;
  }

  private static boolean cased(String s) {
    return s.codePoints().anyMatch(c -> Character.isUpperCase(c) || Character.isLowerCase(c));
  }

  private static boolean all(Args args, String s, java.util.function.IntPredicate test) {
    args.only();
    return !s.isEmpty() && s.codePoints().allMatch(test);
  }

  /** A place as Python counts it, in characters and not in halves of pairs. */
  private static long place(String s, int index) {
    return index < 0 ? -1 : s.codePointCount(0, index);
  }

  private static boolean edge(Object wanted, java.util.function.Predicate<String> test) {
    List<?> choices = wanted instanceof Tuple tuple ? tuple : List.of(wanted == null ? 0L : wanted);
    for (Object choice : choices) {
      if (!(choice instanceof String text)) {
        throw new TemplateError("startswith and endswith need a text, found " + Py.type(wanted));
      }
      if (test.test(text)) return true;
    }
    return false;
  }

  private static long count(String s, String part) {
    if (part.isEmpty()) return Py.length(s) + 1;
    long count = 0;
    for (int at = s.indexOf(part); at >= 0; at = s.indexOf(part, at + part.length())) count++;
    return count;
  }

  static String capitalized(String s) {
    if (s.isEmpty()) return s;
    int first = s.offsetByCodePoints(0, 1);
    return Character.toString(Character.toTitleCase(s.codePointAt(0)))
        + s.substring(first).toLowerCase(Locale.ROOT);
  }

  /** A capital after everything that is no letter. */
  static String titled(String s) {
    StringBuilder out = new StringBuilder();
    boolean inWord = false;
    for (int c : s.codePoints().toArray()) {
      out.appendCodePoint(inWord ? Character.toLowerCase(c) : Character.toTitleCase(c));
      inWord = Character.isLetter(c);
    }
    return out.toString();
  }

  static String replace(String s, String old, String with, int count, Budget budget) {
    if (count < 0) count = Integer.MAX_VALUE;
    long found = Math.min(count, count(s, old));
    budget.length(s.length() + found * with.length());
    StringBuilder out = new StringBuilder();
    int from = 0;
    for (long i = 0; i < found; i++) {
      int at = s.indexOf(old, from);
      out.append(s, from, at).append(with);
      from = at + old.length();
      if (old.isEmpty() && from < s.length()) {
        int next = s.offsetByCodePoints(from, 1);
        out.append(s, from, next);
        from = next;
      }
    }
    return out.append(s, from, s.length()).toString();
  }

  private String join(String between, List<Object> parts) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < parts.size(); i++) {
      if (!(parts.get(i) instanceof String part)) {
        throw new TemplateError("str.join needs texts, found " + Py.type(parts.get(i)));
      }
      if (i > 0) out.append(between);
      budget.length((long) out.length() + part.length() + between.length());
      out.append(part);
    }
    return out.toString();
  }

  /** Lines without their ends, or with them. */
  static List<Object> lines(String s, boolean keep) {
    List<Object> out = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      boolean end =
          c >= '\n' && c <= '\r'
              || c >= 0x1c && c <= 0x1e
              || c == 0x85
              || c == 0x2028
              || c == 0x2029;
      if (!end) continue;
      int after = c == '\r' && i + 1 < s.length() && s.charAt(i + 1) == '\n' ? i + 2 : i + 1;
      out.add(s.substring(from, keep ? after : i));
      from = after;
      i = after - 1;
    }
    if (from < s.length()) out.add(s.substring(from));
    return out;
  }

  private List<Object> split(String s, Args args, boolean fromRight) {
    String by = args.text(0, "sep", null);
    int most = args.integer(1, "maxsplit", -1);
    if (most < 0) most = Integer.MAX_VALUE;
    budget.spend(s.length());
    if (by != null && by.isEmpty()) throw new TemplateError("split by an empty text");
    List<Object> out = new ArrayList<>();
    if (by == null) {
      words(s, most, fromRight, out);
    } else if (fromRight) {
      int end = s.length();
      for (int at; most-- > 0 && (at = s.lastIndexOf(by, end - by.length())) >= 0; end = at) {
        if (end - by.length() < 0) break;
        out.add(s.substring(at + by.length(), end));
      }
      out.add(s.substring(0, end));
    } else {
      int from = 0;
      for (int at; most-- > 0 && (at = s.indexOf(by, from)) >= 0; from = at + by.length()) {
        out.add(s.substring(from, at));
      }
      out.add(s.substring(from));
    }
    if (fromRight) Collections.reverse(out);
    return out;
  }

  private static void words(String s, int most, boolean fromRight, List<Object> out) {
    String text = Py.strip(s, null);
    int from = 0;
    int to = text.length();
    while (from < to) {
      if (most-- <= 0) {
        out.add(text.substring(from, to));
        return;
      }
      if (fromRight) {
        int at = to;
        while (at > from && !Py.isSpace(text.charAt(at - 1))) at--;
        out.add(text.substring(at, to));
        for (to = at; to > from && Py.isSpace(text.charAt(to - 1)); to--) {}
      } else {
        int at = from;
        while (at < to && !Py.isSpace(text.charAt(at))) at++;
        out.add(text.substring(from, at));
        for (from = at; from < to && Py.isSpace(text.charAt(from)); from++) {}
      }
    }
  }
}
