package dev.theriac.cli.result;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.theriac.io.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Results of {@code quickstart} and {@code train}, as {@code --json FILE} writes them. Shares lie
 * in 0 to 1. The accuracies and the recall are always there, null where there is nothing to
 * measure; other keys are left out then.
 *
 * @param seconds wall time from start to end of the run
 * @param closedAccuracy share of closed questions answered right, or null where none was asked
 * @param openRecall mean recall of open questions, or null where none was asked
 * @param routerAccuracy share of pictures whose modality the router tells, or null for a dense
 *     model or data of one modality
 * @param testAccuracy accuracy on the test images of a classification set, or null for others
 * @param parametersTotal parameters of the whole model
 * @param parametersActive parameters that one token meets
 * @param tokensPerSecond training speed over all stages
 * @param modalities the scores by modality, or null
 * @param dense the same for the dense model trained for the same steps, or null
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record ResultTable(
    @JsonProperty(required = true) double seconds,
    @JsonProperty(required = true) @JsonInclude Double closedAccuracy,
    @JsonInclude Double openRecall,
    @JsonInclude Double routerAccuracy,
    Double testAccuracy,
    @JsonProperty(required = true) long parametersTotal,
    @JsonProperty(required = true) long parametersActive,
    @JsonProperty(required = true) double tokensPerSecond,
    Map<String, Modality> modalities,
    ResultTable dense) {

  /**
   * The scores on one modality; an average over no question is null and left out.
   *
   * @param closedQuestions their number
   * @param openQuestions their number
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Modality(
      int closedQuestions, Double closedAccuracy, int openQuestions, Double openRecall) {}

  /** The table as JSON. */
  public String json() {
    return ResultJson.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n";
  }

  /** Reads what {@link #json} wrote. */
  public static ResultTable parse(String json) {
    return ResultJson.MAPPER.readValue(json, ResultTable.class);
  }

  /**
   * Writes the table whole or not at all.
   *
   * @throws dev.theriac.io.FileException if the file cannot be written
   */
  public void write(Path file) {
    AtomicFile.write(file, json());
  }

  /**
   * Finds out before the work begins whether {@link #write} will be able to write here. Leaves
   * nothing behind and an existing file as it is.
   *
   * @throws IllegalArgumentException naming the file and the reason
   */
  public static void requireWritable(Path file) {
    Path target = file.toAbsolutePath();
    if (Files.isDirectory(target)) {
      throw new IllegalArgumentException(file + ": is a folder; name a file");
    }
    if (Files.exists(target) && !Files.isRegularFile(target)) {
      return; // a pipe or a device
    }
    try {
      if (target.getParent() != null) {
        Files.createDirectories(target.getParent());
      }
      Files.delete(Files.createTempFile(target.getParent(), ".theriac", ".part"));
    } catch (IOException e) {
      throw new IllegalArgumentException(file + ": cannot be written (" + e + ")", e);
    }
  }
}
