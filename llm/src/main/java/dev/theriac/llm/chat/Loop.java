package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Undefined;
import java.util.List;

/** What {@code loop} is within a loop. */
final class Loop {
  private final List<Object> values;
  private final int depth;
  private final Budget budget;
  private List<Object> lastChanged;

  /** Where the loop stands, from 0. */
  int index;

  /** What calling {@code loop} does in a recursive loop, else null. */
  Function recursion;

  Loop(List<Object> values, int depth, Budget budget) {
    this.values = values;
    this.depth = depth;
    this.budget = budget;
  }

  Object attribute(String name) {
    int size = values.size();
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) (size - index);
      case "revindex0" -> size - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == size - 1;
      case "length" -> (long) size;
      case "depth" -> depth + 1L;
      case "depth0" -> (long) depth;
      case "previtem" ->
          index > 0 ? values.get(index - 1) : new Undefined("there is no previous item");
      case "nextitem" ->
          index < size - 1 ? values.get(index + 1) : new Undefined("there is no next item");
      case "cycle" ->
          (Function)
              args -> {
                if (args.positional().isEmpty()) throw new TemplateError("loop.cycle of nothing");
                return args.positional().get(index % args.positional().size());
              };
      case "changed" ->
          (Function)
              args -> {
                boolean same = Py.same(args.positional(), lastChanged, budget);
                lastChanged = args.positional();
                return !same;
              };
      default -> new Undefined("loop has no attribute '" + name + "'");
    };
  }
}
