package dev.theriac.moe.audit;

import dev.theriac.moe.audit.TrailHeader.Layer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * Counts which experts the tokens of each cohort pass: of each site, scanner, sex, age band, or
 * whatever the caller sets apart. One object is one way of setting apart; cohorts are ordered by
 * name.
 *
 * <p>Memory is cohorts x layers x experts, however many records come. Counts are 64-bit, and means
 * are of sums that do not depend on the order of their terms, so that {@link #merge merging} parts
 * gives the same bits as counting the whole. For one thread.
 */
public final class ExpertUsage {
  private final List<Layer> layers;
  private final List<String> names;
  private final TreeMap<String, TreeMap<Integer, Cell>> cells = new TreeMap<>();

  /** What is counted for one cohort in one layer. */
  private static final class Cell {
    final long[] routes;
    final long[] dropped;
    long tokens;
    final ExactSum margin = new ExactSum();
    final ExactSum entropy = new ExactSum();

    Cell(int experts) {
      routes = new long[experts];
      dropped = new long[experts];
    }
  }

  /**
   * One cohort in one layer. A token that passes k experts is one token and k routes.
   *
   * @param routes by expert, those included that a capacity dropped
   * @param dropped by expert, routes that a capacity dropped
   * @param meanMargin NaN where no token had a finite one; see {@link RouteRecord#margin}
   * @param meanEntropy in nats, NaN where no token had a finite one
   */
  public record Row(
      String cohort,
      int layer,
      long tokens,
      long[] routes,
      long[] dropped,
      double meanMargin,
      double meanEntropy) {

    /** Share of the routes that each expert gets; all NaN where there is none. */
    public double[] shares() {
      double all = total();
      return Arrays.stream(routes).mapToDouble(n -> n / all).toArray();
    }

    /** Routes of the busiest expert over the mean; 1 when all are equally busy, NaN for none. */
    public double imbalance() {
      long most = Arrays.stream(routes).max().orElse(0);
      return most / (total() / routes.length);
    }

    /**
     * Experts whose share is below {@code floor} times an even one; 0.1 is a usual floor.
     *
     * @param floor in (0, 1]
     */
    public List<Integer> starved(double floor) {
      if (!(floor > 0 && floor <= 1)) {
        throw new IllegalArgumentException("floor %s is not in (0, 1]".formatted(floor));
      }
      List<Integer> out = new ArrayList<>();
      double least = floor * total() / routes.length;
      for (int e = 0; e < routes.length; e++) {
        if (routes[e] < least) out.add(e);
      }
      return out;
    }

    private double total() {
      long sum = 0;
      for (long n : routes) sum = Math.addExact(sum, n);
      return sum;
    }
  }

  /** Counts for these layers, experts being called by number. */
  public ExpertUsage(List<Layer> layers) {
    this(layers, List.of());
  }

  /** Counts for the layers of a trail. */
  public ExpertUsage(TrailHeader header) {
    this(header.layers(), header.expertNames());
  }

  /**
   * @param names of experts by id; empty for numbers
   */
  public ExpertUsage(List<Layer> layers, List<String> names) {
    this.layers = List.copyOf(layers);
    this.names = List.copyOf(names);
  }

  /** A sink that counts each record for the cohort named here; null leaves a record out. */
  public RouteSink by(Function<RouteRecord, String> cohort) {
    return record -> {
      String name = cohort.apply(record);
      if (name != null) add(name, record);
    };
  }

  /**
   * Counts one record.
   *
   * @throws IllegalArgumentException when its layer or an expert is not among those counted
   */
  public void add(String cohort, RouteRecord record) {
    Cell cell = cell(cohort, record.layer());
    int[] ids = record.experts();
    for (int id : ids) {
      if (id >= cell.routes.length) {
        throw new IllegalArgumentException(
            "usage: expert %d of layer %d, which has %d"
                .formatted(id, record.layer(), cell.routes.length));
      }
    }
    cell.tokens++;
    for (int j = 0; j < ids.length; j++) {
      cell.routes[ids[j]]++;
      if (record.dropped() != null && record.dropped()[j] != null) cell.dropped[ids[j]]++;
    }
    if (record.margin() != null) cell.margin.add(record.margin());
    cell.entropy.add(record.entropy());
  }

  private Cell cell(String cohort, int layer) {
    TreeMap<Integer, Cell> of = cells.get(cohort);
    if (of == null) {
      of = new TreeMap<>();
      for (Layer l : layers) of.put(l.layer(), new Cell(l.experts()));
      cells.put(cohort, of);
    }
    Cell cell = of.get(layer);
    if (cell == null) {
      throw new IllegalArgumentException(
          "usage: layer %d is not among those counted, %s".formatted(layer, of.keySet()));
    }
    return cell;
  }

  /**
   * Adds what another object has counted; returns this.
   *
   * @throws IllegalArgumentException when it counts other layers
   */
  public ExpertUsage merge(ExpertUsage other) {
    if (!layers.equals(other.layers)) {
      throw new IllegalArgumentException(
          "usage: layers %s cannot be merged with %s".formatted(layers, other.layers));
    }
    other.cells.forEach((cohort, of) ->
        of.forEach((layer, from) -> {
          Cell to = cell(cohort, layer);
          to.tokens = Math.addExact(to.tokens, from.tokens);
          for (int e = 0; e < to.routes.length; e++) {
            to.routes[e] = Math.addExact(to.routes[e], from.routes[e]);
            to.dropped[e] = Math.addExact(to.dropped[e], from.dropped[e]);
          }
          to.margin.add(from.margin);
          to.entropy.add(from.entropy);
        }));
    return this;
  }

  /** The layers that are counted, ascending. */
  public List<Integer> layers() {
    return layers.stream().map(Layer::layer).toList();
  }

  /** Names of the cohorts that have a record. */
  public List<String> cohorts() {
    return List.copyOf(cells.keySet());
  }

  /** What was counted, by cohort and then layer. */
  public List<Row> rows() {
    List<Row> out = new ArrayList<>();
    cells.forEach((cohort, of) -> of.forEach((layer, c) -> out.add(row(cohort, layer, c))));
    return out;
  }

  /** One of the {@link #rows}, or null. */
  public Row row(String cohort, int layer) {
    Map<Integer, Cell> of = cells.get(cohort);
    return of == null || !of.containsKey(layer) ? null : row(cohort, layer, of.get(layer));
  }

  private static Row row(String cohort, int layer, Cell c) {
    return new Row(
        cohort,
        layer,
        c.tokens,
        c.routes.clone(),
        c.dropped.clone(),
        c.margin.mean(),
        c.entropy.mean());
  }

  /**
   * How far routing tells the cohorts apart, layer by layer; layers in which fewer than two cohorts
   * have routes are left out.
   */
  public List<CohortDivergence> divergences() {
    List<CohortDivergence> out = new ArrayList<>();
    for (Layer layer : layers) {
      SequencedMap<String, long[]> routes = new TreeMap<>();
      cells.forEach((cohort, of) -> {
        long[] counts = of.get(layer.layer()).routes;
        if (Arrays.stream(counts).anyMatch(n -> n > 0)) routes.put(cohort, counts);
      });
      if (routes.size() > 1) out.add(CohortDivergence.of(layer.layer(), routes));
    }
    return out;
  }

  /** What an expert is called in tables. */
  String name(int expert) {
    return expert < names.size() ? names.get(expert) : "expert " + expert;
  }

  /** The counts as a table for people. */
  public String text() {
    return UsageTable.text(this);
  }

  /** A row for each cohort, layer and expert, with a line of column names. */
  public String csv() {
    return UsageTable.csv(this);
  }

  /** A JSON object a line: one for each cohort and layer, then one for each layer's divergence. */
  public String jsonLines() {
    return UsageTable.jsonLines(this);
  }
}
