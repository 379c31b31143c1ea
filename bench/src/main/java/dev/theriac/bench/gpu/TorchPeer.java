package dev.theriac.bench.gpu;

import dev.theriac.bench.frame.Processes;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Times of PyTorch on the same device, taken by a script before ours. */
final class TorchPeer {
  private static final String SCRIPT = "/dev/theriac/bench/gpu/gpu_peer.py";
  private static final Duration LIMIT = Duration.ofMinutes(15);

  private final Map<String, Double> micros = new HashMap<>();
  private final String note;

  private TorchPeer(String note) {
    this.note = note;
  }

  /** Without times. */
  static TorchPeer none(String why) {
    return new TorchPeer(why);
  }

  /**
   * Runs the script.
   *
   * @param problems lines as {@link LabProblem#torch} gives them
   */
  static TorchPeer run(Path python, List<String> problems, int rounds, double seconds) {
    try {
      Path folder = Files.createTempDirectory("theriac-bench");
      Path script = folder.resolve("gpu_peer.py");
      Path list = folder.resolve("problems.txt");
      try {
        try (InputStream in = TorchPeer.class.getResourceAsStream(SCRIPT)) {
          if (in == null) throw new IllegalStateException("theriac-bench lacks " + SCRIPT);
          Files.write(script, in.readAllBytes());
        }
        Files.write(list, problems, StandardCharsets.UTF_8);
        List<String> command = new ArrayList<>(List.of(python.toString(), script.toString()));
        command.addAll(List.of(list.toString(), "" + rounds, "" + seconds));
        return parse(Processes.run(new ProcessBuilder(command), LIMIT).text());
      } finally {
        Files.deleteIfExists(script);
        Files.deleteIfExists(list);
        Files.deleteIfExists(folder);
      }
    } catch (IOException | IllegalStateException e) {
      return none("PyTorch did not run: " + e.getMessage());
    }
  }

  /** Reads what the script prints: a line on itself, then precision, microseconds and problem. */
  static TorchPeer parse(String printed) {
    List<String> lines = printed.lines().toList();
    TorchPeer peer = new TorchPeer(lines.isEmpty() ? "PyTorch said nothing" : lines.getFirst());
    for (String line : lines.subList(Math.min(1, lines.size()), lines.size())) {
      String[] parts = line.split("\t");
      if (parts.length != 3) continue;
      peer.micros.put(parts[0] + " " + parts[2], Double.valueOf(parts[1]));
    }
    return peer;
  }

  /** A call's time, or null where it was not measured. */
  Double micros(String problem, String precision) {
    return micros.get(precision + " " + problem);
  }

  /** What ran, or why nothing did. */
  String note() {
    return note;
  }
}
