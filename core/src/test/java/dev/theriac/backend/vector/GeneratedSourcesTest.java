package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag(VectorWidthsTest.ONE_WIDTH)
class GeneratedSourcesTest {

  @Test
  void tilesAreUpToDate() throws IOException {
    assertThat(Files.readString(GemmTilesSource.FILE))
        .as("run GemmTilesSource in core/")
        .isEqualTo(GemmTilesSource.source());
  }

  @Test
  void transposesAreUpToDate() throws IOException {
    assertThat(Files.readString(TransposesSource.FILE))
        .as("run TransposesSource in core/")
        .isEqualTo(TransposesSource.source());
  }

  @Test
  void attentionTilesAreUpToDate() throws IOException {
    assertThat(Files.readString(AttentionTilesSource.FILE))
        .as("run AttentionTilesSource in core/")
        .isEqualTo(AttentionTilesSource.source());
  }

  @Test
  void quantisedTilesAreUpToDate() throws IOException {
    assertThat(Files.readString(QuantisedTilesSource.FILE))
        .as("run QuantisedTilesSource in core/")
        .isEqualTo(QuantisedTilesSource.source());
  }

  @Test
  void packedTilesAreUpToDate() throws IOException {
    assertThat(Files.readString(PackedTilesSource.FILE))
        .as("run PackedTilesSource in core/")
        .isEqualTo(PackedTilesSource.source());
  }

  @Test
  void softmaxLoopsAreUpToDate() throws IOException {
    assertThat(Files.readString(SoftmaxLoopsSource.FILE))
        .as("run SoftmaxLoopsSource in core/")
        .isEqualTo(SoftmaxLoopsSource.source());
  }

  @Test
  void kernelsForFewRowsAreUpToDate() throws IOException {
    for (int lanes : FewRowsSource.LANES) {
      assertThat(Files.readString(FewRowsSource.file(lanes)))
          .as("run FewRowsSource in core/")
          .isEqualTo(FewRowsSource.source(lanes));
    }
  }
}
