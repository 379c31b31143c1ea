package dev.theriac.cli.result;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ResultTableTest {
  @TempDir Path folder;

  private static final ResultTable DENSE =
      new ResultTable(80, 0.9, 0.85, null, null, 100, 100, 9000, null, null);
  private static final ResultTable TABLE =
      new ResultTable(160.5, 0.95, 0.875, 0.99, null, 300, 150, 6000, null, DENSE);

  @Test
  void hasTheKeysThatMachinesRead() {
    JsonNode json = JsonMapper.shared().readTree(TABLE.json());
    assertThat(json.propertyNames())
        .containsExactlyInAnyOrder(
            "seconds",
            "closed_accuracy",
            "open_recall",
            "router_accuracy",
            "parameters_total",
            "parameters_active",
            "tokens_per_second",
            "dense");
    assertThat(json.path("dense").path("closed_accuracy").asDouble()).isEqualTo(0.9);
    assertThat(json.path("dense").propertyNames())
        .as("the same keys")
        .containsExactlyInAnyOrderElementsOf(
            json.propertyNames().stream().filter(key -> !key.equals("dense")).toList());
    assertThat(json.path("dense").path("router_accuracy").isNull()).isTrue();
    ResultTable open = new ResultTable(1, null, 0.5, null, null, 1, 1, 1, null, null);
    assertThat(ResultTable.parse(open.json())).isEqualTo(open);
    ResultTable classified = new ResultTable(1, 0.8, null, null, 0.83, 1, 1, 1, null, null);
    assertThat(JsonMapper.shared().readTree(classified.json()).path("test_accuracy").asDouble())
        .isEqualTo(0.83);
  }

  @Test
  void refusesATableWithoutItsFigures() {
    assertThatThrownBy(() -> ResultTable.parse("{\"seconds\": 1}"))
        .hasMessageContaining("closed_accuracy");
    assertThatThrownBy(() -> ResultTable.parse(TABLE.json().replace("seconds", "second")))
        .hasMessageContaining("second");
  }

  @Test
  void writesWholeFiles() throws IOException {
    Path file = folder.resolve("out/result.json");
    ResultTable.requireWritable(file);
    assertThat(file).doesNotExist();
    TABLE.write(file);
    assertThat(ResultTable.parse(Files.readString(file))).isEqualTo(TABLE);
    DENSE.write(file);
    assertThat(ResultTable.parse(Files.readString(file))).isEqualTo(DENSE);
    try (var files = Files.list(folder.resolve("out"))) {
      assertThat(files).as("nothing left over").containsExactly(file);
    }
  }

  @Test
  void saysBeforehandThatAFileCannotBeWritten() throws IOException {
    Path file = Files.writeString(folder.resolve("f"), "x");
    assertThatThrownBy(() -> ResultTable.requireWritable(file.resolve("below")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("below")
        .hasMessageContaining("cannot be written");
    assertThatThrownBy(() -> ResultTable.requireWritable(folder)).hasMessageContaining("folder");
    assertThat(Files.readString(file)).isEqualTo("x");
  }
}
