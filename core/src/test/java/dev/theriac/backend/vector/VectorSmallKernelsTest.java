package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What {@link VectorWidthsTest} does, with the kernels of a JVM that refuses directives. */
@Tag(VectorWidthsTest.ONE_WIDTH)
class VectorSmallKernelsTest {
  @Test
  void everyTestPassesWithTheKernelsOfAJvmThatRefusesDirectives()
      throws IOException, InterruptedException {
    assertThat(VectorWidthsTest.run(JitDirectives.PROPERTY + "=false")).contains(" passes");
  }
}
