package dev.theriac.cli;

import dev.theriac.bench.gpu.Card;
import dev.theriac.bench.gpu.Demand;
import dev.theriac.bench.gpu.Roofline;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** Says what an operation asks of a GPU, and how long it takes at least. */
@Command(
    name = "roofline",
    description = {
      "Counts the operations and bytes of a kernel and says which of the two bounds it on a card,"
          + " and to what time. Nothing is run. Without OPERATION: lists what there is.",
      "For example: theriac roofline attention heads=32 t=2048 s=2048 d=80 causal=1 --precision"
          + " bf16"
    })
final class RooflineCommand implements Callable<Integer> {
  @ParentCommand private TheriacCommand theriac;
  @Spec private CommandSpec spec;

  @Parameters(index = "0", arity = "0..1", paramLabel = "OPERATION", description = "Which one.")
  private String operation;

  @Parameters(
      index = "1..*",
      paramLabel = "NAME=NUMBER",
      description = "Its shape: grouped experts=8 rows=4096 n=5632 k=2048.")
  private Map<String, Long> numbers = new LinkedHashMap<>();

  @Option(
      names = "--card",
      paramLabel = "CARD",
      description =
          "A name such as H100, or four numbers: TFLOP/s in F32, TF32 and BF16, and GB/s. Default:"
              + " all that are known.")
  private String card;

  @Option(
      names = "--precision",
      defaultValue = "f32",
      paramLabel = "P",
      description = "Of products: f32, tf32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String precision;

  @Option(
      names = "--weights",
      defaultValue = "f32",
      paramLabel = "T",
      description = "How weight matrices lie in memory: f32 or bf16 (default: ${DEFAULT-VALUE}).")
  private String weights;

  @Override
  public Integer call() {
    PrintWriter out = theriac.out();
    if (operation == null) {
      Demand.operations().entrySet().stream()
          .sorted(Map.Entry.comparingByKey())
          .forEach(e -> out.printf("%-20s %s%n", e.getKey(), e.getValue()));
      return 0;
    }
    try {
      print(out);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage());
    }
    return 0;
  }

  private void print(PrintWriter out) {
    int weightBytes =
        switch (weights) {
          case "f32" -> 4;
          case "bf16" -> 2;
          default ->
              throw new IllegalArgumentException(
                  "no type \"" + weights + "\" of weights; there are f32 and bf16");
        };
    Demand demand = Demand.of(operation, numbers, weightBytes);
    List<Card> cards = card == null ? Card.known() : List.of(Card.of(card));
    Roofline first = new Roofline(demand, cards.getFirst(), precision);
    out.println(demand.text());
    out.printf(
        Locale.ROOT,
        "%.4g FLOP, %.4g bytes, %.1f FLOP a byte; %s%n%n",
        demand.flops(),
        demand.bytes(),
        first.intensity(),
        demand.products() ? "products in " + precision : "no products: F32 units");
    out.println(Roofline.heading());
    for (Card each : cards) out.println(new Roofline(demand, each, precision).line());
  }
}
