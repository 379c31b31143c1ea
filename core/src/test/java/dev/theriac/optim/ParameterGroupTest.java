package dev.theriac.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.nn.Parameter;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ParameterGroupTest {
  private static final List<String> NAMES = List.of("w.b", "w.a", "z", "a.c", "m");

  private static Map<String, Parameter> parameters() {
    Map<String, Parameter> out = new LinkedHashMap<>();
    for (String name : NAMES) out.put(name, new Parameter(Tensor.ones(3)));
    return out;
  }

  /** Map.of has another order in each JVM; here orders are made to differ within one. */
  @Test
  void anOptimisersOrderIsNotThatOfAMapWithoutOne() {
    try (Scope _ = Scope.open()) {
      Map<String, Parameter> given = parameters();
      Map<String, Parameter> hashed = new HashMap<>(given);
      Map<String, Parameter> wider = new HashMap<>(1024);
      for (String name : NAMES.reversed()) wider.put(name, given.get(name));
      for (Map<String, Parameter> map : List.of(hashed, wider, Map.copyOf(given))) {
        try (AdamW optimizer = AdamW.of(map, 0.1)) {
          assertThat(optimizer.parameters().keySet())
              .containsExactly("a.c", "m", "w.a", "w.b", "z");
        }
      }
    }
  }

  @Test
  void anOrderThatTheCallerChoseIsKept() {
    try (Scope _ = Scope.open()) {
      try (AdamW optimizer = AdamW.of(parameters(), 0.1)) {
        assertThat(optimizer.parameters().keySet()).containsExactlyElementsOf(NAMES);
      }
      var group = new ParameterGroup(parameters(), 0.1, 0);
      assertThat(new ParameterGroup(group.parameters(), 0.2, 0).parameters().keySet())
          .containsExactlyElementsOf(NAMES);
      var view = Collections.unmodifiableMap(new HashMap<>(parameters()));
      assertThat(new ParameterGroup(view, 0.1, 0).parameters().keySet())
          .containsExactly("a.c", "m", "w.a", "w.b", "z");
    }
  }

  @Test
  void aStackHasSlices() {
    try (Scope _ = Scope.open()) {
      assertThatThrownBy(() -> Parameter.stacked(Tensor.zeros(0, 3)))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContainingAll("[0, 3]", "no slices");
      assertThat(Parameter.stacked(Tensor.zeros(1, 0)).isStacked()).isTrue();
    }
  }
}
