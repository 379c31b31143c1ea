package dev.theriac.nn;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * A part of a network: named parameters and named parts of its own. The path of a parameter joins
 * the names with dots, as in Hugging Face checkpoints: {@code layers.0.self_attn.q_proj.weight}.
 * Not thread-safe while being built or loaded; forward passes may run on several threads.
 */
public abstract class Module {
  private final SequencedMap<String, Parameter> own = new LinkedHashMap<>();
  private final SequencedMap<String, Module> parts = new LinkedHashMap<>();
  private boolean training = true;

  /** Registers a parameter; for constructors. */
  protected final Parameter parameter(String name, Tensor value) {
    return parameter(name, new Parameter(value));
  }

  /** Registers a parameter that another module may hold too (tied weights). */
  protected final Parameter parameter(String name, Parameter parameter) {
    own.put(name, parameter);
    return parameter;
  }

  /**
   * Registers a part under a name (which may hold dots); replaces one of the same name in place.
   */
  protected final <M extends Module> M part(String name, M module) {
    parts.put(name, module);
    module.train(training);
    return module;
  }

  /** All parameters by path, in the order of registration; a tied one appears once. */
  public final SequencedMap<String, Parameter> parameters() {
    SequencedMap<String, Parameter> all = new LinkedHashMap<>();
    collect("", all);
    return all;
  }

  private void collect(String prefix, SequencedMap<String, Parameter> all) {
    own.forEach((name, p) -> {
      if (!all.containsValue(p)) all.put(prefix + name, p);
    });
    parts.forEach((name, m) -> m.collect(prefix + name + ".", all));
  }

  /** All modules by path, this one first under the empty path. */
  public final SequencedMap<String, Module> modules() {
    SequencedMap<String, Module> all = new LinkedHashMap<>();
    collectModules("", all);
    return all;
  }

  private void collectModules(String path, SequencedMap<String, Module> all) {
    all.put(path, this);
    parts.forEach((name, m) -> m.collectModules(path.isEmpty() ? name : path + "." + name, all));
  }

  /** Where the first of its parameters is, and so all unless some were moved alone. */
  public final Device device() {
    Parameter first = first();
    return first == null ? Device.CPU : first.device();
  }

  private Parameter first() {
    if (!own.isEmpty()) return own.firstEntry().getValue();
    for (Module part : parts.values()) {
      Parameter first = part.first();
      if (first != null) return first;
    }
    return null;
  }

  /** Number of values in all parameters. */
  public final long parameterCount() {
    return parameters().values().stream().mapToLong(Parameter::size).sum();
  }

  /** Trains the parameters whose path satisfies {@code trained} and freezes the others. */
  public final void train(Predicate<String> trained) {
    parameters().forEach((path, p) -> p.setTrainable(trained.test(path)));
  }

  /** Switches training behaviour (dropout) of this module and its parts on or off. */
  public final void train(boolean on) {
    training = on;
    parts.values().forEach(m -> m.train(on));
  }

  public final boolean isTraining() {
    return training;
  }

  /**
   * Moves all parameters, tied ones once, and returns this module. Inputs must be on the same
   * device then; what a model makes on its way, such as masks, comes to be there inside {@link
   * Device#with}. An optimiser's state follows at its next step.
   */
  public final Module to(Device device) {
    parameters().values().forEach(p -> p.to(device));
    return this;
  }

  /**
   * Takes every parameter's value from {@code weights}, by path; those of a parameter that is on
   * another device are brought there.
   *
   * @throws IllegalArgumentException naming the path when one is missing, of another shape or not
   *     floating, or when {@code weights} holds a path that no parameter has
   */
  public final void load(Map<String, Tensor> weights) {
    load(weights, Map.of());
  }

  /**
   * The same for a model of which some weights are quantised, by path; see {@link
   * Parameter#setQuantised}. All parameters are frozen when there are any.
   *
   * @throws IllegalArgumentException as {@link #load(Map)}, and naming the path of a quantised
   *     weight whose parameter has another shape
   */
  public final void load(
      Map<String, Tensor> weights, Map<String, List<QuantisedMatrix>> quantised) {
    SequencedMap<String, Parameter> mine = parameters();
    TreeSet<String> extra = new TreeSet<>(weights.keySet());
    extra.addAll(quantised.keySet());
    mine.forEach((path, p) -> {
      extra.remove(path);
      if (!quantised.containsKey(path)) check(path, p.shape(), weights.get(path));
      else checkQuantised(path, p, quantised.get(path));
    });
    if (!extra.isEmpty()) {
      throw new IllegalArgumentException(
          "load: %d tensors belong to no parameter of this model, such as %s"
              .formatted(extra.size(), extra.first()));
    }
    mine.forEach((path, p) -> {
      Device device = p.device();
      if (!quantised.containsKey(path)) p.set(weights.get(path).to(device));
      else p.setQuantised(quantised.get(path).stream().map(m -> m.to(device)).toList());
    });
    if (!quantised.isEmpty()) train(path -> false);
  }

  private static void checkQuantised(String path, Parameter p, List<QuantisedMatrix> matrices) {
    try {
      p.checkQuantised(matrices);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("load: %s: %s".formatted(path, e.getMessage()), e);
    }
  }

  private static void check(String path, long[] have, Tensor given) {
    if (given == null) {
      throw new IllegalArgumentException(
          "load: no tensor %s (%s%s is wanted)".formatted(path, DType.F32, Arrays.toString(have)));
    }
    if (!Arrays.equals(given.shape(), have)) {
      throw new IllegalArgumentException(
          "load: tensor %s has shape %s, the model wants %s"
              .formatted(path, given.layout(), Arrays.toString(have)));
    }
    if (!given.dtype().isFloating()) {
      throw new IllegalArgumentException(
          "load: tensor %s is %s, the model wants %s, BF16 or F16"
              .formatted(path, given.dtype(), DType.F32));
    }
  }
}
