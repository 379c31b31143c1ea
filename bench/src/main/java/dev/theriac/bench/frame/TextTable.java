package dev.theriac.bench.frame;

import java.util.List;
import java.util.Locale;

/** A report for a terminal. */
final class TextTable {
  private final StringBuilder out = new StringBuilder();

  TextTable(BenchReport report) {
    Machine machine = report.machine();
    line("%s, %d cores, %s, %s", machine.cpu(), machine.cores(), machine.system(), machine.java());
    line("theriac %s, commit %s", machine.version(), machine.commit());
    report.ceilings().forEach((threads, c) -> line("%s: %s", threads(threads), rates(c)));
    String shape = null;
    int threads = 0;
    for (Row row : report.rows()) {
      if (!row.shape().equals(shape) || row.threads() != threads) {
        shape = row.shape();
        threads = row.threads();
        line("");
        line("%s, %s", report.shapes().getOrDefault(shape, shape), threads(threads));
        line(
            "  %-22s %12s %9s %9s  %-26s %12s %7s",
            "", "median us", "GFLOP/s", "of bound", "rival", "its us", "ratio");
      }
      line(
          "  %-22s %12s %9s %9s  %-26s %12s %7s%s",
          row.name(),
          micros(row.medianUs()),
          row.gflops() != null
              ? "%.1f".formatted(row.gflops())
              : row.gigabytes() == null ? "" : "%.1f GB/s".formatted(row.gigabytes()),
          row.ofBound() == null
              ? ""
              : "%.0f %% %s".formatted(100 * row.ofBound(), row.bound().charAt(0)),
          row.rival() == null ? "" : row.rival(),
          row.rivalMedianUs() == null ? "" : micros(row.rivalMedianUs()),
          row.ratio() == null ? "" : "%.2f".formatted(row.ratio()),
          wanted(row));
      row.others()
          .forEach((name, time) -> {
            if (!name.equals(row.rival())) {
              line("  %-22s %12s %9s %9s  %-26s %12s", "", "", "", "", name, micros(time));
            }
          });
    }
    if (!report.findings().isEmpty()) line("");
    for (Finding f : report.findings()) {
      line(
          "%s, %s, %s: %s%s (%s)",
          f.name(),
          f.shape(),
          threads(f.threads()),
          Double.isNaN(f.value()) ? "not compared" : "%.3f".formatted(f.value()),
          f.most() == null
              ? ""
              : " of at most " + f.most() + (Boolean.FALSE.equals(f.met()) ? ": missed" : ""),
          f.text());
    }
    report.figures().forEach(this::figures);
    if (!report.failures().isEmpty()) line("");
    for (String failure : report.failures()) line("not finished: %s", failure);
  }

  private void figures(Figures table) {
    line("");
    line("%s", table.title());
    if (!table.note().isEmpty()) line("  %s", table.note());
    List<List<String>> rows = table.texts();
    int count = table.columns().size();
    int[] widths = new int[count];
    for (int i = 0; i < count; i++) {
      widths[i] = table.columns().get(i).length();
      for (List<String> row : rows) widths[i] = Math.max(widths[i], row.get(i).length());
    }
    cells(table, table.columns(), widths);
    rows.forEach(row -> cells(table, row, widths));
  }

  private void cells(Figures table, List<String> cells, int[] widths) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      String form = "  %" + (table.isNumeric(i) ? "" : "-") + Math.max(1, widths[i]) + "s";
      text.append(form.formatted(cells.get(i)));
    }
    line("%s", text);
  }

  /** The ceilings in words. */
  static String rates(Work.Ceiling c) {
    String text =
        String.format(
            Locale.ROOT,
            "%.1f GFLOP/s of fused multiply-adds, %.1f GB/s read from memory",
            c.gflops(),
            c.gigabytes());
    return c.copied() == 0
        ? text
        : text + String.format(Locale.ROOT, ", %.1f GB/s copied (read and written)", c.copied());
  }

  private static String wanted(Row row) {
    Row.Wanted w = row.wanted();
    StringBuilder text = new StringBuilder();
    if (w.ratio() != null) text.append(" ratio ").append(w.ratio());
    if (w.share() != null) text.append(" share ").append(Math.round(100 * w.share())).append(" %");
    if (w.micros() != null) text.append(" at most ").append(w.micros()).append(" us");
    if (w.gigabytes() != null) text.append(" at least ").append(w.gigabytes()).append(" GB/s");
    if (text.isEmpty()) return "";
    text.insert(0, "  wanted:");
    if (!row.missed().isEmpty()) text.append(", missed: ").append(String.join(", ", row.missed()));
    if (row.standing() == Row.Standing.NOT_COMPARED) text.append(", not compared");
    return text.toString();
  }

  static String threads(int count) {
    return count + (count == 1 ? " thread" : " threads");
  }

  static String micros(double value) {
    return String.format(
        Locale.ROOT, value < 100 ? "%,.2f" : value < 10_000 ? "%,.1f" : "%,.0f", value);
  }

  private void line(String format, Object... values) {
    out.append(String.format(Locale.ROOT, format, values).stripTrailing()).append('\n');
  }

  @Override
  public String toString() {
    return out.toString();
  }
}
