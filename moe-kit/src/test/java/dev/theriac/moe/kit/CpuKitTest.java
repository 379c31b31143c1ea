package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import java.util.List;
import java.util.stream.Stream;

/** The kit on the back ends of this JVM: scalar, and vector where there is one. */
class CpuKitTest implements MoeKit {
  @Override
  public List<Backend> backends() {
    return Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct().toList();
  }
}
