package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import java.util.LinkedHashSet;
import java.util.List;

/** The kit on the back ends of this JVM: scalar, and vector where there is one. */
class CpuKitTest implements RaggedKit, GradientKit, NumericsKit, DeterminismKit {
  @Override
  public List<Backend> backends() {
    return List.copyOf(new LinkedHashSet<>(List.of(Backends.scalar(), Backends.cpu().backend())));
  }
}
