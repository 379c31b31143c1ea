package dev.theriac.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.backend.UnaryKind;
import dev.theriac.optim.AdamW;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ExpertsTest {
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  private static SequencedMap<String, Tensor> plain() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    Rng rng = new Rng(3);
    out.put("fc1.weight", Tensor.randn(rng, 1, 5, 3));
    out.put("fc1.bias", Tensor.randn(rng, 1, 5));
    out.put("fc2.weight", Tensor.randn(rng, 1, 3, 5));
    out.put("fc2.bias", Tensor.randn(rng, 1, 3));
    return out;
  }

  private static SequencedMap<String, Tensor> gated() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    Rng rng = new Rng(4);
    out.put("gate_proj.weight", Tensor.randn(rng, 1, 5, 3));
    out.put("up_proj.weight", Tensor.randn(rng, 1, 5, 3));
    out.put("up_proj.bias", Tensor.randn(rng, 1, 5));
    out.put("down_proj.weight", Tensor.randn(rng, 1, 3, 5));
    return out;
  }

  @Test
  void theOrderOfParametersIsNotThatOfTheMaps() {
    for (SequencedMap<String, Tensor> straight : List.of(plain(), gated())) {
      Map<String, Tensor> reversed = new LinkedHashMap<>(straight.reversed());
      Map<String, Tensor> salted = Map.copyOf(straight);
      for (Map<String, Tensor> first : List.of(straight, reversed, salted)) {
        Experts experts = new Experts(List.of(first, reversed, straight));
        assertThat(experts.parameters().keySet())
            .containsExactlyElementsOf(straight.sequencedKeySet());
        try (AdamW optimizer = AdamW.of(experts.parameters(), 0.1)) {
          assertThat(optimizer.parameters().keySet())
              .containsExactlyElementsOf(straight.sequencedKeySet());
        }
        for (int e = 0; e < 3; e++) {
          experts
              .expert(e)
              .forEach((path, t) ->
                  assertThat(t.toFloats()).as(path).isEqualTo(straight.get(path).toFloats()));
        }
      }
    }
  }

  @Test
  void noExpertsAreAnErrorThatSaysWhatToGive() {
    assertThatThrownBy(() -> new Experts(List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("no weights", "one expert or more");
    assertThatThrownBy(() -> new Experts(List.of(), UnaryKind.SILU))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("no weights", "one expert or more");
  }

  @Test
  void missingAndUnknownPathsAreNamed() {
    Map<String, Tensor> weights = plain();
    weights.remove("fc2.weight");
    weights.put("fc3.weight", Tensor.zeros(1));
    assertThatThrownBy(() -> new Experts(List.of(weights)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContainingAll("missing [fc2.weight]", "unknown [fc3.weight]");
  }
}
