package dev.theriac.bench.frame;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A program that speaks as {@link Peer} does and has made-up times: those of a stage are used one
 * call after the other, the last one ever after. The value of a stage's name is how often it ran.
 */
final class FakePeer {
  private FakePeer() {}

  /**
   * Starts one.
   *
   * @param stages such as "a=5" or "a=9,8,5", microseconds
   */
  static PeerProcess start(PeerProcess.Pages pages, String name, String... stages)
      throws IOException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classes = System.getProperty("java.class.path");
    List<String> command =
        List.of(
            java,
            "-XX:TieredStopAtLevel=1",
            "-cp",
            classes,
            FakePeer.class.getName(),
            name,
            String.join(" ", stages));
    return new PeerProcess(command, 1, pages);
  }

  /** Arguments: name, stages. */
  public static void main(String[] args) throws IOException {
    Map<String, String[]> times = new TreeMap<>();
    for (String stage : args[1].split(" ")) {
      times.put(stage.split("=")[0], stage.split("=")[1].split(","));
    }
    Map<String, Integer> calls = new TreeMap<>();
    System.out.println("= " + args[0]);
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split("\t");
      System.out.println(
          "= "
              + switch (words[0]) {
                case "stages" -> String.join("\t", times.keySet());
                case "run" -> {
                  String[] all = times.get(words[1]);
                  int call = calls.merge(words[1], 1, Integer::sum) - 1;
                  String time = all[Math.min(call, all.length - 1)];
                  yield time + " " + time + " 1";
                }
                case "values" ->
                    Arrays.stream(words)
                        .skip(2)
                        .map(_ -> calls.getOrDefault(words[1], 0).toString())
                        .reduce("", (a, b) -> a + " " + b);
                default -> "";
              });
    }
  }
}
