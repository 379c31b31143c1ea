package dev.theriac.moe.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.moe.audit.TrailHeader.Layer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

/** Counts by cohort against plain recounts, and measures against values worked out by hand. */
class ExpertUsageTest {
  private static final List<Layer> LAYERS =
      List.of(new Layer(1, 4, 2, "softmax"), new Layer(3, 3, 1, "softmax"));
  private static final String[] SITES = {"A", "B, north", "C"};

  private record Seen(String site, RouteRecord record) {}

  private static List<Seen> seen(int count, long seed) {
    Random random = new Random(seed);
    List<Seen> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int first = random.nextInt(4);
      boolean wide = random.nextBoolean();
      int[] ids = wide ? new int[] {first, (first + 1) % 4} : new int[] {random.nextInt(3)};
      double margin = random.nextInt(20) == 0 ? Double.NaN : random.nextGaussian() * 10;
      String[] dropped = wide && i % 5 == 0 ? new String[] {null, "capacity"} : null;
      out.add(
          new Seen(
              SITES[random.nextInt(3)],
              new RouteRecord(
                  i,
                  0,
                  wide ? 1 : 3,
                  null,
                  null,
                  ids,
                  new float[ids.length],
                  i % 7 == 0 ? null : margin,
                  random.nextDouble(),
                  dropped)));
    }
    return out;
  }

  private static ExpertUsage count(List<Seen> seen) {
    ExpertUsage usage = new ExpertUsage(LAYERS, List.of("CT", "MRI", "X-ray", "pathology"));
    seen.forEach(s -> usage.add(s.site, s.record));
    return usage;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 17, 1000})
  void countsAreThoseOfAPlainRecount(int size) {
    List<Seen> all = seen(size, size);
    for (ExpertUsage.Row row : count(all).rows()) {
      List<RouteRecord> mine =
          all.stream()
              .filter(s -> s.site.equals(row.cohort()) && s.record.layer() == row.layer())
              .map(Seen::record)
              .toList();
      assertThat(row.tokens()).isEqualTo(mine.size());
      for (int e = 0; e < row.routes().length; e++) {
        int routes = 0;
        int dropped = 0;
        for (RouteRecord r : mine) {
          for (int j = 0; j < r.experts().length; j++) {
            if (r.experts()[j] != e) continue;
            routes++;
            if (r.dropped() != null && r.dropped()[j] != null) dropped++;
          }
        }
        assertThat(row.routes()[e]).isEqualTo(routes);
        assertThat(row.dropped()[e]).isEqualTo(dropped);
      }
      double margin =
          mine.stream()
              .filter(r -> r.margin() != null && !r.margin().isNaN())
              .mapToDouble(RouteRecord::margin)
              .average()
              .orElse(Double.NaN);
      double entropy = mine.stream().mapToDouble(RouteRecord::entropy).average().orElse(Double.NaN);
      assertNear(row.meanMargin(), margin);
      assertNear(row.meanEntropy(), entropy);
    }
  }

  private static void assertNear(double got, double wanted) {
    if (Double.isNaN(wanted)) assertThat(got).isNaN();
    else assertThat(got).isCloseTo(wanted, within(1e-9));
  }

  @Test
  void anyOrderAndAnyPartsGiveTheSameBits() {
    List<Seen> all = seen(2000, 3);
    String whole = count(all).jsonLines();
    List<Seen> mixed = new ArrayList<>(all);
    Collections.shuffle(mixed, new Random(1));
    assertThat(count(mixed).jsonLines()).isEqualTo(whole);
    ExpertUsage merged = new ExpertUsage(LAYERS, List.of("CT", "MRI", "X-ray", "pathology"));
    for (int from = 0; from < 2000; from += 333) {
      merged.merge(count(mixed.subList(from, Math.min(2000, from + 333))));
    }
    assertThat(merged.jsonLines()).isEqualTo(whole);
    assertThat(merged.csv()).isEqualTo(count(all).csv());
  }

  private static RouteRecord at(int layer, int expert) {
    return new RouteRecord(
        0, 0, layer, null, null, new int[] {expert}, new float[] {1}, 1.0, 0.5, null);
  }

  private static ExpertUsage spread(long[]... counts) {
    ExpertUsage usage = new ExpertUsage(List.of(new Layer(0, counts[0].length, 1, "")));
    for (int c = 0; c < counts.length; c++) {
      for (int e = 0; e < counts[c].length; e++) {
        for (long n = 0; n < counts[c][e]; n++) usage.add("site " + c, at(0, e));
      }
    }
    return usage;
  }

  @Test
  void sharesImbalanceAndStarvedExperts() {
    ExpertUsage.Row row = spread(new long[] {6, 1, 93, 0}).rows().getFirst();
    assertThat(row.shares()).containsExactly(0.06, 0.01, 0.93, 0);
    assertThat(row.imbalance()).isEqualTo(3.72);
    assertThat(row.starved(0.1)).containsExactly(1, 3);
    assertThat(row.starved(0.5)).containsExactly(0, 1, 3);
    assertThatThrownBy(() -> row.starved(0)).hasMessageContaining("not in (0, 1]");
    assertThat(spread(new long[] {5, 5}).rows().getFirst().imbalance()).isEqualTo(1);
  }

  @Test
  void cohortsThatShareNoExpertAreWhollyApart() {
    CohortDivergence d =
        spread(new long[] {50, 0, 0}, new long[] {0, 7, 0}, new long[] {0, 0, 900})
            .divergences()
            .getFirst();
    assertThat(d.jensenShannon()).isCloseTo(Math.log(3), within(1e-12));
    assertThat(d.separation()).isCloseTo(1, within(1e-12));
    assertThat(d.totalVariation()).isEqualTo(1);
    assertThat(d.cramersV()).isCloseTo(1, within(1e-12));
  }

  @Test
  void cohortsThatAreRoutedAlikeAreNotApart() {
    CohortDivergence d =
        spread(new long[] {30, 10, 60}, new long[] {3, 1, 6}).divergences().getFirst();
    assertThat(d.jensenShannon()).isCloseTo(0, within(1e-12));
    assertThat(d.totalVariation()).isCloseTo(0, within(1e-12));
    assertThat(d.cramersV()).isCloseTo(0, within(1e-7));
  }

  /** Worked out with pencil and logarithms; chi-square of [[3, 1], [1, 3]] is 2. */
  @Test
  void measuresOfTwoUnevenCohorts() {
    CohortDivergence d =
        spread(new long[] {3, 1}, new long[] {1, 3}, new long[] {2, 2}).divergences().getFirst();
    double uneven = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
    assertThat(d.jensenShannon())
        .isCloseTo(Math.log(2) - (2 * uneven + Math.log(2)) / 3, within(1e-12));
    assertThat(d.totalVariation()).isEqualTo(0.5);
    assertThat(List.of(d.first(), d.second())).containsExactly("site 0", "site 1");
    assertThat(d.cramersV()).isCloseTo(Math.sqrt(2.0 / 12), within(1e-12));
    CohortDivergence one = spread(new long[] {3, 0}, new long[] {9, 0}).divergences().getFirst();
    assertThat(one.cramersV()).isNaN();
    assertThat(one.jensenShannon()).isZero();
  }

  @Test
  void fewerThanTwoCohortsAreNotCompared() {
    assertThat(spread(new long[] {3, 1}).divergences()).isEmpty();
    assertThat(new ExpertUsage(LAYERS).rows()).isEmpty();
    assertThat(new ExpertUsage(LAYERS).text()).isEmpty();
    ExpertUsage usage = new ExpertUsage(LAYERS);
    usage.add("a", at(3, 1));
    usage.add("b", at(3, 2));
    assertThat(usage.divergences()).extracting(CohortDivergence::layer).containsExactly(3);
    assertThat(usage.row("a", 1).imbalance()).isNaN();
    assertThat(usage.row("a", 1).shares()).containsOnly(Double.NaN);
  }

  @Test
  void tablesHoldEveryCohort() {
    ExpertUsage usage = count(seen(300, 5));
    assertThat(usage.text())
        .contains("layer 1\n", "layer 3\n", "pathology", "B, north", "Jensen-Shannon");
    assertThat(usage.csv().lines())
        .hasSize(1 + 3 * (4 + 3))
        .anyMatch(l -> l.startsWith("\"B, north\",3,2,X-ray,"));
    JsonMapper json = JsonMapper.builder().build();
    assertThat(usage.jsonLines().lines().map(json::readTree))
        .hasSize(3 * 2 + 2)
        .filteredOn(n -> n.get("type").asString().equals("usage"))
        .allSatisfy(n -> {
          long routes = 0;
          for (var r : n.get("routes")) routes += r.asLong();
          int perToken = n.get("layer").asInt() == 1 ? 2 : 1;
          assertThat(routes).isEqualTo(perToken * n.get("tokens").asLong());
        });
  }

  @Test
  void recordsOfOtherLayersAndExpertsAreErrors() {
    ExpertUsage usage = new ExpertUsage(LAYERS);
    assertThatThrownBy(() -> usage.add("a", at(2, 0)))
        .hasMessageContaining("layer 2 is not among those counted, [1, 3]");
    assertThatThrownBy(() -> usage.add("a", at(3, 3))).hasMessageContaining("expert 3 of layer 3");
    assertThatThrownBy(() -> usage.merge(spread(new long[] {1}))).hasMessageContaining("merged");
  }

  @Test
  void cohortsAreReadOffRecords() {
    ExpertUsage usage = new ExpertUsage(Trails.header());
    RouteSink sink = usage.by(RouteRecord::part);
    List<RouteRecord> records = Trails.records(10, 4);
    records.forEach(sink::add);
    assertThat(usage.cohorts()).containsExactly("image");
    assertThat(usage.row("image", 0).tokens()).isEqualTo(5);
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.25, -0.25, 1e9, -1e9, 3e-10})
  void exactSumsHoldWhatLongsCannot(double value) {
    ExactSum sum = new ExactSum();
    for (int i = 0; i < 5; i++) sum.add(value);
    for (int doubling = 0; doubling < 40; doubling++) {
      ExactSum twice = new ExactSum();
      twice.add(sum);
      twice.add(sum);
      sum = twice;
    }
    assertThat(sum.count()).isEqualTo(5L << 40);
    assertThat(sum.mean()).isCloseTo(value, within(0x1p-33));
  }

  @Test
  void exactSumsLeaveOutWhatIsNoNumber() {
    ExactSum sum = new ExactSum();
    for (double v : new double[] {Double.NaN, Double.POSITIVE_INFINITY, 0x1p30, 2}) sum.add(v);
    assertThat(sum.count()).isEqualTo(1);
    assertThat(sum.mean()).isEqualTo(2);
    assertThat(new ExactSum().mean()).isNaN();
  }
}
