package dev.theriac.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PhiloxTest {
  private static String block(long seed, long stream, long counter) {
    int[] out = new int[4];
    Philox.block(seed, stream, counter, out);
    return "%08x %08x %08x %08x".formatted(out[0], out[1], out[2], out[3]);
  }

  /** Known answers of Philox4x32-10 from the Random123 distribution (kat_vectors). */
  @Test
  void knownAnswers() {
    assertThat(block(0, 0, 0)).isEqualTo("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    assertThat(block(-1, -1, -1)).isEqualTo("408f276d 41c83b0e a20bc7c6 6d5451fd");
    assertThat(block(0x299f31d0a4093822L, 0x0370734413198a2eL, 0x85a308d3243f6a88L))
        .isEqualTo("d16cfe09 94fdcceb 5001e420 24126ea1");
  }

  @Test
  void wordsAreThoseOfTheBlocks() {
    int[] out = new int[4];
    for (long i = 0; i < 40; i++) {
      Philox.block(7, 9, i / 4, out);
      assertThat(Philox.word(7, 9, i)).isEqualTo(out[(int) (i % 4)]);
    }
    Philox.block(7, 9, 1L << 40, out);
    assertThat(Philox.word(7, 9, (1L << 42) + 3)).isEqualTo(out[3]);
  }

  @Test
  void uniformIsInTheHalfOpenInterval() {
    assertThat(Philox.uniform(0)).isZero();
    assertThat(Philox.uniform(-1)).isLessThan(1).isGreaterThan(0.9999f);
  }

  @Test
  void streamsDifferAndTheStateIsThePosition() {
    Rng rng = new Rng(5);
    int[] first = {rng.nextInt(), rng.nextInt(), rng.nextInt()};
    Rng resumed = new Rng(5, 0, 1);
    assertThat(resumed.nextInt()).isEqualTo(first[1]);
    assertThat(resumed.position()).isEqualTo(2);
    assertThat(rng.split(1).nextInt()).isNotEqualTo(first[0]);
    assertThat(rng.split(0).nextInt()).isEqualTo(first[0]);
    assertThat(rng.reserve(10)).isEqualTo(3);
    assertThat(rng.position()).isEqualTo(13);
  }

  @Test
  void momentsAreThoseOfTheDistributions() {
    Rng rng = new Rng(11);
    int n = 40_000;
    double sum = 0;
    double squares = 0;
    double uniform = 0;
    int[] counts = new int[7];
    for (int i = 0; i < n; i++) {
      double z = rng.nextGaussian();
      sum += z;
      squares += z * z;
      uniform += rng.nextFloat();
      counts[rng.nextInt(7)]++;
    }
    // Five standard deviations of each mean.
    assertThat(Math.abs(sum / n)).isLessThan(5 / Math.sqrt(n));
    assertThat(Math.abs(squares / n - 1)).isLessThan(5 * Math.sqrt(2.0 / n));
    assertThat(Math.abs(uniform / n - 0.5)).isLessThan(5 * Math.sqrt(1.0 / 12 / n));
    for (int count : counts) {
      assertThat(Math.abs(count - n / 7.0)).isLessThan(5 * Math.sqrt(n / 7.0));
    }
  }

  @Test
  void permutationsHoldEveryNumberOnce() {
    for (int n : new int[] {0, 1, 3, 17, 129}) {
      int[] p = new Rng(3).permutation(n);
      assertThat(p).hasSize(n).doesNotHaveDuplicates();
      for (int v : p) assertThat(v).isBetween(0, n - 1);
    }
  }
}
