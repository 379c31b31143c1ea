package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Expr.Arguments;
import dev.theriac.llm.chat.Values.Args;
import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Namespace;
import dev.theriac.llm.chat.Values.Tuple;
import dev.theriac.llm.chat.Values.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Values of expressions. */
final class Evaluator {
  private final String name;
  private final Budget budget;
  private final Filters filters;
  private final Tests tests;

  Evaluator(String name, Budget budget) {
    this.name = name;
    this.budget = budget;
    this.filters = new Filters(budget);
    this.tests = new Tests(budget);
  }

  Object value(Expr expr, Scope scope) {
    budget.spend(1);
    return switch (expr) {
      case Expr.Const c -> c.value();
      case Expr.Name n -> scope.get(n.name());
      case Expr.Slot s -> attribute(scope.get(s.name()), s.attribute());
      case Expr.Items items -> {
        List<Object> list = new ArrayList<>();
        for (Expr item : items.items()) list.add(value(item, scope));
        yield items.tuple() ? new Tuple(list) : list;
      }
      case Expr.Dict dict -> {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < dict.keys().size(); i++) {
          Object key = Py.key(value(dict.keys().get(i), scope));
          map.put(key, value(dict.values().get(i), scope));
        }
        yield map;
      }
      case Expr.Attribute a -> attribute(value(a.of(), scope), a.name());
      case Expr.Item item when item.key() instanceof Expr.Slice slice ->
          Operators.slice(
              value(item.of(), scope),
              optional(slice.from(), scope),
              optional(slice.to(), scope),
              optional(slice.step(), scope),
              budget);
      case Expr.Item item -> {
        Object of = value(item.of(), scope);
        Object key = value(item.key(), scope);
        yield (of instanceof Namespace || of instanceof Loop) && key instanceof String name
            ? attribute(of, name)
            : Operators.item(of, key, budget);
      }
      case Expr.Slice _ -> throw new TemplateError("a slice outside of brackets");
      case Expr.Call call -> located(call.line(), () -> call(call, scope));
      case Expr.Filter filter ->
          located(filter.line(), () -> filter(filter, value(filter.of(), scope), scope));
      case Expr.Test test ->
          located(
              test.line(),
              () -> {
                Args args = args("test " + test.name(), test.arguments(), scope);
                return tests.test(test.name(), value(test.of(), scope), args) != test.negated();
              });
      case Expr.Unary unary when unary.operator().equals("not") ->
          !Py.truth(value(unary.of(), scope));
      case Expr.Unary unary ->
          located(unary.line(), () -> Operators.unary(unary.operator(), value(unary.of(), scope)));
      case Expr.Binary binary -> located(binary.line(), () -> binary(binary, scope));
      case Expr.Compare compare -> located(compare.line(), () -> compare(compare, scope));
      case Expr.Concat concat -> {
        StringBuilder out = new StringBuilder();
        for (Expr part : concat.parts()) {
          String text = PyText.str(value(part, scope), budget);
          budget.length((long) out.length() + text.length());
          out.append(text);
        }
        yield out.toString();
      }
      case Expr.Choice choice -> {
        if (Py.truth(value(choice.test(), scope))) yield value(choice.then(), scope);
        yield choice.other() == null
            ? new Undefined("the inline if-expression is false and has no else")
            : value(choice.other(), scope);
      }
    };
  }

  private Object optional(Expr expr, Scope scope) {
    return expr == null ? null : value(expr, scope);
  }

  /**
   * What {@code supplier} gives; an error in it names this line, unless it names one further in.
   */
  <T> T located(int line, java.util.function.Supplier<T> supplier) {
    try {
      return supplier.get();
    } catch (TemplateError e) {
      throw new ChatTemplateException("%s: line %d: %s".formatted(name, line, e.getMessage()));
    }
  }

  private Object binary(Expr.Binary binary, Scope scope) {
    Object left = value(binary.left(), scope);
    return switch (binary.operator()) {
      case "and" -> Py.truth(left) ? value(binary.right(), scope) : left;
      case "or" -> Py.truth(left) ? left : value(binary.right(), scope);
      default -> Operators.binary(binary.operator(), left, value(binary.right(), scope), budget);
    };
  }

  private boolean compare(Expr.Compare compare, Scope scope) {
    Object left = value(compare.first(), scope);
    for (int i = 0; i < compare.operators().size(); i++) {
      Object right = value(compare.values().get(i), scope);
      if (!Operators.compare(compare.operators().get(i), left, right, budget)) return false;
      left = right;
    }
    return true;
  }

  /** {@code value.name}: a method before an element of a dict. */
  private Object attribute(Object value, String name) {
    Operators.refuseUndefined(value);
    if (value instanceof Namespace space) {
      Object found = space.attributes.get(name);
      if (found != null || space.attributes.containsKey(name)) return found;
      return new Undefined("the namespace has no attribute '" + name + "'");
    }
    if (value instanceof Loop loop) return loop.attribute(name);
    Object method = Methods.of(value, name, budget);
    if (method != null) return method;
    if (value instanceof Map<?, ?> map && map.containsKey(name)) return map.get(name);
    return new Undefined("%s has no attribute '%s'".formatted(Py.type(value), name));
  }

  private Object call(Expr.Call call, Scope scope) {
    Object of = value(call.of(), scope);
    Operators.refuseUndefined(of);
    Function function =
        switch (of) {
          case Function f -> f;
          case Loop loop -> loop.recursion;
          case null, default -> null;
        };
    if (function == null) {
      throw new TemplateError(Py.type(of) + " cannot be called");
    }
    String called =
        switch (call.of()) {
          case Expr.Name n -> n.name();
          case Expr.Attribute a -> a.name();
          default -> "the function";
        };
    budget.deeper();
    Object result = function.call(args(called, call.arguments(), scope));
    budget.shallower();
    return result;
  }

  private Args args(String name, Arguments arguments, Scope scope) {
    List<Object> positional = new ArrayList<>();
    for (Expr argument : arguments.positional()) positional.add(value(argument, scope));
    Map<String, Object> named = new LinkedHashMap<>();
    arguments.named().forEach((key, argument) -> named.put(key, value(argument, scope)));
    return new Args(name, positional, named);
  }

  /** The chain of filters of a block, on its text. */
  Object chain(Expr filter, String text, Scope scope) {
    if (filter == null) return text;
    Expr.Filter last = (Expr.Filter) filter;
    Object before = chain(last.of(), text, scope);
    return located(last.line(), () -> filter(last, before, scope));
  }

  private Object filter(Expr.Filter filter, Object value, Scope scope) {
    Args args = args("filter " + filter.name(), filter.arguments(), scope);
    return switch (filter.name()) {
      case "map" -> map(value, args);
      case "select" -> select(value, args, false, true);
      case "reject" -> select(value, args, false, false);
      case "selectattr" -> select(value, args, true, true);
      case "rejectattr" -> select(value, args, true, false);
      default -> filters.apply(filter.name(), value, args);
    };
  }

  private List<Object> map(Object value, Args args) {
    List<Object> out = new ArrayList<>();
    boolean attribute = args.positional().isEmpty() && args.named().containsKey("attribute");
    if (attribute) new Args(args.name(), List.of(), args.named()).only("attribute", "default");
    String filter = attribute ? null : args.text(0, "name");
    for (Object element : Py.elements(value, budget)) {
      if (attribute) {
        Object found = filters.path(element, args.named().get("attribute"));
        boolean missing = found instanceof Undefined && args.named().containsKey("default");
        out.add(missing ? args.named().get("default") : found);
      } else {
        List<Object> rest = args.positional().subList(1, args.positional().size());
        out.add(filters.apply(filter, element, new Args("filter " + filter, rest, args.named())));
      }
    }
    return out;
  }

  private List<Object> select(Object value, Args args, boolean byAttribute, boolean wanted) {
    int first = byAttribute ? 1 : 0;
    Object attribute = byAttribute ? args.get(0, "attribute") : null;
    List<Object> given = args.positional();
    String test = given.size() > first ? args.text(first, "test") : null;
    List<Object> rest = test == null ? List.of() : given.subList(first + 1, given.size());
    List<Object> out = new ArrayList<>();
    for (Object element : Py.elements(value, budget)) {
      Object tested = byAttribute ? filters.path(element, attribute) : element;
      boolean passes =
          test == null
              ? Py.truth(tested)
              : tests.test(test, tested, new Args("test " + test, rest, args.named()));
      if (passes == wanted) out.add(element);
    }
    return out;
  }
}
