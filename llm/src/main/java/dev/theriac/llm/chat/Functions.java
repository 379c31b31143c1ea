package dev.theriac.llm.chat;

import dev.theriac.llm.chat.Values.Args;
import dev.theriac.llm.chat.Values.Function;
import dev.theriac.llm.chat.Values.Namespace;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The functions that transformers gives to chat templates. */
final class Functions {
  private static final int LONGEST_RANGE = 100_000;

  private Functions() {}

  static void define(Scope scope, Budget budget) {
    scope.set("range", (Function) args -> range(args, budget));
    scope.set("dict", (Function) args -> new LinkedHashMap<Object, Object>(merged(args)));
    scope.set(
        "namespace",
        (Function)
            args -> {
              Namespace space = new Namespace();
              merged(args).forEach((key, value) -> space.attributes.put(key.toString(), value));
              return space;
            });
    scope.set(
        "raise_exception",
        (Function)
            args -> {
              throw new TemplateError(
                  "the template refuses: "
                      + PyText.str(args.only("message").get(0, "message"), budget));
            });
    scope.set("strftime_now", (Function) args -> now(args.only("format").text(0, "format")));
  }

  private static Map<Object, Object> merged(Args args) {
    Map<Object, Object> out = new LinkedHashMap<>();
    for (Object value : args.positional()) {
      if (!(value instanceof Map<?, ?> map)) {
        throw new TemplateError(args.name() + " of " + Py.type(value) + ", must be a dict");
      }
      out.putAll(map);
    }
    out.putAll(args.named());
    return out;
  }

  private static List<Object> range(Args args, Budget budget) {
    int count = args.positional().size();
    args.only("start", "stop", "step");
    long start = count > 1 ? args.integer(0, "start", 0) : 0;
    long stop = args.integer(count > 1 ? 1 : 0, "stop", 0);
    long step = args.integer(2, "step", 1);
    if (count == 0) throw new TemplateError("range needs an argument");
    if (step == 0) throw new TemplateError("range with step 0");
    long size = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
    if (size > LONGEST_RANGE) {
      throw new TemplateError("range of %d numbers; at most %d".formatted(size, LONGEST_RANGE));
    }
    budget.spend(Math.max(0, size));
    List<Object> out = new ArrayList<>();
    for (long i = start; step > 0 ? i < stop : i > stop; i += step) out.add(i);
    return out;
  }

  private static String now(String format) {
    ZonedDateTime now = ZonedDateTime.now();
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      c = format.charAt(++i);
      String pattern =
          switch (c) {
            case 'Y' -> "uuuu";
            case 'y' -> "uu";
            case 'm' -> "MM";
            case 'B' -> "MMMM";
            case 'b' -> "MMM";
            case 'd' -> "dd";
            case 'j' -> "DDD";
            case 'A' -> "EEEE";
            case 'a' -> "EEE";
            case 'H' -> "HH";
            case 'I' -> "hh";
            case 'M' -> "mm";
            case 'S' -> "ss";
            case 'p' -> "a";
            case 'F' -> "uuuu-MM-dd";
            case 'T' -> "HH:mm:ss";
            case '%' -> "'%'";
            default -> throw new TemplateError("strftime_now: %" + c + " is not supported");
          };
      out.append(now.format(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH)));
    }
    return out.toString();
  }
}
