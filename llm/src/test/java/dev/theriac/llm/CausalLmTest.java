package dev.theriac.llm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.nn.KvCache;
import dev.theriac.nn.Parameter;
import dev.theriac.nn.RopeScaling;
import dev.theriac.nn.TokenMask;
import dev.theriac.op.Autograd;
import dev.theriac.op.Gradients;
import dev.theriac.op.Index;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Arrays;
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

  /** A prompt in two parts and then token by token gives the logits of one pass over the whole. */
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
        for (int count : new int[] {2, length - 6, 1, 1, 1, 1}) {
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

  /** Those whose frequencies change, for all positions of a call, while a text grows. */
  private static boolean changes(CausalReference reference, int length) {
    RopeScaling scaling = reference.config().decoder().options().ropeScaling();
    return scaling.dependsOnLength() && length > scaling.originalPositions();
  }

  /** Filling on the left, on the right, and among the tokens; none of it is seen. */
  @ParameterizedTest
  @MethodSource("names")
  void fillingMayStandAnywhere(String name) {
    CausalReference reference = new CausalReference(name);
    CausalLm model = reference.model();
    int[] prompt = reference.prompts().get(1);
    int count = prompt.length;
    int width = count + 5;
    boolean[] valid = new boolean[3 * width];
    long[] ids = new long[3 * width];
    long[] positions = new long[3 * width];
    int[][] places = new int[3][count];
    for (int row = 0; row < 3; row++) {
      for (int i = 0; i < count; i++) {
        int among = i + (i > 1 ? 1 : 0) + (i > 3 ? 3 : 0);
        int at = row * width + (row == 0 ? 5 + i : row == 1 ? i : among);
        places[row][i] = at;
        valid[at] = true;
        ids[at] = prompt[i];
        positions[at] = i;
      }
    }
    for (int i = 0; i < ids.length; i++) if (!valid[i]) ids[i] = i % 7;
    onEach(() ->
        Autograd.noGrad(() -> {
          long[] alone = Arrays.stream(prompt).asLongStream().toArray();
          Tensor wanted = model.forward(Tensor.of(alone, 1, count)).logits().select(0, 0);
          TokenMask mask = TokenMask.of(valid, 3, width);
          Tensor got =
              model
                  .forward(
                      Tensor.of(ids, 3, width), mask, Tensor.of(positions, 3, width), null, false)
                  .logits();
          Tensor flat = got.reshape(3L * width, got.size(2));
          for (int[] row : places) {
            long[] at = Arrays.stream(row).asLongStream().toArray();
            assertClose(name, Index.gatherRows(flat, Tensor.of(at)), wanted, null, FORWARD);
          }
          return null;
        }));
  }

  /** Rows of different lengths that grow together, beside a pass over each whole text. */
  @ParameterizedTest
  @MethodSource("names")
  void cachedRowsOfABatchAreThoseOfOnePass(String name) {
    CausalReference reference = new CausalReference(name);
    int steps = 8;
    List<int[]> prompts = reference.prompts();
    int width = prompts.getFirst().length;
    if (changes(reference, width + steps)) return;
    CausalLm model = reference.model();
    Decoder decoder = model.decoder();
    int[][] texts = new int[2][];
    for (int b = 0; b < 2; b++) {
      int[] more = reference.tokens("generated", b);
      texts[b] = Arrays.copyOf(prompts.get(b), prompts.get(b).length + steps);
      System.arraycopy(more, 0, texts[b], prompts.get(b).length, steps);
    }
    onEach(() ->
        Autograd.noGrad(() -> {
          Tensor[] whole = new Tensor[2];
          for (int b = 0; b < 2; b++) {
            long[] text = Arrays.stream(texts[b]).asLongStream().toArray();
            whole[b] = model.forward(Tensor.of(text, 1, text.length)).logits().select(0, 0);
          }
          try (KvCache cache = decoder.cache(2, width + steps)) {
            for (int step = 0; step <= steps; step++) {
              int count = step == 0 ? width : 1;
              long[] ids = new long[2 * count];
              long[] at = new long[2 * count];
              long[] lengths = new long[2];
              for (int b = 0; b < 2; b++) {
                int from = step == 0 ? 0 : prompts.get(b).length + step - 1;
                lengths[b] = prompts.get(b).length + step;
                for (int t = 0; t < count; t++) {
                  ids[b * count + t] = from + t < lengths[b] ? texts[b][from + t] : 3;
                  at[b * count + t] = from + t;
                }
              }
              Tensor x = decoder.embed(Tensor.of(ids, 2, count));
              Tensor hidden =
                  decoder
                      .forward(x, Tensor.of(at, 2, count), Tensor.of(lengths), cache, false)
                      .hidden();
              cache.advance(step == 0 ? lengths : new long[] {1, 1});
              Tensor logits = decoder.logits(hidden);
              for (int b = 0; b < 2; b++) {
                long last = step == 0 ? lengths[b] - 1 : 0;
                Tensor wanted = whole[b].slice(0, lengths[b] - 1, lengths[b]);
                Tensor got = logits.select(0, b).slice(0, last, last + 1);
                assertClose("row %d, step %d".formatted(b, step), got, wanted, null, FORWARD);
              }
            }
          }
          return null;
        }));
  }
}
