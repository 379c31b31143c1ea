package dev.theriac.cuda.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JCudaNativesTest {
  @TempDir Path folder;

  @Test
  void whatLiesThereIsReplacedUnlessItIsTheLibrary() throws IOException {
    JCudaNatives.prepare("JCudaDriver", folder);
    Path library = folder.resolve(JCudaNatives.fileName("JCudaDriver"));
    byte[] whole = Files.readAllBytes(library);
    assertThat(whole.length).isGreaterThan(1 << 20);

    byte[][] others = {
      {}, {1, 2, 3}, java.util.Arrays.copyOf(whole, whole.length / 2), whole.clone()
    };
    others[3][whole.length - 1] ^= 1;
    for (byte[] other : others) {
      Files.write(library, other);
      JCudaNatives.prepare("JCudaDriver", folder);
      assertThat(Files.readAllBytes(library)).isEqualTo(whole);
    }
    var written = Files.getLastModifiedTime(library);
    JCudaNatives.prepare("JCudaDriver", folder);
    assertThat(Files.getLastModifiedTime(library)).isEqualTo(written);
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(library);
    }
  }

  @Test
  void saysWhatIsMissing() {
    assertThatThrownBy(() -> JCudaNatives.prepare("JCudaNothing", folder))
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessageContaining("JCudaNothing")
        .hasMessageContaining("natives of JCuda");
    assertThatThrownBy(() -> JCudaNatives.prepare("JCudaDriver", folder.resolve("nowhere")))
        .isInstanceOf(UnsatisfiedLinkError.class)
        .hasMessageContaining("nowhere")
        .hasMessageContaining("-Djava.io.tmpdir");
  }
}
