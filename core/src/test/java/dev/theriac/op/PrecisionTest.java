package dev.theriac.op;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Holds {@code docs/PRECISION.md} to the tolerances that the tests enforce. */
class PrecisionTest {
  /** Cells of each row, by operation. */
  private static Map<String, List<String>> rows() throws IOException {
    Path dir = Path.of("").toAbsolutePath();
    while (!Files.exists(dir.resolve("docs/PRECISION.md"))) dir = dir.getParent();
    Map<String, List<String>> rows = new TreeMap<>();
    for (String line : Files.readAllLines(dir.resolve("docs/PRECISION.md"))) {
      // What follows has limits of its own.
      if (line.equals("## CUDA")) break;
      if (!line.startsWith("| ") || line.startsWith("| Operation")) continue;
      List<String> cells = Arrays.stream(line.split("\\|")).skip(1).map(String::strip).toList();
      rows.put(cells.getFirst(), cells.subList(1, cells.size()));
    }
    return rows;
  }

  @Test
  void documentedTolerancesAreThoseOfTheTests() throws IOException {
    Map<String, List<String>> rows = rows();
    assertThat(rows.keySet()).isEqualTo(Tolerances.F32.keySet());
    rows.forEach((operation, cells) -> {
      assertThat(Double.parseDouble(cells.get(0)))
          .as("%s in F32", operation)
          .isEqualTo(Tolerances.F32.get(operation));
      assertThat(cells.get(1)).isEqualTo("%.3g".formatted(Tolerances.of(operation, DType.BF16)));
      assertThat(cells.get(2)).isEqualTo("%.3g".formatted(Tolerances.of(operation, DType.F16)));
    });
  }

  @Test
  void documentedMeasurementsLieWithinTheTolerances() throws IOException {
    rows()
        .forEach((operation, cells) -> {
          assertThat(cells.size()).as(operation).isGreaterThanOrEqualTo(4);
          for (String cell : cells.subList(3, cells.size())) {
            assertThat(Double.parseDouble(cell))
                .as("measured error of %s", operation)
                .isLessThanOrEqualTo(Tolerances.F32.get(operation));
          }
        });
  }
}
