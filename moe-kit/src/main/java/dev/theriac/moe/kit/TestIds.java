package dev.theriac.moe.kit;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The IDs of the kit's tests: a letter for the topic and two digits, the same in every release. */
public final class TestIds {
  /** Topics by letter, with the number of their tests. */
  private static final Map<Character, Integer> TOPICS =
      Map.of('R', 17, 'K', 16, 'G', 9, 'L', 8, 'C', 6, 'N', 5, 'D', 7);

  /** IDs that no test has, with the reason. */
  public static final Map<String, String> NOT_APPLICABLE = Map.of();

  private TestIds() {}

  /** Every ID: R01 to R17 (ragged groups), K (router), G (gradients), L, C, N and D. */
  public static List<String> all() {
    List<String> ids = new ArrayList<>();
    TOPICS.forEach((letter, count) ->
        IntStream.rangeClosed(1, count).forEach(i -> ids.add("%c%02d".formatted(letter, i))));
    return ids.stream().sorted().toList();
  }

  /** The tests of {@link MoeKit} by ID, the first word of their display names. */
  public static SequencedMap<String, List<Method>> tests() {
    TreeMap<String, List<Method>> tests = new TreeMap<>();
    for (Method m : MoeKit.class.getMethods()) {
      if (!m.isAnnotationPresent(Test.class)) continue;
      tests.computeIfAbsent(id(m), _ -> new ArrayList<>()).add(m);
    }
    return tests;
  }

  private static String id(Method test) {
    return title(test).split(" ", 2)[0];
  }

  static String title(Method test) {
    DisplayName name = test.getAnnotation(DisplayName.class);
    if (name == null) {
      throw new IllegalStateException(
          "test %s of %s has no display name"
              .formatted(test.getName(), test.getDeclaringClass().getName()));
    }
    return name.value();
  }
}
