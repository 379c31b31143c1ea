package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against Hugging Face's transformers in F64: {@code causal/make_models.py}. */
class CausalLmTest {
  private static final double FORWARD = 2e-5;
  private static final double BACKWARD = 1e-4;

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

  private static void onEach(Runnable test) {
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

  private static void assertClose(
      String what, Tensor got, Tensor wanted, TokenMask mask, double tolerance) {
    assertThat(CausalReference.distance(what, got, wanted, mask)).as(what).isLessThan(tolerance);
  }

  @ParameterizedTest
  @MethodSource("names")
  void logitsStatesLossAndGradientsAreThoseOfTransformers(String name) {
    CausalReference reference = new CausalReference(name);
    CausalLm model = reference.model();
    TokenMask mask = reference.mask();
    onEach(() -> {
      CausalLm.Forward out =
          model.forward(reference.get("ids"), mask, null, reference.get("labels"), true);
      assertClose("logits", out.logits(), reference.get("logits"), mask, FORWARD);
      assertClose("loss", out.loss().reshape(1), reference.get("loss"), null, FORWARD);
      assertThat(out.hiddenStates()).hasSize(model.config().decoder().layers() + 1);
      for (int i = 0; i < out.hiddenStates().size(); i++) {
        Tensor wanted = reference.get("states." + i);
        assertClose("state " + i, out.hiddenStates().get(i), wanted, mask, FORWARD);
      }
      Tensor moved =
          model
              .forward(reference.get("ids"), mask, reference.get("positions"), null, false)
              .logits();
      assertClose("logits at other positions", moved, reference.get("logits.moved"), mask, FORWARD);
      Gradients grads = out.loss().backward();
      SequencedMap<String, Parameter> parameters = model.decoder().parameters();
      parameters.forEach((path, p) -> {
        String key = "gradients." + (path.startsWith("lm_head.") ? path : "model." + path);
        assertClose(key, grads.get(p.value()), reference.get(key), null, BACKWARD);
      });
    });
  }

  @ParameterizedTest
  @MethodSource("names")
  void greedyGenerationIsThatOfTransformers(String name) {
    CausalReference reference = new CausalReference(name);
    CausalLm model = reference.model();
    List<int[]> prompts = reference.prompts();
    onEach(() -> {
      List<int[]> together = model.generate(prompts, GenerationConfig.greedy(64));
      for (int row = 0; row < 2; row++) {
        assertThat(together.get(row)).isEqualTo(reference.tokens("generated", row));
      }
    });
  }

  /** A prompt at once and then token by token gives the logits of one pass over the whole. */
  @ParameterizedTest
  @MethodSource("names")
  void cachedLogitsAreThoseOfOnePass(String name) {
    CausalReference reference = new CausalReference(name);
    Decoder decoder = reference.model().decoder();
    long[] ids = reference.get("ids").slice(0, 0, 1).toLongs();
    int length = ids.length;
    Autograd.noGrad(() -> {
      long[] at = new long[length];
      for (int i = 0; i < length; i++) at[i] = i;
      Tensor x = decoder.embed(Tensor.of(ids, 1, length));
      Tensor positions = Tensor.of(at, 1, length);
      Tensor whole = decoder.logits(decoder.forward(x, positions, null, null, false).hidden());
      try (KvCache cache = decoder.cache(1, length)) {
        int from = 0;
        for (int count : new int[] {length - 4, 1, 1, 1, 1}) {
          int to = from + count;
          Tensor out =
              decoder
                  .forward(x.slice(1, from, to), positions.slice(1, from, to), null, cache, false)
                  .hidden();
          cache.advance(new long[] {count});
          Tensor wanted = whole.slice(1, from, to);
          assertClose("from " + from, decoder.logits(out), wanted, null, FORWARD);
          from = to;
        }
      }
      return null;
    });
  }
}
