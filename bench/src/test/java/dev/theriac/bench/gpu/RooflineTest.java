package dev.theriac.bench.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class RooflineTest {
  private static final Card ROUND = Card.of("10,50,100,1000");

  @Test
  void aLargeProductIsBoundByArithmetic() {
    Demand demand = Demand.of("gemm", Map.of("m", 1000L, "n", 1000L, "k", 1000L), 4);
    assertThat(demand.flops()).isEqualTo(2e9);
    assertThat(demand.bytes()).isEqualTo(12e6);
    Roofline line = new Roofline(demand, ROUND, "bf16");
    assertThat(line.computeMicros()).isCloseTo(20, within(1e-9));
    assertThat(line.memoryMicros()).isCloseTo(12, within(1e-9));
    assertThat(line.bound()).isEqualTo("compute");
    assertThat(line.attainableTeraflops()).isCloseTo(100, within(1e-9));
    assertThat(new Roofline(demand, ROUND, "f32").micros()).isCloseTo(200, within(1e-9));
  }

  @Test
  void oneRowIsBoundByMemory() {
    Demand demand = Demand.of("gemm", Map.of("m", 1L, "n", 1000L, "k", 1000L), 2);
    assertThat(demand.bytes()).isEqualTo(2e6 + 8000);
    Roofline line = new Roofline(demand, ROUND, "f32");
    assertThat(line.bound()).isEqualTo("memory");
    assertThat(line.micros()).isCloseTo(2.008, within(1e-9));
    assertThat(line.intensity()).isCloseTo(2e6 / 2.008e6, within(1e-9));
  }

  /** Counted one by one for a small case. */
  @Test
  void aCausalMaskLeavesOutWhatIsNotSeen() {
    int t = 3;
    int s = 5;
    long seen = 0;
    for (int q = 0; q < t; q++) for (int k = 0; k < s; k++) if (k <= s - t + q) seen++;
    Map<String, Long> shape =
        Map.of("batch", 2L, "heads", 4L, "kv", 2L, "t", 3L, "s", 5L, "d", 8L, "causal", 1L);
    Demand forward = Demand.of("attention", shape, 4);
    assertThat(forward.flops()).isEqualTo(2 * 2.0 * 2 * 4 * 8 * seen);
    assertThat(forward.bytes())
        .isEqualTo(4.0 * (2 * 2 * 4 * 3 * 8 + 2 * 2 * 2 * 5 * 8 + 2 * 4 * 3));
    Demand backward = Demand.of("attention-backward", shape, 4);
    assertThat(backward.flops()).isEqualTo(2.5 * forward.flops());
  }

  @Test
  void everyOperationHasADemand() {
    Demand.operations()
        .forEach((operation, names) -> {
          Map<String, Long> numbers = new HashMap<>();
          for (String name : names.split(" ")) numbers.put(name, 64L);
          Demand demand = Demand.of(operation, numbers, 2);
          assertThat(demand.flops()).as(operation).isPositive();
          assertThat(demand.bytes()).as(operation).isPositive();
          assertThat(demand.text()).startsWith(operation + " ");
        });
  }

  @Test
  void cardsAreFoundByTheDriversNames() {
    assertThat(Card.named("NVIDIA H200").name()).isEqualTo("H200");
    assertThat(Card.named("NVIDIA H100 80GB HBM3").name()).isEqualTo("H100");
    assertThat(Card.named("NVIDIA H100 PCIe").name()).isEqualTo("H100-PCIe");
    assertThat(Card.named("NVIDIA A100-SXM4-80GB").name()).isEqualTo("A100-80");
    assertThat(Card.named("NVIDIA A100-SXM4-40GB").name()).isEqualTo("A100-40");
    assertThat(Card.named("NVIDIA L40S").name()).isEqualTo("L40S");
    assertThat(Card.named("NVIDIA L4").name()).isEqualTo("L4");
    assertThat(Card.named("NVIDIA GeForce RTX 4090").name()).isEqualTo("RTX4090");
    for (String other :
        new String[] {
          "Emulated device", "NVIDIA L40", "NVIDIA A10G", "NVIDIA RTX A1000", "NVIDIA A100X"
        }) {
      assertThat(Card.named(other)).as(other).isNull();
    }
  }

  @Test
  void whatIsWrongIsNamed() {
    assertThatThrownBy(() -> Card.of("H900"))
        .hasMessageContaining("H900")
        .hasMessageContaining("H200");
    assertThatThrownBy(() -> Card.of("1,2,3,x")).hasMessageContaining("four numbers");
    assertThatThrownBy(() -> Demand.of("gemv", Map.of(), 4)).hasMessageContaining("gemm");
    assertThatThrownBy(() -> Demand.of("gemm", Map.of("m", 1L), 4)).hasMessageContaining("n=");
    assertThatThrownBy(() -> Demand.of("norm", Map.of("rows", 1L, "d", 0L), 4))
        .hasMessageContaining("d=0");
    assertThatThrownBy(() -> Demand.of("norm", Map.of("rows", 1L, "d", 1L, "q", 1L), 4))
        .hasMessageContaining("\"q\"");
    assertThatThrownBy(() -> new Roofline(Demand.of("adamw", Map.of("n", 1L), 4), ROUND, "f8"))
        .hasMessageContaining("f8");
  }
}
