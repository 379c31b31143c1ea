package dev.theriac.bench.frame;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A table with columns of its own, for what is not a time beside a rival's. Cells are texts,
 * numbers, or null where there is nothing to say.
 */
public final class Figures {
  private final String title;
  private final String note;
  private final List<String> columns;
  private final List<List<Object>> rows = new ArrayList<>();

  /**
   * @param title short; the table's key in JSON
   * @param note what a reader has to know first; may be empty
   * @param columns names, with units
   */
  public Figures(String title, String note, List<String> columns) {
    this.title = title;
    this.note = note;
    this.columns = List.copyOf(columns);
  }

  /**
   * Adds a row.
   *
   * @throws IllegalArgumentException unless there is a cell for each column
   */
  public void add(Object... cells) {
    if (cells.length != columns.size()) {
      throw new IllegalArgumentException(
          "%s: %d cells in a row of %d columns".formatted(title, cells.length, columns.size()));
    }
    List<Object> row = new ArrayList<>();
    for (Object cell : cells) {
      boolean none = cell instanceof Double value && !Double.isFinite(value);
      row.add(none ? null : cell);
    }
    rows.add(row);
  }

  public String title() {
    return title;
  }

  public String note() {
    return note;
  }

  public List<String> columns() {
    return columns;
  }

  public int size() {
    return rows.size();
  }

  /** The cell of a row, or null. */
  public Object cell(int row, String column) {
    int at = columns.indexOf(column);
    if (at < 0) throw new IllegalArgumentException(title + " has no column " + column);
    return rows.get(row).get(at);
  }

  /** Rows as a table shows them. */
  List<List<String>> texts() {
    return rows.stream().map(row -> row.stream().map(Figures::text).toList()).toList();
  }

  /** Whether all cells of a column are numbers or nothing. */
  boolean isNumeric(int column) {
    return rows.stream().allMatch(r -> r.get(column) == null || r.get(column) instanceof Number);
  }

  /** Rows as objects by column. */
  List<Map<String, Object>> json() {
    List<Map<String, Object>> all = new ArrayList<>();
    for (List<Object> row : rows) {
      Map<String, Object> one = new LinkedHashMap<>();
      for (int i = 0; i < columns.size(); i++) one.put(columns.get(i), row.get(i));
      all.add(one);
    }
    return all;
  }

  /** Rows as lines, cells separated by tabs. */
  public String lines() {
    StringBuilder out = new StringBuilder();
    texts().forEach(row -> out.append(String.join("\t", row)).append('\n'));
    return out.toString();
  }

  private static String text(Object cell) {
    if (cell == null) return "";
    if (!(cell instanceof Double value)) return cell.toString();
    if (value == 0) return "0";
    double size = Math.abs(value);
    String form = size < 1e-2 ? "%.1e" : size < 10 ? "%.2f" : size < 1000 ? "%.1f" : "%.0f";
    return String.format(Locale.ROOT, form, value);
  }
}
