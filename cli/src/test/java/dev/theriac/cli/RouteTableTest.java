package dev.theriac.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.moe.audit.RouteRecord;
import java.util.List;
import org.junit.jupiter.api.Test;

class RouteTableTest {
  private static RouteRecord record(int position, boolean unusable) {
    return new RouteRecord(
        0, position, 3, null, null, new int[] {1}, new float[] {1}, 0.0, 0, null, unusable);
  }

  @Test
  void decisionsThatMeanNothingAreTold() {
    assertThat(RouteTable.unusable(List.of(record(0, false)))).isNull();
    assertThat(
            RouteTable.unusable(
                List.of(record(0, false), record(7, true), record(8, true), record(9, false))))
        .contains("2 of 4 decisions", "layer 3, position 7");
  }
}
