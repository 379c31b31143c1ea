package dev.theriac.llm;

import dev.theriac.io.ConfigFields;
import dev.theriac.io.FileException;
import dev.theriac.io.QuantisedTensors;
import dev.theriac.io.Weights;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The weights of a model directory under the names of its checkpoint, whether they are tensors or
 * stand there {@link Quantisation quantised}. Everything stays mapped.
 */
public final class ModelWeights {
  private final Weights file;
  private final Quantisation quantisation;

  /** Names in the file by names of the checkpoint. */
  private final SequencedMap<String, String> stored = new LinkedHashMap<>();

  private ModelWeights(Weights file, Quantisation quantisation) {
    this.file = file;
    this.quantisation = quantisation;
    for (String name : file.keys()) {
      String key = key(name);
      String other = stored.put(key, name);
      if (other != null) {
        throw new FileException(
            file.path(), "tensors \"%s\" and \"%s\" are the same weight".formatted(other, name));
      }
    }
    if (quantisation == null) return;
    stored.forEach((key, name) -> {
      if (quantisation.covers(key) && key.equals(name)) {
        throw new FileException(
            file.path(),
            "tensor \"%s\" is missing, which %s promises; there is \"%s\""
                .formatted(
                    QuantisedTensors.key(key, quantisation.format()), Quantisation.FIELD, name));
      }
    });
  }

  /**
   * Opens the weights that {@link Weights#open} finds in a directory.
   *
   * @throws FileException when they or {@code config.json} are missing or malformed, or do not
   *     agree about what is quantised
   */
  public static ModelWeights open(Path directory) {
    ConfigFields config = ConfigFields.read(directory.resolve(ModelFiles.CONFIG));
    return new ModelWeights(Weights.open(directory), Quantisation.read(config));
  }

  /** Weights that are tensors, all of them. */
  public static ModelWeights of(Weights file) {
    return of(file, null);
  }

  /**
   * Weights of which the configuration has been read.
   *
   * @param quantisation what it says is quantised; null for nothing
   * @throws FileException when they do not agree
   */
  public static ModelWeights of(Weights file, Quantisation quantisation) {
    return new ModelWeights(file, quantisation);
  }

  /** Of a matrix the weight that it stands for; matrices that are not expected are tensors. */
  private String key(String name) {
    if (quantisation == null || !QuantisedTensors.isKey(name, quantisation.format())) return name;
    String key = QuantisedTensors.weight(name, quantisation.format());
    return quantisation.covers(key) ? key : name;
  }

  /** The file or index. */
  public Path path() {
    return file.path();
  }

  /** What is quantised; null for nothing. */
  public Quantisation quantisation() {
    return quantisation;
  }

  /** Names of all weights. */
  public Set<String> keys() {
    return Collections.unmodifiableSet(stored.keySet());
  }

  /** Whether the weight is a matrix. */
  public boolean isQuantised(String key) {
    return !key.equals(stored.get(key)) && stored.containsKey(key);
  }

  /** What the file says of the weight, or of the matrix that stands for it. */
  public Weights.Entry entry(String key) {
    return file.entry(stored.getOrDefault(key, key));
  }

  /** A weight that is a tensor; see {@link Weights#get(String)}. */
  public Tensor get(String key) {
    return file.get(stored.getOrDefault(key, key));
  }

  /**
   * A weight that is a matrix.
   *
   * @param shape rows and columns of the weight
   * @throws FileException when the file has another size
   */
  public QuantisedMatrix matrix(String key, long... shape) {
    return QuantisedTensors.read(
        file,
        stored.get(key),
        quantisation.format(),
        shape[shape.length - 2],
        shape[shape.length - 1]);
  }

  /**
   * Checks that the weights are those of a model, as {@link Weights#expect} does.
   *
   * @param shapes of each that is wanted, by its name in a checkpoint
   * @throws FileException as there, and when a matrix is of another size
   */
  public void expect(Map<String, long[]> shapes, Predicate<String> ignored) {
    Map<String, long[]> tensors = new LinkedHashMap<>(shapes);
    Set<String> matrices = new HashSet<>();
    shapes.forEach((key, shape) -> {
      if (!isQuantised(key)) return;
      tensors.remove(key);
      matrices.add(stored.get(key));
    });
    file.expect(tensors, key -> matrices.contains(key) || ignored.test(key));
    shapes.forEach((key, shape) -> {
      if (isQuantised(key)) matrix(key, shape);
    });
  }
}
