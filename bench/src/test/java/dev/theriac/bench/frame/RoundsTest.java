package dev.theriac.bench.frame;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.bench.frame.PeerProcess.Pages;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which of several processes counts, shown with made-up times. */
class RoundsTest {
  private static final int COUNT = 3;

  private static BenchOptions options(List<String> notes) {
    return new BenchOptions(
        List.of(1), false, true, null, null, List.of(), COUNT, 0.001, notes::add);
  }

  @Test
  void ofOneEngineInTwoSettingsTheFasterCountsInEachRow() throws Exception {
    try (Rounds rounds = new Rounds(options(new ArrayList<>()), 1, COUNT)) {
      rounds.add(FakePeer.start(Pages.USUAL, "ours", "norm=10", "gelu=20", "exp=30"));
      PeerProcess usual = FakePeer.start(Pages.USUAL, "rival 1", "norm=15", "gelu=60", "exp=31");
      PeerProcess large = FakePeer.start(Pages.LARGE, "rival 1", "norm=45", "gelu=30");
      rounds.add(usual);
      rounds.add(large);
      PeerProcess third = FakePeer.start(Pages.USUAL, "rival 2", "norm=12", "gelu=90");
      rounds.add(third);
      for (String stage : List.of("norm", "gelu", "exp")) {
        rounds.measure(List.of(stage), List.of());
      }

      Row norm = row(rounds, "norm");
      assertThat(norm.rival()).isEqualTo("rival 2");
      assertThat(norm.others()).containsOnlyKeys("rival 1", "rival 2");
      assertThat(norm.others().get("rival 1")).isEqualTo(15);
      Row gelu = row(rounds, "gelu");
      assertThat(gelu.rival()).isEqualTo("rival 1, 2 MiB pages");
      assertThat(gelu.rivalMedianUs()).isEqualTo(30);
      assertThat(gelu.ratio()).isCloseTo(1.5, within(1e-9));
      assertThat(gelu.others()).containsOnlyKeys("rival 1, 2 MiB pages", "rival 2");
      assertThat(row(rounds, "exp").rival()).isEqualTo("rival 1");

      assertThat(rounds.timed("norm")).containsExactly(rounds.peers().getFirst(), usual, third);
      assertThat(rounds.timed("gelu")).containsExactly(rounds.peers().getFirst(), large, third);
      assertThat(runs(large, "norm"))
          .as("runs of the slower one")
          .isEqualTo(runs(usual, "norm") - COUNT);
    }
  }

  @Test
  void theBestOfTheWarmUpDecides() throws Exception {
    try (Rounds rounds = new Rounds(options(new ArrayList<>()), 1, COUNT)) {
      rounds.add(FakePeer.start(Pages.USUAL, "ours", "norm=10"));
      // The one is disturbed once, the other slow at first: 3 is as fast as it gets.
      PeerProcess disturbed = FakePeer.start(Pages.USUAL, "rival", "norm=5,500,5,5");
      PeerProcess settles = FakePeer.start(Pages.LARGE, "rival", "norm=900,30,3,3,3");
      rounds.add(disturbed);
      rounds.add(settles);
      rounds.measure(List.of("norm"), List.of());
      assertThat(rounds.timed("norm")).containsExactly(rounds.peers().getFirst(), settles);
      assertThat(row(rounds, "norm").rivalMedianUs()).isEqualTo(3);
    }
  }

  @Test
  void ourEngineAloneIsWarmedUpForSoLong() throws Exception {
    try (Rounds rounds = new Rounds(options(new ArrayList<>()), 1, COUNT)) {
      // A call of a fifth of a second, as far as the frame knows.
      PeerProcess ours = FakePeer.start(Pages.USUAL, "ours", "step=200000");
      PeerProcess rival = FakePeer.start(Pages.USUAL, "rival", "step=200000");
      rounds.add(ours);
      rounds.add(rival);
      rounds.warmAtLeast(3);
      rounds.measure(List.of("step"), List.of());
      assertThat(runs(ours, "step")).isBetween(15.0 + COUNT, 16.0 + COUNT);
      assertThat(runs(rival, "step")).isLessThan(5.0 + COUNT);
    }
  }

  @Test
  void aRivalThatDoesNotStartIsLeftOutOnce() throws Exception {
    List<String> notes = new ArrayList<>();
    try (Rounds rounds = new Rounds(options(notes), 1, COUNT)) {
      rounds.addRival("gemm", "libtorch", "no shape");
      assertThat(rounds.peers()).isEmpty();
    }
    assertThat(notes).hasSize(1);
    assertThat(notes.getFirst()).startsWith("libtorch is left out");
  }

  private static Row row(Rounds rounds, String stage) {
    return rounds.row(stage, "shape", null, null, List.of());
  }

  private static double runs(PeerProcess peer, String stage) throws Exception {
    return peer.values(stage, new long[] {0})[0];
  }
}
