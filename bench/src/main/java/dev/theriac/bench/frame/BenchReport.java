package dev.theriac.bench.frame;

import dev.theriac.bench.frame.Work.Ceiling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.json.JsonMapper;

/** What a benchmark found: rows, findings, and where. Written as text, JSON and a page. */
public final class BenchReport {
  private final String name;
  private final String description;
  private final boolean full;
  private final Machine machine = Machine.here();
  private final Map<Integer, Ceiling> ceilings = new TreeMap<>();
  private final List<Row> rows = new ArrayList<>();
  private final List<Finding> findings = new ArrayList<>();
  private final List<String> failures = new ArrayList<>();
  private final Map<String, String> shapes = new LinkedHashMap<>();
  private final List<Figures> figures = new ArrayList<>();

  public BenchReport(Bench bench, BenchOptions options) {
    name = bench.name();
    description = bench.description();
    full = options.full();
  }

  public void add(Row row) {
    rows.add(row);
  }

  public void add(Finding finding) {
    findings.add(finding);
  }

  public void add(Figures table) {
    figures.add(table);
  }

  /** Tables with columns of their own. */
  public List<Figures> figures() {
    return List.copyOf(figures);
  }

  /**
   * The table of that title.
   *
   * @throws IllegalArgumentException where there is none
   */
  public Figures figures(String title) {
    for (Figures one : figures) if (one.title().equals(title)) return one;
    throw new IllegalArgumentException("bench %s has no table \"%s\"".formatted(name, title));
  }

  /**
   * Says what could not be done; what was measured before stays in the report.
   *
   * @param what where it failed, and why
   */
  public void fail(String what) {
    failures.add(what);
  }

  /** Empty where everything that was asked for is in the report. */
  public List<String> failures() {
    return List.copyOf(failures);
  }

  /** Says what a shape's short name stands for. */
  public void shape(String id, String text) {
    shapes.put(id, text);
  }

  /** Takes the machine's rates with as many threads; the highest of several measurements counts. */
  public void ceiling(int threads, Ceiling measured) {
    ceilings.merge(threads, measured, Ceiling::most);
  }

  public Ceiling ceiling(int threads) {
    return ceilings.get(threads);
  }

  public String name() {
    return name;
  }

  String description() {
    return description;
  }

  Machine machine() {
    return machine;
  }

  Map<Integer, Ceiling> ceilings() {
    return ceilings;
  }

  public List<Row> rows() {
    return List.copyOf(rows);
  }

  public List<Finding> findings() {
    return List.copyOf(findings);
  }

  Map<String, String> shapes() {
    return shapes;
  }

  /** The table for a terminal. */
  public String text() {
    return new TextTable(this).toString();
  }

  /** Writes the JSON form; times are in microseconds. */
  public void writeJson(Path file) throws IOException {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("benchmark", name);
    root.put("kind", full ? "full" : "short");
    root.put("machine", machine.cpu());
    root.put("cores", machine.cores());
    root.put("system", machine.system());
    root.put("java", machine.java());
    root.put("version", machine.version());
    root.put("commit", machine.commit());
    List<Object> limits = new ArrayList<>();
    ceilings.forEach((threads, c) -> {
      Map<String, Object> limit = new LinkedHashMap<>();
      limit.put("threads", threads);
      limit.put("fma_gflops", rounded(c.gflops()));
      limit.put("read_gbytes_per_s", rounded(c.gigabytes()));
      if (c.copied() > 0) limit.put("copy_gbytes_per_s", rounded(c.copied()));
      limits.add(limit);
    });
    root.put("ceilings", limits);
    root.put("shapes", shapes);
    root.put("rows", rows.stream().map(BenchReport::json).toList());
    root.put("findings", findings.stream().map(BenchReport::json).toList());
    if (!figures.isEmpty()) {
      Map<String, Object> tables = new LinkedHashMap<>();
      figures.forEach(table -> tables.put(table.title(), table.json()));
      root.put("tables", tables);
    }
    root.put("failures", failures);
    if (file.toAbsolutePath().getParent() != null) {
      Files.createDirectories(file.toAbsolutePath().getParent());
    }
    String text =
        JsonMapper.builder().build().writerWithDefaultPrettyPrinter().writeValueAsString(root);
    Files.writeString(file, text + "\n");
  }

  private static Map<String, Object> json(Row row) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", row.name());
    out.put("shape", row.shape());
    out.put("threads", row.threads());
    out.put("median_us", rounded(row.medianUs()));
    out.put("rival", row.rival());
    out.put("rival_median_us", rounded(row.rivalMedianUs()));
    out.put("ratio", rounded(row.ratio()));
    out.put("ratio_low", rounded(row.ratioLow()));
    out.put("ratio_high", rounded(row.ratioHigh()));
    out.put("gflops", rounded(row.gflops()));
    out.put("of_bound", rounded(row.ofBound()));
    out.put("bound", row.bound());
    out.put("gbytes_per_s", rounded(row.gigabytes()));
    out.put("wanted_ratio", row.wanted().ratio());
    out.put("wanted_of_bound", row.wanted().share());
    out.put("wanted_us", row.wanted().micros());
    out.put("wanted_gbytes_per_s", row.wanted().gigabytes());
    out.put("missed", row.missed());
    out.put("standing", row.standing().name().toLowerCase(Locale.ROOT));
    Map<String, Object> others = new LinkedHashMap<>();
    row.others().forEach((k, v) -> others.put(k, rounded(v)));
    out.put("others_median_us", others);
    return out;
  }

  private static Map<String, Object> json(Finding finding) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", finding.name());
    out.put("shape", finding.shape());
    out.put("threads", finding.threads());
    out.put("value", Double.isNaN(finding.value()) ? null : rounded(finding.value()));
    out.put("most", finding.most());
    out.put("met", finding.met());
    out.put("text", finding.text());
    return out;
  }

  /** Four digits: more would be noise. */
  private static Double rounded(Double value) {
    if (value == null || value == 0 || !Double.isFinite(value)) return value;
    double unit = Math.pow(10, 3 - Math.floor(Math.log10(Math.abs(value))));
    return Math.round(value * unit) / unit;
  }

  /**
   * Writes the rows as a table in Markdown. In a file that has the lines {@link
   * MarkdownTable#BEGIN} and {@link MarkdownTable#END} only what stands between them is replaced.
   *
   * @param command what was called, for whoever wants to repeat it
   */
  public void writeMarkdown(Path file, String command) throws IOException {
    if (file.toAbsolutePath().getParent() != null) {
      Files.createDirectories(file.toAbsolutePath().getParent());
    }
    String old = Files.exists(file) ? Files.readString(file) : "";
    Files.writeString(file, MarkdownTable.into(old, new MarkdownTable(this, command).toString()));
  }

  /** Writes the page with its plots. */
  public void writeHtml(Path file) throws IOException {
    if (file.toAbsolutePath().getParent() != null) {
      Files.createDirectories(file.toAbsolutePath().getParent());
    }
    Files.writeString(file, new HtmlPage(this).toString());
  }
}
