package dev.theriac.cli;

import dev.theriac.io.Weights;
import dev.theriac.moe.medmoe.MedMoe;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/** Lists what is in a model. */
@Command(
    name = "inspect",
    description = "Lists the tensors of a safetensors file or model folder, and counts parameters.")
final class InspectCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;

  @Parameters(
      paramLabel = "DIR|FILE",
      description = "A model folder, a checkpoint, or another safetensors or PyTorch file.")
  private Path path;

  @Override
  public Integer call() {
    PrintWriter out = theriac.out();
    Weights file = Weights.open(path);
    new TreeMap<>(file.metadata())
        .forEach((key, value) -> out.printf("%s = %s%n", key, shortened(value)));
    long total = 0;
    long bytes = 0;
    Map<String, Long> byType = new TreeMap<>();
    int width = file.keys().stream().mapToInt(String::length).max().orElse(0);
    for (String key : file.keys()) {
      Weights.Entry entry = file.entry(key);
      long size = Arrays.stream(entry.shape()).reduce(1, (a, b) -> a * b);
      total += size;
      bytes += entry.bytes();
      byType.merge(entry.dtype(), 1L, Long::sum);
      out.printf("%-" + Math.max(1, width) + "s  %-4s %s%n", key, entry.dtype(), shape(entry));
    }
    out.printf("tensors            %,d %s%n", file.keys().size(), byType);
    out.printf("values             %,d in %,d bytes%n", total, bytes);
    if (Files.isRegularFile(path.resolve("config.json"))) {
      MedMoe model = MedMoe.load(path);
      out.printf("parameters         %,d%n", model.parameterCount());
      out.printf("active for a token %,d%n", model.activeParameters());
      out.printf(
          "experts            %s%n", model.moe() == null ? "none, a dense model" : model.moe());
    }
    return 0;
  }

  private static String shape(Weights.Entry entry) {
    return Arrays.toString(entry.shape()).replace(", ", " x ");
  }

  private static String shortened(String value) {
    return value.length() <= 200 ? value : value.substring(0, 200) + "...";
  }
}
