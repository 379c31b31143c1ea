package dev.theriac.cli.inspect;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.theriac.io.AtomicFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/**
 * What is in a model directory or a file of weights, as {@code --json FILE} writes it. What is not
 * known is left out.
 *
 * @param path that was inspected
 * @param family in words; null for a file, or where there is no configuration
 * @param modelType the field {@code model_type} of {@code config.json}
 * @param architectures the field of that name
 * @param supported whether Theriac reads models of this configuration; null for a file
 * @param whole whether all that the model needs is there and fits; null for a file, or when it is
 *     not known what it needs
 * @param facts about the model, for people
 * @param files that hold the weights, by name
 * @param metadata that the writer of the weights left in them
 * @param dtypes the tensors by element type
 * @param parameters values of the whole model as configured, or of all tensors of a file
 * @param activeParameters values that one token's pass reads: of experts only those chosen
 * @param memory what the model takes when it is loaded
 * @param missing tensors that the configuration describes and no file holds
 * @param unexpected tensors that it does not describe
 * @param mismatched tensors of another shape or type than it describes
 * @param unused tensors that are left alone when the model is read
 * @param problems with files and configuration, for people
 * @param tensors all of them
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Inspection(
    String path,
    String family,
    String modelType,
    List<String> architectures,
    Boolean supported,
    Boolean whole,
    List<String> facts,
    List<String> files,
    Map<String, String> metadata,
    Map<String, Type> dtypes,
    long parameters,
    Long activeParameters,
    Needed memory,
    List<String> missing,
    List<String> unexpected,
    List<Mismatch> mismatched,
    int unused,
    List<String> problems,
    List<Stored> tensors) {
  private static final JsonMapper JSON =
      JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

  /** Tensors of one element type. */
  public record Type(int tensors, long values, long bytes) {}

  /**
   * Bytes.
   *
   * @param weights as they are stored, mapped; of missing ones in the type that most others have
   * @param copied part of them that is copied instead, since experts are stacked and F64 is rounded
   * @param cache of keys and values for one text of {@code positions}
   */
  public record Needed(long weights, long copied, long cache, long positions) {}

  /** A tensor that is not as described; both as type and shape. */
  public record Mismatch(String key, String found, String wanted) {}

  /** A tensor. */
  public record Stored(String key, String dtype, long[] shape) {}

  /** Whether nothing is wrong: a model that Theriac reads, or a file that could be read. */
  public boolean good() {
    return !Boolean.FALSE.equals(supported) && !Boolean.FALSE.equals(whole) && problems.isEmpty();
  }

  /** Writes it whole or not at all. */
  public void write(Path file) {
    AtomicFile.write(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n");
  }
}
