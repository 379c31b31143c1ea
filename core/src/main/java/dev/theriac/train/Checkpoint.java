package dev.theriac.train;

import dev.theriac.io.FileException;
import dev.theriac.io.SafeTensors;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * Everything that a run needs to go on: one safetensors file with the parameters (keys {@code
 * model.PATH}), the optimiser's state ({@code optimizer.KIND.PATH}) and, as metadata, the step, the
 * configuration and the state of data and generators. A SHA-256 over the whole file is part of it.
 * Equal states give equal bytes.
 *
 * @param step optimiser steps done
 * @param score of held-out data, when the task gave one
 * @param config the run's configuration, as the caller wrote it
 * @param state named strings of the task, of dropout and of others
 * @param model parameters by path
 * @param optimizer state by name
 */
public record Checkpoint(
    long step,
    OptionalDouble score,
    String config,
    Map<String, String> state,
    Map<String, Tensor> model,
    Map<String, Tensor> optimizer) {
  /** Version 2 may count the steps of each slice of a stacked parameter; version 1 never did. */
  private static final String FORMAT = "theriac-checkpoint-2";

  private static final List<String> READ = List.of("theriac-checkpoint-1", FORMAT);

  /** Writes atomically: a crash or a full disk leaves no half file. */
  public void write(Path file) {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("format", FORMAT);
    metadata.put("step", Long.toString(step));
    score.ifPresent(s -> metadata.put("score", Double.toString(s)));
    metadata.put("config", config);
    new TreeMap<>(state).forEach((k, v) -> metadata.put("state." + k, v));
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    model.forEach((k, t) -> tensors.put("model." + k, t));
    optimizer.forEach((k, t) -> tensors.put("optimizer." + k, t));
    SafeTensors.writeChecked(file, tensors, metadata);
  }

  /**
   * Reads and verifies. The tensors are mapped, read-only.
   *
   * @throws FileException when a single byte differs from what was written
   */
  public static Checkpoint read(Path file) {
    SafeTensors in = SafeTensors.openChecked(file);
    Map<String, String> metadata = in.metadata();
    String format = metadata.get("format");
    if (format == null || !READ.contains(format)) {
      throw new FileException(
          file, "not a checkpoint: format is %s, one of %s is wanted".formatted(format, READ));
    }
    Map<String, String> state = new LinkedHashMap<>();
    metadata.forEach((k, v) -> {
      if (k.startsWith("state.")) state.put(k.substring(6), v);
    });
    String score = metadata.get("score");
    return new Checkpoint(
        step(file, metadata),
        score == null ? OptionalDouble.empty() : OptionalDouble.of(Double.parseDouble(score)),
        metadata.getOrDefault("config", ""),
        state,
        under(in, "model."),
        under(in, "optimizer."));
  }

  private static long step(Path file, Map<String, String> metadata) {
    try {
      return Long.parseLong(metadata.get("step"));
    } catch (NumberFormatException e) {
      throw new FileException(file, "not a checkpoint: step is " + metadata.get("step"), e);
    }
  }

  private static Map<String, Tensor> under(SafeTensors in, String prefix) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (String key : in.keys()) {
      if (key.startsWith(prefix)) out.put(key.substring(prefix.length()), in.get(key));
    }
    return out;
  }
}
