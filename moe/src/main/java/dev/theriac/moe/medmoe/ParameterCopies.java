package dev.theriac.moe.medmoe;

import dev.theriac.nn.Module;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** The values of a module's parameters, copied. */
final class ParameterCopies {
  private ParameterCopies() {}

  static SequencedMap<String, Tensor> of(Module module) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    module
        .parameters()
        .forEach((path, p) -> out.put(path, ShapeFunctions.copy(p.value().detach())));
    return out;
  }
}
