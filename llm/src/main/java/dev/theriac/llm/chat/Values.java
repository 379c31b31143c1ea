package dev.theriac.llm.chat;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The values that are not plain Java ones: text, Long, Double, Boolean, null, List and Map. */
final class Values {
  private Values() {}

  /** What a name without a value is; {@code what} names it in errors. */
  record Undefined(String what) {}

  /** Python's tuple. */
  static final class Tuple extends java.util.AbstractList<Object> {
    private final List<Object> items;

    Tuple(List<Object> items) {
      this.items = items;
    }

    static Tuple of(Object... items) {
      return new Tuple(java.util.Arrays.asList(items));
    }

    @Override
    public Object get(int index) {
      return items.get(index);
    }

    @Override
    public int size() {
      return items.size();
    }
  }

  /** What {@code namespace()} makes: attributes that loops can assign to. */
  static final class Namespace {
    final Map<String, Object> attributes = new LinkedHashMap<>();
  }

  /** Anything that can be called: a function, a method, a macro. */
  @FunctionalInterface
  interface Function {
    Object call(Args args);
  }

  /** Values of arguments; those that are asked for are checked off. */
  static final class Args {
    private final String name;
    private final List<Object> positional;
    private final Map<String, Object> named;

    Args(String name, List<Object> positional, Map<String, Object> named) {
      this.name = name;
      this.positional = positional;
      this.named = named;
    }

    String name() {
      return name;
    }

    List<Object> positional() {
      return positional;
    }

    Map<String, Object> named() {
      return named;
    }

    /** Fails where there are more, or others than {@code names}. */
    Args only(String... names) {
      if (positional.size() > names.length) {
        throw new TemplateError(
            "%s takes %d arguments, found %d".formatted(name, names.length, positional.size()));
      }
      for (String given : named.keySet()) {
        if (!List.of(names).contains(given)) {
          throw new TemplateError("%s has no argument '%s'".formatted(name, given));
        }
      }
      return this;
    }

    boolean has(int index, String key) {
      return index < positional.size() || named.containsKey(key);
    }

    Object get(int index, String key, Object other) {
      if (index < positional.size()) return positional.get(index);
      return named.containsKey(key) ? named.get(key) : other;
    }

    Object get(int index, String key) {
      if (!has(index, key)) throw new TemplateError(name + " needs the argument '" + key + "'");
      return get(index, key, null);
    }

    /** A text, or {@code other} where there is none or None. */
    String text(int index, String key, String other) {
      Object value = get(index, key, null);
      if (value == null) return other;
      if (value instanceof String text) return text;
      throw new TemplateError(name + ": '" + key + "' is " + Py.type(value) + ", must be a text");
    }

    String text(int index, String key) {
      get(index, key);
      String text = text(index, key, null);
      if (text != null) return text;
      throw new TemplateError(name + ": '" + key + "' is None, must be a text");
    }

    int integer(int index, String key, int other) {
      if (!has(index, key)) return other;
      Object value = get(index, key);
      if (value instanceof Boolean b) return b ? 1 : 0;
      if (value instanceof Long n && n == n.intValue()) return n.intValue();
      throw new TemplateError(
          name + ": '" + key + "' is " + Py.type(value) + ", must be a whole number");
    }

    boolean flag(int index, String key, boolean other) {
      return has(index, key) ? Py.truth(get(index, key)) : other;
    }
  }
}
