package dev.theriac.bench.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Percentage.withPercentage;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.theriac.bench.frame.BenchOptions;
import dev.theriac.bench.frame.BenchReport;
import dev.theriac.bench.frame.Figures;
import dev.theriac.bench.frame.Processes;
import dev.theriac.cuda.Cuda;
import dev.theriac.cuda.Laboratory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class GpuBenchTest {
  private static final Path EMULATOR = Path.of("../cuda-kernels/target/emu").toAbsolutePath();

  @TempDir private Path temp;

  /** What the program in the emulated device's environment does: the benchmark, as JSON. */
  static final class Emulated {
    private Emulated() {}

    public static void main(String[] args) throws Exception {
      BenchReport report =
          args.length == 1
              ? new GpuBench().run(options(List.of(), List.of()))
              : new GpuBench().run(asOnACard(args[1]), Gpu.open(Card.of("H200")));
      report.writeJson(Path.of(args[0]));
      System.out.println(report.text());
      System.out.println(GpuDispatchBenchmark.obstacle());
    }
  }

  private static BenchOptions options(List<String> parts, List<String> cases) {
    return new BenchOptions(List.of(1), false, true, null, null, parts, cases, 0, 0, line -> {});
  }

  private static BenchOptions asOnACard(String name) {
    return new BenchOptions(
        List.of(1), false, true, null, null, List.of("attention"), List.of(name), 2, 1e-6, x -> {});
  }

  private record Ran(JsonNode tables, JsonNode failures, String text) {}

  /** Runs the benchmark in a JVM that finds the emulated driver under the real one's name. */
  private Ran emulated(String... cases) throws Exception {
    assumeTrue(Files.exists(EMULATOR.resolve("libcuda.so.1")), "no emulated device was built");
    assumeTrue(System.getProperty("os.arch").equals("amd64"), "JCuda does not exist here");
    Path json = temp.resolve("gpu.json");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    command.add("--enable-native-access=ALL-UNNAMED");
    // JCuda unpacks its libraries there under fixed names.
    command.add("-Djava.io.tmpdir=" + temp);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(Emulated.class.getName(), json.toString()));
    command.addAll(List.of(cases));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("LD_LIBRARY_PATH", EMULATOR.toString());
    builder.environment().put("CUEMU_KERNELS", EMULATOR.resolve("libkernels_host.so").toString());
    String text = Processes.run(builder, Duration.ofMinutes(3)).text();
    JsonNode root = JsonMapper.builder().build().readTree(Files.readString(json));
    return new Ran(root.get("tables"), root.get("failures"), text);
  }

  @Test
  void onAnEmulatedDeviceEverythingIsCheckedAndNothingTimed() throws Exception {
    Ran ran = emulated();
    assertThat(ran.failures).as(ran.text).isEmpty();
    assertThat(ran.text).contains("Emulated CUDA device", "emulated: not timed");

    JsonNode checks = ran.tables.get("checks");
    int right = 0;
    for (JsonNode family : checks) {
      assertThat(family.get("right").asInt() + family.get("no kernel").asInt())
          .as(family.toString())
          .isEqualTo(family.get("checks").asInt());
      right += family.get("right").asInt();
    }
    assertThat(right).isGreaterThan(20);

    int compared = 0;
    for (String operation : List.of("attention", "grouped")) {
      for (JsonNode row : ran.tables.get(operation)) {
        assertThat(row.get("us").isNull()).as(row.toString()).isTrue();
        assertThat(row.get("TFLOP/s").isNull()).isTrue();
        assertThat(row.get("state").asString()).isEqualTo("right; emulated: not timed");
        assertThat(row.get("error").asDouble()).isBetween(0.0, row.get("at most").asDouble());
        compared++;
      }
    }
    int attention = Laboratory.attention().size();
    assertThat(compared).isEqualTo(5 * attention + 6 * 6 + 5);
    for (JsonNode version : ran.tables.get("versions")) {
      assertThat(version.get("idea").asString()).endsWith(".");
    }
    assertThat(ran.tables.get("dispatch").size()).isEqualTo(2);
    // It is no card, and the benchmark in JMH knows.
    assertThat(ran.tables.get("catalogue").size()).isZero();
    assertThat(ran.text.strip()).endsWith("emulated: not timed");
  }

  /** What happens on a card, with the emulated device in its place: the figures say nothing. */
  @Test
  void onACardRightVersionsAreTimedAndTheirKernelsListed() throws Exception {
    Ran ran = emulated("decode-4096/tiled");
    assertThat(ran.failures).as(ran.text).isEmpty();
    assertThat(ran.tables.get("attention").size()).isEqualTo(1);
    JsonNode row = ran.tables.get("attention").get(0);
    double us = row.get("us").asDouble();
    assertThat(row.get("state").asString()).isEqualTo("right");
    assertThat(us).isPositive();
    Demand demand = AttentionProblem.all().getLast().demand(4);
    assertThat(row.get("TFLOP/s").asDouble())
        .isCloseTo(demand.flops() / us / 1e6, withPercentage(1));
    assertThat(row.get("GB/s").asDouble()).isCloseTo(demand.bytes() / us / 1e3, withPercentage(1));
    double bound = new Roofline(demand, Card.of("H200"), "f32").micros();
    assertThat(row.get("of bound").asDouble()).isCloseTo(bound / us, withPercentage(1));
    assertThat(ran.tables.has("bounds")).isFalse();
    List<String> kernels = new ArrayList<>();
    ran.tables.get("catalogue").forEach(line -> kernels.add(line.get("kernel").asString()));
    assertThat(kernels).contains("attention_forward_f32_128", "attention_merge");
  }

  @Test
  void withoutADeviceTheBoundsStandAlone() {
    assumeFalse(Cuda.isAvailable(), "this machine has a device");
    BenchReport report = new GpuBench().run(options(List.of(), List.of()));
    assertThat(report.failures()).isEmpty();
    assertThat(report.text())
        .contains("none: nothing ran, nothing was timed")
        .contains(Cuda.unavailabilityCause());
    Figures attention = report.figures("attention");
    assertThat(attention.size()).isEqualTo(5 * Laboratory.attention().size());
    for (int i = 0; i < attention.size(); i++) {
      assertThat(attention.cell(i, "us")).isNull();
      assertThat(attention.cell(i, "state")).isEqualTo("no device: did not run");
    }
    Figures bounds = report.figures("bounds");
    assertThat(bounds.size()).isEqualTo(3 * (5 + 6 + 2 * 5));
    // Weights of 8 experts, 4096 rows of both sides and 9 offsets at 3350 GB/s: longer than the
    // arithmetic takes.
    double bytes = 4.0 * 8 * 14336 * 4096 + 4.0 * 4096 * (14336 + 4096) + 8 * 9;
    int mixtral = row(bounds, "grouped/mixtral:", "bf16");
    assertThat((Double) bounds.cell(mixtral, "H100 us"))
        .isCloseTo(bytes / 3350e3, withPercentage(0.01));
    assertThat(report.figures("catalogue").size()).isZero();
    assertThat(GpuDispatchBenchmark.obstacle()).startsWith("no device: ");
  }

  private static int row(Figures table, String operation, String precision) {
    for (int i = 0; i < table.size(); i++) {
      if (table.cell(i, "operation").toString().startsWith(operation)
          && table.cell(i, "precision").equals(precision)) {
        return i;
      }
    }
    throw new AssertionError("no row " + operation);
  }

  @Test
  void groupsHoldAllRows() {
    for (GroupedProblem problem : GroupedProblem.all()) {
      long[] offsets = problem.offsets();
      assertThat(offsets).hasSize(problem.experts() + 1).isSorted();
      assertThat(offsets[problem.experts()]).isEqualTo(problem.rows());
      assertThat(problem.torch().split(" ")).hasSize(3 + offsets.length);
    }
  }

  @Test
  void readsWhatThePeerPrints() {
    TorchPeer peer =
        TorchPeer.parse("PyTorch 2.7.1 on H100\nbf16\t12.5\tgrouped 4 8 0 3\nnonsense\n");
    assertThat(peer.note()).isEqualTo("PyTorch 2.7.1 on H100");
    assertThat(peer.micros("grouped 4 8 0 3", "bf16")).isEqualTo(12.5);
    assertThat(peer.micros("grouped 4 8 0 3", "f32")).isNull();
    assertThat(TorchPeer.parse("").note()).isEqualTo("PyTorch said nothing");
  }

  @Test
  void aPythonThatIsNotThereIsNamed() {
    TorchPeer peer = TorchPeer.run(temp.resolve("no-python"), List.of("grouped 4 8 0 3"), 1, 0.01);
    assertThat(peer.note()).startsWith("PyTorch did not run: ").contains("no-python");
  }
}
