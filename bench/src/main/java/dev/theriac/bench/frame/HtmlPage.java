package dev.theriac.bench.frame;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A report as a page of its own: for each shape and thread count bars and the table. */
final class HtmlPage {
  private static final String STYLE =
      """
      :root { color-scheme: light dark; --ink: #1c2733; --faint: #66717d; --line: #d5dbe1;
        --paper: #fff; --ours: #2166ac; --rival: #c9852c; --bound: #7a8794; }
      @media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --faint: #98a4b0;
        --line: #36424e; --paper: #14191f; --ours: #6aaee6; --rival: #e0a95c; --bound: #8b98a5; } }
      body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
        max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
      h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
      p, td, th, figcaption { overflow-wrap: anywhere; } .faint { color: var(--faint); }
      table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
        font-size: .85rem; } th, td { padding: .2rem .5rem; border-bottom: 1px solid var(--line);
        text-align: right; } th:first-child, td:first-child, .text { text-align: left; }
      figure { margin: 1rem 0; } svg { width: 100%; height: auto; display: block; }
      svg text { fill: var(--ink); font-size: 12px; paint-order: stroke;
        stroke: var(--paper); stroke-width: 3px; } svg .faint { fill: var(--faint); }
      .ours { fill: var(--ours); } .rival { fill: var(--rival); }
      .grid { stroke: var(--line); } .mark { stroke: var(--ink); stroke-width: 1.5; }
      .key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
      .key.o { background: var(--ours); } .key.r { background: var(--rival); }
      .missed { color: #b3261e; } @media (prefers-color-scheme: dark) { .missed { color: #ff8a80; } }
      """;

  private static final int WIDTH = 860;
  private static final int LEFT = 170;
  private static final int RIGHT = 150;

  private final StringBuilder out = new StringBuilder();

  HtmlPage(BenchReport report) {
    Machine m = report.machine();
    add("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    add("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    add("<title>Theriac: bench %s</title><style>%s</style></head><body>", report.name(), STYLE);
    add("<h1>bench %s</h1><p>%s</p>", escape(report.name()), escape(report.description()));
    add(
        "<p class=\"faint\">%s, %d cores, %s, %s; version %s, commit %s</p>",
        escape(m.cpu()),
        m.cores(),
        escape(m.system()),
        escape(m.java()),
        escape(m.version()),
        escape(m.commit()));
    report
        .ceilings()
        .forEach((threads, c) ->
            add("<p class=\"faint\">%s: %s</p>", TextTable.threads(threads), TextTable.rates(c)));
    for (String failure : report.failures()) {
      add("<p class=\"missed\">Not finished: %s</p>", escape(failure).replace("\n", "<br/>"));
    }
    groups(report.rows())
        .forEach((key, rows) -> {
          String shape = rows.getFirst().shape();
          String title =
              report.shapes().getOrDefault(shape, shape)
                  + ", "
                  + TextTable.threads(rows.getFirst().threads());
          add("<h2>%s</h2>", escape(title));
          ratios(rows);
          bounds(rows);
          table(rows);
        });
    findings(report.findings());
    report.figures().forEach(this::figures);
    add("</body></html>");
  }

  private static Map<String, List<Row>> groups(List<Row> rows) {
    Map<String, List<Row>> groups = new LinkedHashMap<>();
    for (Row row : rows) {
      groups.computeIfAbsent(row.shape() + "/" + row.threads(), k -> new ArrayList<>()).add(row);
    }
    return groups;
  }

  /** Times beside each other, as a share of the rival's. */
  private void ratios(List<Row> rows) {
    List<Row> paired = rows.stream().filter(r -> r.ratio() != null).toList();
    if (paired.isEmpty()) return;
    add("<figure><figcaption>Time of a call, the slower of each pair as the full bar");
    add("<span class=\"key o\"></span>Theriac<span class=\"key r\"></span>rival</figcaption>");
    int height = 42 * paired.size() + 6;
    add("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"times\">", WIDTH, height);
    for (int i = 0; i < paired.size(); i++) {
      Row row = paired.get(i);
      double most = Math.max(row.medianUs(), row.rivalMedianUs());
      int y = 42 * i + 6;
      label(row.name(), y + 20);
      bar("ours", y, 14, row.medianUs() / most, TextTable.micros(row.medianUs()) + " us");
      bar(
          "rival",
          y + 16,
          14,
          row.rivalMedianUs() / most,
          "%s us, x %.2f".formatted(TextTable.micros(row.rivalMedianUs()), row.ratio()));
      add(
          "<text class=\"faint\" x=\"%d\" y=\"%d\""
              + " style=\"fill:var(--paper);stroke:none\">%s</text>",
          LEFT + 6, y + 27, escape(row.rival()));
    }
    add("</svg></figure>");
  }

  /** Shares of what the machine allows. */
  private void bounds(List<Row> rows) {
    List<Row> bound = rows.stream().filter(r -> r.ofBound() != null).toList();
    if (bound.isEmpty()) return;
    double most = bound.stream().mapToDouble(Row::ofBound).max().getAsDouble();
    double top = Math.max(1, Math.ceil(most * 4) / 4);
    int height = 22 * bound.size() + 26;
    add("<figure><figcaption>Achieved share of max(FLOP / FMA peak, bytes / bandwidth); above 1 a");
    add(" stage's data was in the cache</figcaption>");
    add("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"bounds\">", WIDTH, height);
    for (double at = 0; at <= top + 1e-9; at += top > 3 ? Math.ceil(top / 6) : 0.25) {
      double x = LEFT + (WIDTH - LEFT - RIGHT) * at / top;
      add(
          "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"%d\"/>",
          Math.abs(at - 1) < 1e-9 ? "mark" : "grid", x, x, height - 20);
      add(
          "<text class=\"faint\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>",
          x, height - 5, at == Math.rint(at) ? "%.0f".formatted(at) : "%.2f".formatted(at));
    }
    for (int i = 0; i < bound.size(); i++) {
      Row row = bound.get(i);
      label(row.name(), 22 * i + 17);
      String text =
          "%.0f %%, %s%s"
              .formatted(
                  100 * row.ofBound(),
                  row.bound(),
                  row.gflops() == null ? "" : ", %.0f GFLOP/s".formatted(row.gflops()));
      bar("ours", 22 * i + 6, 14, row.ofBound() / top, text);
    }
    add("</svg></figure>");
  }

  private void label(String text, int y) {
    add("<text text-anchor=\"end\" x=\"%d\" y=\"%d\">%s</text>", LEFT - 8, y, escape(text));
  }

  private void bar(String style, int y, int height, double share, String text) {
    double width = Math.max(1, (WIDTH - LEFT - RIGHT) * share);
    add(
        "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>",
        style, LEFT, y, width, height);
    add("<text x=\"%.1f\" y=\"%d\">%s</text>", LEFT + width + 6, y + height - 2, escape(text));
  }

  private void table(List<Row> rows) {
    add("<table><thead><tr><th>stage</th><th>median us</th><th>GFLOP/s</th><th>of bound</th>");
    add("<th class=\"text\">rival</th><th>its us</th><th>ratio</th><th>rounds</th>");
    add("</tr></thead><tbody>");
    for (Row row : rows) {
      add(
          "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td class=\"text\">%s</td><td>%s</td>"
              + "<td>%s</td><td>%s</td></tr>",
          escape(row.name()),
          TextTable.micros(row.medianUs()),
          row.gflops() == null ? "" : "%.1f".formatted(row.gflops()),
          row.ofBound() == null ? "" : "%.0f %% (%s)".formatted(100 * row.ofBound(), row.bound()),
          row.rival() == null ? "" : escape(row.rival()),
          row.rivalMedianUs() == null ? "" : TextTable.micros(row.rivalMedianUs()),
          row.ratio() == null ? "" : "%.2f".formatted(row.ratio()),
          row.ratio() == null ? "" : "%.2f to %.2f".formatted(row.ratioLow(), row.ratioHigh()));
      row.others()
          .forEach((name, time) -> {
            if (name.equals(row.rival())) return;
            add(
                "<tr class=\"faint\"><td></td><td></td><td></td><td></td>"
                    + "<td class=\"text\">%s</td><td>%s</td><td>%.2f</td><td></td></tr>",
                escape(name), TextTable.micros(time), time / row.medianUs());
          });
    }
    add("</tbody></table>");
  }

  private void findings(List<Finding> findings) {
    if (findings.isEmpty()) return;
    add("<h2>Other figures</h2><table><thead><tr><th>what</th><th class=\"text\">shape</th>");
    add("<th>threads</th><th>value</th><th>at most</th><th class=\"text\">how</th></tr></thead>");
    add("<tbody>");
    for (Finding f : findings) {
      boolean missed = f.met() != null && !f.met();
      add(
          "<tr><td>%s</td><td class=\"text\">%s</td><td>%d</td><td%s>%s%s</td><td>%s</td>"
              + "<td class=\"text\">%s</td></tr>",
          escape(f.name()),
          escape(f.shape()),
          f.threads(),
          missed ? " class=\"missed\"" : "",
          Double.isNaN(f.value()) ? "not compared" : "%.3f".formatted(f.value()),
          missed ? " missed" : "",
          f.most() == null ? "" : f.most().toString(),
          escape(f.text()));
    }
    add("</tbody></table>");
  }

  private void figures(Figures table) {
    add("<h2>%s</h2>", escape(table.title()));
    if (!table.note().isEmpty()) add("<p>%s</p>", escape(table.note()));
    add("<table><thead>");
    cells(table, "th", table.columns());
    add("</thead><tbody>");
    table.texts().forEach(row -> cells(table, "td", row));
    add("</tbody></table>");
  }

  private void cells(Figures table, String tag, List<String> cells) {
    add("<tr>");
    for (int i = 0; i < cells.size(); i++) {
      String kind = table.isNumeric(i) ? "" : " class=\"text\"";
      add("<%s%s>%s</%s>", tag, kind, escape(cells.get(i)), tag);
    }
    add("</tr>");
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  private void add(String format, Object... values) {
    out.append(values.length == 0 ? format : String.format(Locale.ROOT, format, values));
    out.append('\n');
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
