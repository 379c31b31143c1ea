package dev.theriac.cli;

import dev.theriac.cli.inspect.Inspection;
import dev.theriac.cli.inspect.InspectionText;
import dev.theriac.cli.inspect.Inspector;
import dev.theriac.cli.result.ResultTable;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/** Says what is in a model, and what is not. */
@Command(
    name = "inspect",
    description = {
      "Says what a model folder holds: family, parameters, types, memory needed, and what is"
          + " missing or does not fit. Also lists the tensors of a safetensors or PyTorch file."
          + " Reads headers, never the weights."
    },
    exitCodeListHeading = "Exit status:%n",
    exitCodeList = {
      "0:a whole model that Theriac reads, or a file that could be read",
      "1:nothing that could be inspected",
      "2:wrong usage",
      "3:a model that is not whole, or that Theriac does not read"
    })
final class InspectCommand implements Callable<Integer> {
  /** Beside the usual ones: inspected, and found wanting. */
  static final int WANTING = 3;

  @ParentCommand private TheriacCommand theriac;
  @Mixin private PartOptions parts;

  @Parameters(
      paramLabel = "DIR|FILE",
      description = "A model folder, a checkpoint, or another safetensors or PyTorch file.")
  private Path path;

  @Option(
      names = "--tensors",
      description = "Every tensor of a folder on a line of its own, and all lists in full.")
  private boolean tensors;

  @Option(
      names = "--json",
      paramLabel = "FILE",
      description = "Also writes it all here, for machines.")
  private Path json;

  @Override
  public Integer call() {
    if (json != null) ResultTable.requireWritable(json);
    Inspection found = Inspector.inspect(path, parts.parts());
    InspectionText.print(theriac.out(), found, tensors);
    if (json != null) found.write(json);
    return found.good() ? 0 : WANTING;
  }
}
