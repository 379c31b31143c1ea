package dev.theriac.moe.medmoe.train;

import dev.theriac.nn.Parameter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/**
 * What a stage trains, worked out before it starts.
 *
 * @param stage which
 * @param steps optimiser steps
 * @param trained number of values trained, by part of the model
 * @param frozen number of values left alone, by part of the model
 */
public record StagePlan(
    Stage stage, int steps, SequencedMap<String, Long> trained, SequencedMap<String, Long> frozen) {
  static StagePlan of(
      Stage stage, int steps, Map<String, Parameter> trained, Map<String, Parameter> frozen) {
    return new StagePlan(stage, steps, byPart(trained), byPart(frozen));
  }

  private static SequencedMap<String, Long> byPart(Map<String, Parameter> parameters) {
    SequencedMap<String, Long> out = new LinkedHashMap<>();
    parameters.forEach((path, p) -> out.merge(part(path), p.value().size(), Long::sum));
    return out;
  }

  /** The words in which users think of a parameter. */
  private static String part(String path) {
    if (path.startsWith("vision.")) return "vision encoder";
    if (path.startsWith("projector.")) return "projector";
    if (path.contains(".mlp.gate.")) return "routers";
    if (path.contains(".mlp.experts.")) return "experts";
    if (path.contains(".mlp.meta_moe.")) return "meta experts";
    if (path.contains(".mlp.")) return "feed-forwards";
    if (path.contains(".self_attn.")) return "attention";
    if (path.contains("embed_tokens") || path.contains("lm_head")) return "embeddings and head";
    return "norms";
  }

  public long trainedCount() {
    return trained.values().stream().mapToLong(Long::longValue).sum();
  }

  public long frozenCount() {
    return frozen.values().stream().mapToLong(Long::longValue).sum();
  }

  /**
   * Bytes that weights, gradients and both of AdamW's moments take in F32; activations come on top.
   */
  public long stateBytes() {
    return 4 * (frozenCount() + 4 * trainedCount());
  }

  /** One line, such as "projector 4,160, attention 66,560". */
  public static String describe(Map<String, Long> parts) {
    return parts.isEmpty()
        ? "nothing"
        : parts.entrySet().stream()
            .map(e -> "%s %,d".formatted(e.getKey(), e.getValue()))
            .collect(Collectors.joining(", "));
  }
}
