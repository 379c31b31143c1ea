package dev.theriac.bench.frame;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** A report as tables in Markdown, one for each shape or family. */
final class MarkdownTable {
  /** The line before what is written into a page. */
  static final String BEGIN = "<!-- measured: begin -->";

  /** The line after it. */
  static final String END = "<!-- measured: end -->";

  private final StringBuilder out = new StringBuilder();

  MarkdownTable(BenchReport report, String command) {
    Machine m = report.machine();
    line("`%s`", command);
    line("");
    line(
        "- %s, %d cores, %s, %s; version %s, commit %s",
        m.cpu(), m.cores(), m.system(), m.java(), m.version(), m.commit());
    report
        .ceilings()
        .forEach((threads, c) -> line("- %s: %s.", TextTable.threads(threads), TextTable.rates(c)));
    long reached = count(report, Row.Standing.REACHED);
    long open = count(report, Row.Standing.NOT_COMPARED);
    line(
        "- %d of %d rows with a target reach it%s",
        reached,
        reached + count(report, Row.Standing.MISSED),
        open == 0 ? "" : "; %d more were not compared".formatted(open));
    for (String failure : report.failures()) {
      line("- **Not finished**: %s", failure.strip().replaceAll("\\s*\n\\s*", "; "));
    }
    List<String> shapes = report.rows().stream().map(Row::shape).distinct().toList();
    for (String shape : shapes) {
      line("");
      line("### %s", report.shapes().getOrDefault(shape, shape));
      line("");
      line(
          "| operation | shape | threads | us | rate | share of floor | wanted | rival | its us |"
              + " ratio | wanted | missed |");
      line("| --- | --- | --: | --: | --: | --: | --: | --- | --: | --: | --: | --- |");
      List<String> names =
          report.rows().stream()
              .filter(r -> r.shape().equals(shape))
              .map(Row::name)
              .distinct()
              .toList();
      report.rows().stream()
          .filter(r -> r.shape().equals(shape))
          .sorted(
              Comparator.comparing((Row r) -> names.indexOf(r.name())).thenComparing(Row::threads))
          .forEach(this::row);
    }
    if (!report.findings().isEmpty()) {
      line("");
      line("### Other figures");
      line("");
      line("| figure | of | threads | value | at most | |");
      line("| --- | --- | --: | --: | --: | --- |");
    }
    for (Finding f : report.findings()) {
      cells(
          f.name(),
          f.shape(),
          f.threads(),
          Double.isNaN(f.value()) ? "not compared" : figure(f.value()),
          f.most() == null ? "" : figure(f.most()),
          f.text() + (Boolean.FALSE.equals(f.met()) ? "; **missed**" : ""));
    }
    report.figures().forEach(this::figures);
  }

  private void figures(Figures table) {
    line("");
    line("### %s", table.title());
    line("");
    if (!table.note().isEmpty()) {
      line("%s", table.note());
      line("");
    }
    cells(table.columns().toArray());
    List<String> marks = new ArrayList<>();
    for (int i = 0; i < table.columns().size(); i++) {
      marks.add(table.isNumeric(i) ? "--:" : "---");
    }
    cells(marks.toArray());
    table.texts().forEach(row -> cells(row.toArray()));
  }

  private static long count(BenchReport report, Row.Standing standing) {
    return report.rows().stream().filter(r -> r.standing() == standing).count();
  }

  private static String verdict(Row row) {
    return switch (row.standing()) {
      case MISSED -> "**" + String.join(", ", row.missed()) + "**";
      case NOT_COMPARED -> "not compared";
      default -> "";
    };
  }

  private void row(Row row) {
    String[] name = row.name().split("/", 2);
    String rate = "";
    if (row.gflops() != null) rate = figure(row.gflops()) + " GFLOP/s";
    if (row.gigabytes() != null) rate = figure(row.gigabytes()) + " GB/s";
    Row.Wanted w = row.wanted();
    if (w.gigabytes() != null) rate += " (at least %s)".formatted(w.gigabytes());
    cells(
        name[0],
        name.length > 1 ? name[1] : "",
        row.threads(),
        TextTable.micros(row.medianUs())
            + (w.micros() == null ? "" : " (at most %s)".formatted(w.micros())),
        rate,
        row.ofBound() == null ? "" : "%.0f %% of %s".formatted(100 * row.ofBound(), row.bound()),
        w.share() == null ? "" : "%.0f %%".formatted(100 * w.share()),
        row.rival() == null ? "" : row.rival(),
        row.rivalMedianUs() == null ? "" : TextTable.micros(row.rivalMedianUs()),
        row.ratio() == null ? "" : "%.2f".formatted(row.ratio()),
        w.ratio() == null ? "" : figure(w.ratio()),
        verdict(row));
    row.others()
        .forEach((other, micros) -> {
          if (other.equals(row.rival())) return;
          cells(
              "",
              "",
              "",
              "",
              "",
              "",
              "",
              other,
              TextTable.micros(micros),
              "%.2f".formatted(micros / row.medianUs()),
              "",
              "");
        });
  }

  private static String figure(double value) {
    return String.format(Locale.ROOT, Math.abs(value) < 10 ? "%.2f" : "%.1f", value);
  }

  private void cells(Object... cells) {
    line("| %s |", String.join(" | ", Stream.of(cells).map(Object::toString).toList()));
  }

  private void line(String format, Object... values) {
    out.append(values.length == 0 ? format : String.format(Locale.ROOT, format, values))
        .append('\n');
  }

  /** {@code table} between the marks of a page, or alone where it has none. */
  static String into(String page, String table) {
    int begin = page.indexOf(BEGIN);
    int end = page.indexOf(END);
    String marked = BEGIN + "\n\n" + table + "\n" + END;
    if (begin < 0 || end < begin)
      return page.isBlank() ? marked + "\n" : page + "\n" + marked + "\n";
    return page.substring(0, begin) + marked + page.substring(end + END.length());
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
