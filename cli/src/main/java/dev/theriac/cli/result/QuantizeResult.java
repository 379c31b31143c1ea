package dev.theriac.cli.result;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.theriac.io.AtomicFile;
import dev.theriac.llm.Quantisation;
import dev.theriac.llm.quantised.AccuracyLoss;
import dev.theriac.llm.quantised.Quantiser;
import dev.theriac.llm.quantised.WeightLoss;
import dev.theriac.tensor.QuantisedFormat;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@code quantize} measured, as it lies in {@value Quantiser#REPORT} beside the model. Errors
 * are relative, divergences and losses in nats.
 *
 * @param format int8, int4, bf16 or f32
 * @param blockSize weights that share a scale; null where none do
 * @param head whether the head is quantised
 * @param quantisedValues weights that were quantised
 * @param keptTensors tensors that stayed as they were
 * @param bytesBefore of all tensors
 * @param bytesAfter of all tensors
 * @param projections the weights by the name of their projection
 * @param weights each quantised weight
 * @param copied names of the files that went along, which quantising again may remove
 * @param comparison of the logits; null when none was wanted, or it failed
 * @param comparisonFailure why there is none although it was wanted
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record QuantizeResult(
    String format,
    Integer blockSize,
    boolean head,
    long quantisedValues,
    int keptTensors,
    long bytesBefore,
    long bytesAfter,
    Map<String, Projection> projections,
    List<Weight> weights,
    List<String> copied,
    Comparison comparison,
    String comparisonFailure) {

  /**
   * Weights of one kind.
   *
   * @param count of them
   * @param meanError mean of their relative errors
   * @param worstError largest of those
   */
  public record Projection(int count, double meanError, double worstError) {}

  /**
   * One weight.
   *
   * @param relativeError Euclidean norm of the difference over that of the weight
   * @param largestError largest difference over the largest magnitude
   */
  public record Weight(
      String name,
      long rows,
      long columns,
      String dtype,
      double relativeError,
      double largestError) {}

  /**
   * The quantised model beside the one it was made from, computed in F32.
   *
   * @param source of the tokens
   * @param loss of the model it was made from; null when no token had another after it
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Comparison(
      String source,
      long tokens,
      int window,
      double logitsMeanRelative,
      double logitsMaxRelative,
      double meanDivergence,
      double maxDivergence,
      double topAgreement,
      Double loss,
      Double quantisedLoss,
      Double perplexity,
      Double quantisedPerplexity) {
    /** Takes the figures over. */
    public static Comparison of(AccuracyLoss a, String source, int window) {
      boolean predicted = a.predicted() > 0;
      return new Comparison(
          source,
          a.tokens(),
          window,
          a.meanRelative(),
          a.maxRelative(),
          a.meanDivergence(),
          a.maxDivergence(),
          a.topAgreement(),
          predicted ? a.loss() : null,
          predicted ? a.approximateLoss() : null,
          predicted ? a.perplexity() : null,
          predicted ? a.approximatePerplexity() : null);
    }
  }

  /** Takes the figures of the weights over. */
  public static QuantizeResult of(Quantisation wanted, Quantiser.Result result) {
    Map<String, List<WeightLoss>> byName = new LinkedHashMap<>();
    List<Weight> weights = new ArrayList<>();
    for (WeightLoss w : result.losses()) {
      byName.computeIfAbsent(w.projection(), _ -> new ArrayList<>()).add(w);
      weights.add(
          new Weight(
              w.key(), w.rows(), w.columns(), w.dtype(), w.relativeError(), w.largestError()));
    }
    Map<String, Projection> projections = new LinkedHashMap<>();
    byName.forEach((name, all) -> {
      double mean = all.stream().mapToDouble(WeightLoss::relativeError).average().orElse(0);
      double worst = all.stream().mapToDouble(WeightLoss::relativeError).max().orElse(0);
      projections.put(name, new Projection(all.size(), mean, worst));
    });
    return new QuantizeResult(
        wanted.name(),
        wanted.format().hasScales() ? QuantisedFormat.BLOCK : null,
        wanted.head(),
        result.quantised(),
        result.kept(),
        result.bytesBefore(),
        result.bytesAfter(),
        projections,
        weights,
        result.copied(),
        null,
        null);
  }

  /** The same with a comparison. */
  public QuantizeResult with(Comparison compared) {
    return with(compared, null);
  }

  /** The same with the reason why there is no comparison. */
  public QuantizeResult withFailure(String why) {
    return with(null, why);
  }

  private QuantizeResult with(Comparison compared, String why) {
    return new QuantizeResult(
        format,
        blockSize,
        head,
        quantisedValues,
        keptTensors,
        bytesBefore,
        bytesAfter,
        projections,
        weights,
        copied,
        compared,
        why);
  }

  /** Reads what {@link #write} wrote. */
  public static QuantizeResult parse(String json) {
    return ResultJson.MAPPER.readValue(json, QuantizeResult.class);
  }

  /** Writes the figures whole or not at all. */
  public void write(Path file) {
    AtomicFile.write(
        file, ResultJson.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n");
  }
}
