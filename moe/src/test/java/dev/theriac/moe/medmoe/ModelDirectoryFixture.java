package dev.theriac.moe.medmoe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.io.SafeTensors;
import dev.theriac.llm.DecoderConfig.Family;
import dev.theriac.moe.Router;
import dev.theriac.moe.medmoe.data.Phantoms;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.Example;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Models that are written and read, for tests. */
abstract class ModelDirectoryFixture {
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

  static MedMoe model(Family family, boolean mixture) {
    return mixture ? TinyModels.mixture(family) : TinyModels.dense(family);
  }

  /** Logits of every position of a question about a phantom. */
  static float[] logits(MedMoe model) {
    int[] ids =
        new PromptEncoder(model.tokenizer(), Template.PHI, 1000)
            .inference(Conversation.ask("Is there a nodule?"));
    float[][] pixels = {model.preprocess(Phantoms.test(1, 1).getFirst().image())};
    return Autograd.noGrad(() -> {
      try (Scope _ = Scope.open()) {
        ModelInput in = model.input(List.of(new Example(ids, new int[ids.length])), pixels);
        Tensor hidden =
            model
                .language()
                .forward(model.embed(in), in.positions(), in.lengths(), null, false)
                .hidden();
        return model.language().logits(hidden).toFloats();
      }
    });
  }

  static Map<String, byte[]> contents(Path dir) throws IOException {
    Map<String, byte[]> out = new TreeMap<>();
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.toList()) {
        out.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    return out;
  }

  static MoeOptions options(List<Integer> layers, double coefficient) {
    return new MoeOptions(3, 2, Router.Weighting.RENORMALISED, false, layers, coefficient);
  }

  void rewrite(String key, Tensor replacement) {
    Path file = dir.resolve("model.safetensors");
    Map<String, Tensor> tensors = new LinkedHashMap<>(SafeTensors.open(file).tensors());
    if (replacement == null) assertThat(tensors.remove(key)).isNotNull();
    else tensors.put(key, replacement);
    SafeTensors.write(file, tensors, Map.of());
  }
}
