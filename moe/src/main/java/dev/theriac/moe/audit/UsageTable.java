package dev.theriac.moe.audit;

import dev.theriac.moe.audit.ExpertUsage.Row;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Writes {@link ExpertUsage} out. */
final class UsageTable {
  private static final double FLOOR = 0.1;

  private UsageTable() {}

  static String text(ExpertUsage usage) {
    StringBuilder out = new StringBuilder();
    List<Row> rows = usage.rows();
    int wide = Math.max(6, rows.stream().mapToInt(r -> r.cohort().length()).max().orElse(0));
    int layer = -1;
    for (Row row : rows.stream().sorted((a, b) -> Integer.compare(a.layer(), b.layer())).toList()) {
      if (row.layer() != layer) {
        layer = row.layer();
        out.append(out.isEmpty() ? "" : "\n").append("layer ").append(layer).append('\n');
        out.append(("  %-" + wide + "s %10s").formatted("cohort", "tokens"));
        for (int e = 0; e < row.routes().length; e++) {
          out.append(" %10s".formatted(cut(usage.name(e), 10)));
        }
        out.append(" %9s %9s %9s  starved\n".formatted("margin", "entropy", "max/mean"));
      }
      out.append(("  %-" + wide + "s %10d").formatted(row.cohort(), row.tokens()));
      for (double share : row.shares()) out.append(" %10s".formatted(percent(share)));
      out.append(
          " %9s %9s %9s  %s\n"
              .formatted(
                  number(row.meanMargin(), 3),
                  number(row.meanEntropy(), 3),
                  number(row.imbalance(), 2),
                  starved(usage, row)));
    }
    List<CohortDivergence> apart = usage.divergences();
    if (!apart.isEmpty()) out.append("\nhow far routing tells cohorts apart (0 not, 1 wholly)\n");
    for (CohortDivergence d : apart) {
      out.append(
          "  layer %d: Jensen-Shannon %s (%s nats), total variation %s (%s, %s), Cramer's V %s\n"
              .formatted(
                  d.layer(),
                  number(d.separation(), 3),
                  number(d.jensenShannon(), 3),
                  number(d.totalVariation(), 3),
                  d.first(),
                  d.second(),
                  number(d.cramersV(), 3)));
    }
    return out.toString();
  }

  private static String starved(ExpertUsage usage, Row row) {
    String names = row.starved(FLOOR).stream().map(usage::name).collect(Collectors.joining(", "));
    return names.isEmpty() ? "-" : names;
  }

  private static String cut(String name, int length) {
    return name.length() <= length ? name : name.substring(0, length - 1) + "~";
  }

  private static String percent(double share) {
    return Double.isNaN(share) ? "-" : String.format(Locale.ROOT, "%.1f%%", share * 100);
  }

  private static String number(double value, int digits) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  static String csv(ExpertUsage usage) {
    StringBuilder out =
        new StringBuilder(
            "cohort,layer,expert,name,tokens,routes,share,dropped,mean_margin,mean_entropy\n");
    for (Row row : usage.rows()) {
      double[] shares = row.shares();
      for (int e = 0; e < shares.length; e++) {
        out.append(quoted(row.cohort()));
        out.append(",%d,%d,%s,%d".formatted(row.layer(), e, quoted(usage.name(e)), row.tokens()));
        out.append(",%d,%s,%d".formatted(row.routes()[e], plain(shares[e]), row.dropped()[e]));
        out.append(",%s,%s\n".formatted(plain(row.meanMargin()), plain(row.meanEntropy())));
      }
    }
    return out.toString();
  }

  /** RFC 4180. */
  private static String quoted(String text) {
    return text.matches("[^\",\r\n]*") ? text : '"' + text.replace("\"", "\"\"") + '"';
  }

  private static String plain(double value) {
    return Double.isNaN(value) ? "" : Double.toString(value);
  }

  static String jsonLines(ExpertUsage usage) {
    StringBuilder out = new StringBuilder();
    for (Row row : usage.rows()) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("type", "usage");
      line.put("cohort", row.cohort());
      line.put("layer", row.layer());
      line.put("tokens", row.tokens());
      line.put("experts", IntStream.range(0, row.routes().length).mapToObj(usage::name).toList());
      line.put("routes", row.routes());
      line.put("shares", row.shares());
      line.put("dropped", row.dropped());
      line.put("mean_margin", row.meanMargin());
      line.put("mean_entropy", row.meanEntropy());
      line.put("imbalance", row.imbalance());
      line.put("starved", row.starved(FLOOR));
      out.append(TrailLines.MAPPER.writeValueAsString(line)).append('\n');
    }
    for (CohortDivergence d : usage.divergences()) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("type", "divergence");
      line.put("layer", d.layer());
      line.put("jensen_shannon", d.jensenShannon());
      line.put("separation", d.separation());
      line.put("total_variation", d.totalVariation());
      line.put("furthest", List.of(d.first(), d.second()));
      line.put("cramers_v", d.cramersV());
      out.append(TrailLines.MAPPER.writeValueAsString(line)).append('\n');
    }
    return out.toString();
  }
}
