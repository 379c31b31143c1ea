package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What {@link VectorWidthsTest} does, with vectors of 128 bits. */
@Tag(VectorWidthsTest.ONE_WIDTH)
class VectorNarrowestTest {
  @Test
  void everyTestPassesWithVectorsOf128BitsToo() throws IOException, InterruptedException {
    assertThat(VectorWidthsTest.run(Lanes.BITS_PROPERTY + "=128")).contains("vector-128 passes");
  }
}
