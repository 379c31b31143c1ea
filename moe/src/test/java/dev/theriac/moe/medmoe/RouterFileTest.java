package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.moe.Router;
import dev.theriac.moe.Routing;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The published routers give the logits that PyTorch computes with them. */
class RouterFileTest {
  /** Half a unit in the last of five places, and what sums of 2,560 terms in F32 may differ by. */
  private static final double PLACES = 0.5e-5 + 0.2e-5;

  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  @ParameterizedTest
  @CsvSource({
    "phi, 2560, ones, 2.08565 -1.73692 -1.67626 0.44589, .80701 .01765 .01875 .15658, 0",
    "phi, 2560, sines, 1.85648 0.83002 -0.37359 0.03123, .61464 .22021 .06609 .09907, 0",
    "phi, 2560, ramp, 0.43824 0.21982 -0.55001 -0.42778, .38511 .30955 .14335 .16199, 0",
    "phi, 2560, signs, -3.12145 1.19786 -0.32859 -0.48815, .00940 .70628 .15348 .13084, 1",
    "stablelm, 2048, ones, 0.22844 0.63157 -2.31218 -0.34690, .31869 .47692 .02512 .17927, 1",
    "stablelm, 2048, sines, -0.49068 0.50369 -0.93158 -0.45153, .18565 .50182 .11946 .19306, 1",
    "stablelm, 2048, ramp, 0.05895 -0.55221 0.02057 0.80014, .21723 .11789 .20905 .45583, 3",
    "stablelm, 2048, signs, -2.61405 1.40142 -1.22319 1.78992, .00703 .38982 .02825 .57490, 3"
  })
  void publishedRoutersGiveTheirLogits(
      String model, int dim, String input, String logits, String softmax, int expert) {
    Path file = sharedData(model + "_router.pth");
    assumeTrue(file != null, "SKIPPED: no ../shared/data/%s_router.pth".formatted(model));
    Router router = RouterFile.read(file);
    assertThat(router.experts()).isEqualTo(4);
    assertThat(router.config().dim()).isEqualTo(dim);
    Tensor x = input(input, dim);
    assertThat(router.logits(x).toFloats()).containsExactly(floats(logits), within((float) PLACES));
    Routing routing = router.route(x);
    assertThat(routing.scores().toFloats())
        .containsExactly(floats(softmax), within((float) PLACES));
    assertThat(routing.experts().toLongs()).containsExactly(expert);
    assertThat(routing.weights().item()).isEqualTo(routing.scores().toFloats()[expert]);
  }

  private static Tensor input(String name, int dim) {
    IntToDoubleFunction value =
        switch (name) {
          case "ones" -> _ -> 1;
          case "sines" -> j -> Math.sin(0.01 * (j + 1));
          case "ramp" -> j -> (double) j / dim - 0.5;
          default -> j -> 1 - 2 * (j % 2);
        };
    float[] x = new float[dim];
    for (int j = 0; j < dim; j++) x[j] = (float) value.applyAsDouble(j);
    return Tensor.of(x, 1, dim);
  }

  private static float[] floats(String text) {
    String[] parts = text.split(" ");
    float[] out = new float[parts.length];
    for (int i = 0; i < out.length; i++) out[i] = Float.parseFloat(parts[i]);
    return out;
  }

  @Test
  void otherFilesAreToldApart() {
    Tensor weight = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    Tensor bias = Tensor.of(new float[] {1, 2}, 2);
    Router router = RouterFile.read(write("good", weight.to(DType.BF16), bias));
    assertThat(router.logits(Tensor.ones(1, 3)).toFloats()).containsExactly(7, 17);
    assertThatThrownBy(() -> RouterFile.read(write("rows", weight, Tensor.zeros(3))))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll("rows", "F32[2, 3]", "F32[3]", "[experts, dim]");
    assertThatThrownBy(() -> RouterFile.read(write("whole", Tensor.of(new long[6], 2, 3), bias)))
        .hasMessageContainingAll("whole", "I64[2, 3]");
    Path file = dir.resolve("other.safetensors");
    SafeTensors.write(file, Map.of("wg.weight", weight), Map.of());
    assertThatThrownBy(() -> RouterFile.read(file))
        .hasMessageContainingAll("other.safetensors", "wg.weight", "fc1.weight", "fc1.bias");
  }

  private Path write(String name, Tensor weight, Tensor bias) {
    Map<String, Tensor> both = new LinkedHashMap<>();
    both.put("fc1.weight", weight);
    both.put("fc1.bias", bias);
    Path file = dir.resolve(name);
    SafeTensors.write(file, both, Map.of());
    return file;
  }

  /** {@code theriac.data}, or shared/data beside the project or above it; null when absent. */
  private static Path sharedData(String name) {
    String set = System.getProperty("theriac.data");
    if (set != null) return Path.of(set, name);
    for (Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      Path file = p.resolve("shared").resolve("data").resolve(name);
      if (Files.exists(file)) return file;
    }
    return null;
  }
}
