package dev.theriac.llm;

import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Directories of the reference models as transformers writes them, for tests. */
abstract class CausalFixture {
  @TempDir Path dir;
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static List<String> names() {
    return CausalReference.NAMES;
  }

  /** In shards of 20 kB. */
  Path published(String name, SequencedMap<String, Tensor> weights) throws IOException {
    return CausalReference.publish(dir.resolve("published"), name, weights, 20_000);
  }

  /** With the weights as stored, BF16. */
  Path published(String name) throws IOException {
    return published(name, new CausalReference(name).weights(false));
  }
}
