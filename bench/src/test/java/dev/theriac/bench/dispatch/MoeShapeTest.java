package dev.theriac.bench.dispatch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.bench.dispatch.DispatchProblem.Values;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class MoeShapeTest {
  /** Section 11.1 of the survey: forward GFLOP; weights there in bf16, 2 bytes. */
  @Test
  void countsAsTheSurveyDoes() {
    check("S", 1.61, 6.3);
    check("M", 12.88, 50.3);
    check("L", 53.15, 276.8);
    check("Q1", 0.08, 75.5);
  }

  private static void check(String id, double gigaflops, double megabytes) {
    MoeShape shape = MoeShape.of(id);
    long used = id.equals("Q1") ? 8 : shape.experts();
    assertThat(shape.forward(used).flops() / 1e9).isCloseTo(gigaflops, within(0.006));
    assertThat(shape.weightBytes(used) / 2 / 1e6).isCloseTo(megabytes, within(0.06));
    // dX and dW each repeat the forward's arithmetic: a training step is three times as much.
    assertThat(shape.forwardBackward(used).flops()).isEqualTo(3 * shape.forward(used).flops());
    // The two products are all of the forward's arithmetic.
    assertThat(shape.gemm1(used).flops() + shape.gemm2(used).flops())
        .isEqualTo(shape.forward(used).flops());
  }

  @Test
  void bytesByHand() {
    MoeShape s = MoeShape.of("S"); // T 1024, d 256, n 512, E 8, k 2, gated
    double weights = 4.0 * 8 * 3 * 256 * 512;
    assertThat(s.weightBytes(8)).isEqualTo(weights);
    assertThat(s.forward(8).bytes()).isEqualTo(weights + 2 * 4.0 * 1024 * 256 + 12 * 2048);
    assertThat(s.gather().bytes()).isEqualTo(4.0 * 256 * (1024 + 2048));
    assertThat(s.optimiser().bytes()).isEqualTo(7 * weights);
    double rows = 8.0 * (3 * 2048 + 8 + 1024) + 8.0 * 2048;
    assertThat(s.savedBytes())
        .isEqualTo(3 * 4.0 * 1024 * 256 + 2 * 4.0 * 2048 * 512 + rows + weights);
  }

  @Test
  void theMetaExpertTakesEveryToken() {
    DispatchProblem problem = DispatchProblem.parse("stablelm:uniform");
    MoeShape shape = problem.shape();
    assertThat(shape.groups()).isEqualTo(5);
    assertThat(shape.rows()).isEqualTo(2048);
    long[] counts = problem.counts();
    assertThat(counts[4]).isEqualTo(1024);
    assertThat(Arrays.stream(counts).sum()).isEqualTo(2048);
    assertThat(problem.weight(1)).isEqualTo(1f);
    assertThat(problem.weight(0)).isBetween(0.25f, 0.75f);
  }

  @Test
  void spreadsAsItSays() {
    assertThat(DispatchProblem.parse("tiny:round-robin").counts()).containsOnly(12);
    assertThat(DispatchProblem.parse("tiny:all-to-one").spread())
        .isEqualTo("all-to-one, max/mean 2.00, 2 empty");
    assertThat(DispatchProblem.parse("tiny:all-to-one").used()).isEqualTo(2);
    assertThatThrownBy(() -> DispatchProblem.parse("tiny:odd").ids()).hasMessageContaining("odd");
    assertThatThrownBy(() -> DispatchProblem.parse("tiny")).hasMessageContaining("SHAPE:ROUTING");
    assertThatThrownBy(() -> MoeShape.of("XXL")).hasMessageContaining("no shape \"XXL\"");
  }

  /** moe_peer.py computes the same ones: its first five numbers of tensor 5. */
  @Test
  void numbersAreFunctionsOfTheirPlace() {
    Values values = new Values(5, 1, 0);
    float[] first = new float[VALUES.length];
    for (int i = 0; i < first.length; i++) first[i] = values.at(i);
    assertThat(first).containsExactly(VALUES);
  }

  private static final float[] VALUES = {
    -0.5255471467971802f,
    -0.5344886779785156f,
    -0.7589184045791626f,
    0.018828868865966797f,
    0.9902709722518921f
  };
}
