package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Args;
import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Namespace;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Runs the statements of a template once. */
final class Renderer {
  private enum Flow {
    ON,
    BREAK,
    CONTINUE
  }

  private final String name;
  private final Budget budget = new Budget();
  private final Evaluator evaluator;
  private StringBuilder out = new StringBuilder();

  private Renderer(String name) {
    this.name = name;
    this.evaluator = new Evaluator(name, budget);
  }

  static String render(String name, List<Node> nodes, Map<String, ?> variables) {
    Renderer renderer = new Renderer(name);
    Scope globals = new Scope(null);
    Functions.define(globals, renderer.budget);
    Scope scope = new Scope(globals);
    variables.forEach(scope::set);
    try {
      renderer.run(nodes, scope);
    } catch (TemplateError e) {
      throw new ChatTemplateException(name + ": " + e.getMessage());
    } catch (StackOverflowError e) {
      // Macros that call each other from deep within blocks; nothing of the renderer is used again.
      throw new ChatTemplateException(name + ": line 1: it nests too deep for the thread's stack");
    }
    return renderer.out.toString();
  }

  private Flow run(List<Node> nodes, Scope scope) {
    for (Node node : nodes) {
      budget.spend(1);
      Flow flow = run(node, scope);
      if (flow != Flow.ON) return flow;
    }
    return Flow.ON;
  }

  private Flow run(Node node, Scope scope) {
    switch (node) {
      case Node.Text text -> append(text.text());
      case Node.Print print ->
          evaluator.located(
              print.line(),
              () -> {
                append(PyText.str(evaluator.value(print.value(), scope), budget));
                return null;
              });
      case Node.If branch -> {
        for (int i = 0; i < branch.tests().size(); i++) {
          if (Py.truth(evaluator.value(branch.tests().get(i), scope))) {
            return run(branch.bodies().get(i), scope);
          }
        }
        return run(branch.other(), scope);
      }
      case Node.For loop -> {
        Object values =
            evaluator.located(
                loop.line(), () -> Py.elements(evaluator.value(loop.values(), scope), budget));
        evaluator.located(
            loop.line(),
            () -> {
              loop(loop, (List<?>) values, scope, 0);
              return null;
            });
      }
      case Node.Set set ->
          evaluator.located(
              set.line(),
              () -> {
                assign(set.target(), evaluator.value(set.value(), scope), scope);
                return null;
              });
      case Node.SetBlock set -> {
        String text = captured(set.body(), new Scope(scope));
        Object value = evaluator.chain(set.filter(), text, scope);
        evaluator.located(
            set.line(),
            () -> {
              assign(set.target(), value, scope);
              return null;
            });
      }
      case Node.Macro macro ->
          scope.set(macro.name(), (Function) args -> macro(macro, args, scope));
      case Node.With with -> {
        Scope inner = new Scope(scope);
        for (int i = 0; i < with.targets().size(); i++) {
          assign(with.targets().get(i), evaluator.value(with.values().get(i), scope), inner);
        }
        return run(with.body(), inner);
      }
      case Node.FilterBlock block -> {
        String text = captured(block.body(), new Scope(scope));
        append(PyText.str(evaluator.chain(block.filter(), text, scope), budget));
      }
      case Node.Generation generation -> run(generation.body(), new Scope(scope));
      case Node.Break _ -> {
        return Flow.BREAK;
      }
      case Node.Continue _ -> {
        return Flow.CONTINUE;
      }
    }
    return Flow.ON;
  }

  private void append(String text) {
    budget.length((long) out.length() + text.length());
    out.append(text);
  }

  private String captured(List<Node> body, Scope scope) {
    StringBuilder outside = out;
    out = new StringBuilder();
    run(body, scope);
    String text = out.toString();
    out = outside;
    return text;
  }

  private void assign(Expr target, Object value, Scope scope) {
    switch (target) {
      case Expr.Name to -> scope.set(to.name(), value);
      case Expr.Slot slot -> {
        if (!(scope.get(slot.name()) instanceof Namespace space)) {
          throw new TemplateError(
              "cannot assign to %s.%s: %s is not a namespace"
                  .formatted(slot.name(), slot.attribute(), slot.name()));
        }
        space.attributes.put(slot.attribute(), value);
      }
      case Expr.Items items -> {
        List<Object> values = Py.elements(value, budget);
        if (values.size() != items.items().size()) {
          throw new TemplateError(
              "%d values for %d names".formatted(values.size(), items.items().size()));
        }
        for (int i = 0; i < values.size(); i++) assign(items.items().get(i), values.get(i), scope);
      }
      default -> throw new TemplateError("cannot assign to this");
    }
  }

  private void loop(Node.For loop, List<?> values, Scope outer, int depth) {
    List<Object> chosen = new ArrayList<>();
    for (Object value : values) {
      if (loop.filter() != null) {
        Scope inner = new Scope(outer);
        assign(loop.target(), value, inner);
        if (!Py.truth(evaluator.value(loop.filter(), inner))) continue;
      }
      chosen.add(value);
    }
    if (chosen.isEmpty()) {
      run(loop.other(), new Scope(outer));
      return;
    }
    Loop state = new Loop(chosen, depth, budget);
    if (loop.recursive()) {
      state.recursion =
          args -> {
            List<Object> inner = Py.elements(args.only("iterable").get(0, "iterable"), budget);
            StringBuilder outside = out;
            out = new StringBuilder();
            loop(loop, inner, outer, depth + 1);
            String text = out.toString();
            out = outside;
            return text;
          };
    }
    for (int i = 0; i < chosen.size(); i++) {
      budget.spend(1);
      state.index = i;
      Scope round = new Scope(outer);
      round.set("loop", state);
      Object value = chosen.get(i);
      evaluator.located(
          loop.line(),
          () -> {
            assign(loop.target(), value, round);
            return null;
          });
      if (run(loop.body(), round) == Flow.BREAK) break;
    }
  }

  private Object macro(Node.Macro macro, Args args, Scope definedIn) {
    args.only(macro.parameters().toArray(String[]::new));
    Scope scope = new Scope(definedIn);
    int required = macro.parameters().size() - macro.defaults().size();
    for (int i = 0; i < macro.parameters().size(); i++) {
      String parameter = macro.parameters().get(i);
      Object value;
      if (args.has(i, parameter)) {
        value = args.get(i, parameter);
      } else if (i >= required) {
        value = evaluator.value(macro.defaults().get(i - required), scope);
      } else {
        value = new Values.Undefined("parameter '" + parameter + "' was not provided");
      }
      scope.set(parameter, value);
    }
    return captured(macro.body(), scope);
  }
}
