package dev.theriac.moe.lm;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.llm.DecoderConfig;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router.Weighting;
import dev.theriac.moe.lm.MoeModelConfig.Kind;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** The models of {@code reference.py}, for tests. */
abstract class MoeLanguageModelFixture {
  static final double FORWARD = 5e-6;
  static final double BACKWARD = 2e-5;

  @TempDir Path dir;
  Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  /** The models of {@code reference.py}. */
  static List<String> names() {
    return List.of(
        "mixtral", "qwen2_moe", "olmoe", "mixtral-options", "qwen2_moe-options", "olmoe-options");
  }

  static String name(Kind kind) {
    return kind.name().toLowerCase(java.util.Locale.ROOT);
  }

  static MoeModelConfig config(Kind kind) {
    return config(name(kind));
  }

  static MoeModelConfig config(String name) {
    return MoeModelConfig.read(ReferenceFile.path(name + ".json"));
  }

  static MoeLanguageModel model(Kind kind, ReferenceFile reference) {
    return model(name(kind), reference);
  }

  static MoeLanguageModel model(String name, ReferenceFile reference) {
    MoeLanguageModel model = new MoeLanguageModel(config(name), new Rng(0));
    model.loadCheckpoint(reference.under("weights."));
    model.train(false);
    return model;
  }

  static MoeLanguageModel.Forward forward(MoeLanguageModel model, ReferenceFile reference) {
    return model.forward(reference.get("ids"), reference.get("lengths"), reference.get("labels"));
  }

  static void onEach(Runnable test) {
    for (Backend backend :
        Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct().toList()) {
      Backends.with(
          backend,
          () -> {
            test.run();
            return null;
          });
    }
  }

  /** With a vocabulary that outweighs the experts. */
  static MoeModelConfig wide() {
    var decoder =
        new DecoderConfig(Family.LLAMA, 32768, 48, 96, 2, 2, 2, 24, 1e4, 64, 1e-5, 0, 0.02);
    List<Integer> layers = List.of(0, 1);
    return new MoeModelConfig(
        Kind.MIXTRAL, decoder, 12, 2, Weighting.RENORMALISED, 96, 0, layers, 0.02, 0, List.of(2));
  }

  Path write(String text) throws IOException {
    return Files.writeString(dir.resolve("config.json"), text);
  }
}
