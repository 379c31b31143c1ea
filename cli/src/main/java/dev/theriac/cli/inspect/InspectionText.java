package dev.theriac.cli.inspect;

import dev.theriac.cli.inspect.Inspection.Mismatch;
import dev.theriac.cli.inspect.Inspection.Needed;
import dev.theriac.cli.inspect.Inspection.Stored;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** An {@link Inspection} as people read it. */
public final class InspectionText {
  /** Lines of a list; JSON and {@code --tensors} have all. */
  private static final int MOST = 12;

  private final PrintWriter out;
  private final Inspection found;
  private final boolean all;

  private InspectionText(PrintWriter out, Inspection found, boolean all) {
    this.out = out;
    this.found = found;
    this.all = all;
  }

  /**
   * Prints it.
   *
   * @param all every tensor on a line of its own, and lists in full
   */
  public static void print(PrintWriter out, Inspection found, boolean all) {
    new InspectionText(out, found, all).print();
  }

  private void print() {
    boolean file = found.supported() == null;
    if (!file) head();
    found.metadata().forEach((key, value) -> line("%s = %s".formatted(key, shortened(value))));
    if (found.files().size() > 1) {
      row("files", "%d: %s".formatted(found.files().size(), some(found.files())));
    } else if (!found.files().isEmpty()) {
      row("file", found.files().getFirst());
    }
    int tensors = found.dtypes().values().stream().mapToInt(Inspection.Type::tensors).sum();
    row("tensors", number(tensors));
    found
        .dtypes()
        .forEach((type, t) ->
            row(
                "  " + type,
                "%s with %s values, %s bytes"
                    .formatted(number(t.tensors()), number(t.values()), number(t.bytes()))));
    row(found.memory() == null ? "values" : "parameters", number(found.parameters()));
    if (found.activeParameters() != null) {
      row("active for a token", number(found.activeParameters()));
    }
    if (found.memory() != null) memory(found.memory());
    tensors(file);
    if (found.memory() != null) {
      list("missing", found.missing());
      list("unexpected", found.unexpected());
      mismatched();
      if (found.unused() > 0) row("left alone", number(found.unused()));
    }
    found.problems().forEach(p -> row("problem", p));
    if (!file) row("verdict", verdict());
  }

  private void head() {
    String family = found.family() == null || found.family().isEmpty() ? "unknown" : found.family();
    String names = found.architectures() == null ? "" : String.join(", ", found.architectures());
    String type = found.modelType() == null ? "" : "model_type " + found.modelType();
    String both = names.isEmpty() || type.isEmpty() ? names + type : type + ", " + names;
    row("family", both.isEmpty() ? family : "%s (%s)".formatted(family, both));
    found.facts().forEach(fact -> row("", fact));
  }

  private String verdict() {
    if (!found.supported()) {
      if (found.modelType() == null) return "not read: no configuration says what it is";
      return Families.types().contains(found.modelType())
          ? "not read: its configuration is at fault or asks for what is not supported"
          : "not read: Theriac reads " + String.join(", ", Families.types());
    }
    return found.whole() ? "whole; Theriac reads it" : "not whole: see above";
  }

  private void memory(Needed m) {
    boolean doubles = found.dtypes().containsKey("F64");
    String why = doubles ? "as F64 is rounded to F32" : "to stack experts";
    String copied =
        m.copied() == 0 ? "" : " (%s of them copied, %s)".formatted(size(m.copied()), why);
    row("weights", size(m.weights()) + " in memory, mapped as stored" + copied);
    if (m.cache() == 0) return;
    row(
        "keys and values",
        "%s for one text of %s positions, in F32"
            .formatted(size(m.cache()), number(m.positions())));
    row("together", size(m.weights() + m.cache()) + ", beside what a pass computes with");
  }

  private void tensors(boolean file) {
    if (all || file) {
      int width = found.tensors().stream().mapToInt(t -> t.key().length()).max().orElse(1);
      for (Stored t : found.tensors()) {
        line(("%-" + Math.max(1, width) + "s  %-4s %s").formatted(t.key(), t.dtype(), shape(t)));
      }
      return;
    }
    TensorGroups groups = new TensorGroups();
    for (Stored t : found.tensors()) groups.add(t.key(), "%-4s %s".formatted(t.dtype(), shape(t)));
    List<TensorGroups.Line> lines = groups.lines();
    int width = lines.stream().mapToInt(l -> l.keys().length()).max().orElse(1);
    for (TensorGroups.Line l : lines) {
      String count = l.count() == 1 ? "" : "  (%s)".formatted(number(l.count()));
      line(("%-" + Math.max(1, width) + "s  %s%s").formatted(l.keys(), l.what(), count));
    }
  }

  private static String shape(Stored t) {
    return Arrays.toString(t.shape()).replace(", ", " x ");
  }

  private void list(String what, List<String> keys) {
    TensorGroups groups = new TensorGroups();
    keys.forEach(key -> groups.add(key, ""));
    lines(what, keys.size(), groups);
  }

  private void mismatched() {
    TensorGroups groups = new TensorGroups();
    for (Mismatch m : found.mismatched()) {
      groups.add(m.key(), " is %s, should be %s (or BF16, F16)".formatted(m.found(), m.wanted()));
    }
    lines("mismatched", found.mismatched().size(), groups);
  }

  private void lines(String what, int count, TensorGroups groups) {
    row(what, count == 0 ? "none" : number(count));
    List<TensorGroups.Line> lines = groups.lines();
    int shown = all ? lines.size() : Math.min(MOST, lines.size());
    for (TensorGroups.Line l : lines.subList(0, shown)) {
      row("", l.keys() + l.what() + (l.count() == 1 ? "" : "  (%s)".formatted(number(l.count()))));
    }
    if (shown < lines.size()) row("", "and more, which --tensors lists");
  }

  private String some(List<String> names) {
    if (all || names.size() <= 3) return String.join(", ", names);
    return names.getFirst() + " to " + names.getLast();
  }

  private void row(String name, String value) {
    line("%-18s %s".formatted(name, value));
  }

  /** Names come from strangers: what would steer a terminal is not printed. */
  private void line(String text) {
    out.println(text.replaceAll("\\p{Cntrl}", "?"));
  }

  private static String number(long n) {
    return String.format(Locale.ROOT, "%,d", n);
  }

  private static String size(long bytes) {
    if (bytes < 1 << 20) return String.format(Locale.ROOT, "%.1f KiB", bytes / 1024.0);
    return bytes < 1 << 30
        ? String.format(Locale.ROOT, "%.1f MiB", bytes / 1048576.0)
        : String.format(Locale.ROOT, "%.2f GiB", bytes / 1073741824.0);
  }

  private static String shortened(String value) {
    return value.length() <= 200 ? value : value.substring(0, 200) + "...";
  }
}
