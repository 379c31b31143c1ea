package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.util.Set;
import org.junit.jupiter.api.Test;

class KernelCatalogueTest {
  private static KernelCatalogue of(String text) throws IOException {
    return KernelCatalogue.read(new BufferedReader(new StringReader(text)));
  }

  /** A kernel that was renamed or deleted must not go on claiming that it ran. */
  @Test
  void listsOnlyKernelsThatThereAre() {
    assertThat(EmulatedCuda.device().kernelNames()).containsAll(KernelCatalogue.load().kernels());
  }

  @Test
  void saysWhatNeverRan() throws IOException {
    Set<String> kernels = Set.of("a", "b", "c");
    assertThat(of("# nothing\n\n").describe(kernels))
        .isEqualTo(
            "3 loaded; none has ever run on a card, all were compared on an emulated device only");
    KernelCatalogue some = of("a\tNVIDIA H200\na\tNVIDIA L4\nother\tNVIDIA A10\n");
    assertThat(some.describe(kernels))
        .isEqualTo(
            "3 loaded; 1 have run on a card (NVIDIA H200, NVIDIA L4), 2 on an emulated device"
                + " only");
    assertThat(some.cards("a")).containsExactly("NVIDIA H200", "NVIDIA L4");
    assertThat(some.cards("b")).isEmpty();
  }

  @Test
  void aLineThatIsNoneIsNamed() {
    assertThatThrownBy(() -> of("# a\nkernel without card\n"))
        .hasMessageContaining("line 2")
        .hasMessageContaining("kernel without card");
  }
}
