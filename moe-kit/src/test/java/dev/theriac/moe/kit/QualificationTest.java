package dev.theriac.moe.kit;

import dev.theriac.backend.Backends;
import org.junit.jupiter.api.Test;

class QualificationTest {
  @Test
  void x() {
    System.out.println(Qualification.run(Backends.cpu().backend()));
    System.out.println(Qualification.run(Backends.scalar()));
  }
}
