package dev.theriac.bench.fullsize;

import dev.theriac.bench.frame.Processes;
import dev.theriac.bench.frame.SourceTree;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.vision.image.Images;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What takes a model's memory, in a process of its own: none of it is left in the one that
 * measures, nor in the way of those that are measured.
 */
public final class ModelProcess {
  private static final Duration LIMIT = Duration.ofMinutes(30);
  private static final String IDS = "ids ";

  private ModelProcess() {}

  /** See {@link FullSizeModel#write}. */
  static void write(FullSizeModel model, Path folder) throws IOException {
    run(List.of("write", model.id(), folder.toString()), List.of());
  }

  /** As {@code theriac quantize} does. */
  static void quantise(Path from, Precision precision, Path folder) throws IOException {
    run(List.of("quantise", from.toString(), precision.name(), folder.toString()), List.of());
  }

  /** The ids of the answer that {@code theriac ask} gives, whose text alone it prints. */
  static List<Integer> ids(Path folder, Path image, int tokens, int threads) throws IOException {
    String text =
        run(
            List.of("answer", folder.toString(), image.toString(), Integer.toString(tokens)),
            List.of("-Dtheriac.threads=" + threads));
    // Libraries may talk.
    String line = text.lines().filter(l -> l.startsWith(IDS)).findFirst().orElse(IDS);
    return Stream.of(line.substring(IDS.length()).split(" "))
        .filter(word -> !word.isEmpty())
        .map(Integer::valueOf)
        .toList();
  }

  private static String run(List<String> arguments, List<String> options) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("@" + SourceTree.folder().resolve(SourceTree.OPTIONS));
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(ModelProcess.class.getName());
    command.addAll(arguments);
    return Processes.run(new ProcessBuilder(command), LIMIT).text();
  }

  /** Arguments: what is to be done, and to what. */
  public static void main(String[] args) throws IOException {
    switch (args[0]) {
      case "write" -> FullSizeModel.of(args[1]).write(Path.of(args[2]));
      case "quantise" ->
          new Quantiser(
                  Path.of(args[1]), Path.of(args[3]), Precision.valueOf(args[2]).quantisation())
              .run();
      case "answer" -> {
        MedMoe model = MedMoe.load(Path.of(args[1]));
        List<int[]> ids =
            model.generate(
                List.of(Asking.prompt(model.tokenizer())),
                new float[][] {model.preprocess(Images.read(Path.of(args[2])))},
                model.generation().withMaxNewTokens(Integer.parseInt(args[3])));
        StringBuilder line = new StringBuilder(IDS);
        for (int id : ids.getFirst()) line.append(id).append(' ');
        System.out.println(line);
      }
      default -> throw new IllegalArgumentException("unknown: " + args[0]);
    }
  }
}
