package dev.theriac.cli;

import dev.theriac.moe.audit.ExpertUsage;
import dev.theriac.moe.audit.RouteRecord;
import dev.theriac.moe.audit.TrailHeader;
import dev.theriac.moe.audit.TrailHeader.Layer;
import dev.theriac.moe.medmoe.RoutedAnswer;
import dev.theriac.moe.medmoe.RoutedAnswer.Part;
import dev.theriac.moe.medmoe.RoutedAnswer.Position;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Prints the routing of an answer. */
final class RouteTable {
  private static final int NAME = 10;

  private RouteTable() {}

  static void print(PrintWriter out, RoutedAnswer answer, boolean tokens) {
    TrailHeader header = answer.trail().header();
    ExpertUsage usage = new ExpertUsage(header);
    answer.trail().records().forEach(usage.by(RouteRecord::part)::add);
    for (Layer layer : header.layers()) {
      out.printf(Locale.ROOT, "%-10s %7s", "layer " + layer.layer(), "tokens");
      for (String name : names(header, layer)) out.printf(" %" + NAME + "s", cut(name));
      out.printf(" %9s %9s%n", "margin", "entropy");
      for (Part part : RoutedAnswer.SHOWN) {
        ExpertUsage.Row row = usage.row(part.word(), layer.layer());
        if (row == null) continue;
        out.printf(Locale.ROOT, "  %-8s %7d", part.word(), row.tokens());
        for (double share : row.shares()) {
          out.printf(Locale.ROOT, " %" + (NAME - 2) + ".1f %%", share * 100);
        }
        out.printf(Locale.ROOT, " %9s %9.3f%n", margin(row.meanMargin(), 3), row.meanEntropy());
      }
      out.println();
    }
    String unusable = unusable(answer.trail().records());
    if (unusable != null) out.printf("%s%n%n", unusable);
    if (tokens) printTokens(out, answer);
  }

  /** What is to be said of decisions that mean nothing, or null when there are none. */
  static String unusable(List<RouteRecord> records) {
    List<RouteRecord> found = records.stream().filter(RouteRecord::unusable).toList();
    if (found.isEmpty()) return null;
    RouteRecord first = found.getFirst();
    return "unusable  %d of %d decisions mean nothing (NaN, or no finite highest logit), the first"
            .formatted(found.size(), records.size())
        + " at layer %d, position %d: look for a damaged checkpoint or an overflow"
            .formatted(first.layer(), first.position());
  }

  private static void printTokens(PrintWriter out, RoutedAnswer answer) {
    TrailHeader header = answer.trail().header();
    out.printf(
        "%8s %-8s %-14s %5s  %-30s %9s %9s%n",
        "position", "part", "token", "layer", "experts (weights)", "margin", "entropy");
    for (int p = 0; p < answer.positions().size(); p++) {
      Position at = answer.positions().get(p);
      for (Layer layer : header.layers()) {
        RouteRecord r = answer.trail().find(0, p, layer.layer());
        boolean first = layer == header.layers().getFirst();
        out.printf(
            Locale.ROOT,
            "%8s %-8s %-14s %5d  %-30s %9s %9.4f%n",
            first ? p : "",
            first ? at.part().word() : "",
            first ? shown(at) : "",
            layer.layer(),
            experts(header, r),
            margin(r.margin(), 4),
            r.entropy());
      }
    }
    out.println();
  }

  private static String experts(TrailHeader header, RouteRecord r) {
    List<String> each =
        IntStream.range(0, r.experts().length)
            .mapToObj(j ->
                String.format(
                    Locale.ROOT, "%s (%.4f)", header.expertName(r.experts()[j]), r.weights()[j]))
            .toList();
    return String.join(", ", each);
  }

  private static String shown(Position at) {
    if (at.part() == Part.IMAGE) return "";
    String text = at.text().replace("\n", "\\n");
    return "'" + (text.length() <= 12 ? text : text.substring(0, 11) + "~") + "'";
  }

  private static String margin(Double value, int digits) {
    return value == null || value.isNaN()
        ? "-"
        : String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  private static List<String> names(TrailHeader header, Layer layer) {
    return IntStream.range(0, layer.experts()).mapToObj(header::expertName).toList();
  }

  private static String cut(String name) {
    return name.length() <= NAME ? name : name.substring(0, NAME - 1) + "~";
  }
}
