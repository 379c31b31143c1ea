package dev.theriac.backend.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.api.Test;

/**
 * The kernels of a JVM use vectors of one width for each element type. Where a second class joins
 * in, the calls inside of the Vector API have two receivers; the compiler then follows both in
 * every kernel, and by a race may keep one vector an object, in kernels that have nothing to do
 * with the second class.
 */
class OneWidthTest {

  /** One for each width; which of them runs follows {@link Lanes#LENGTH}. */
  private static final Set<String> OF_A_WIDTH = Set.of("FewRows", "Transposes");

  @Test
  void anElementTypeHasVectorsOfOneWidth() throws IOException, ReflectiveOperationException {
    Map<String, Set<String>> widths = new TreeMap<>();
    int fields = 0;
    for (Class<?> type : kernels()) {
      for (Field field : type.getDeclaredFields()) {
        if (field.getType() != VectorSpecies.class || !Modifier.isStatic(field.getModifiers())) {
          continue;
        }
        field.setAccessible(true);
        VectorSpecies<?> species = (VectorSpecies<?>) field.get(null);
        widths
            .computeIfAbsent(species.elementType().getName(), k -> new TreeSet<>())
            .add(species.vectorBitSize() + " bits");
        fields++;
      }
    }
    assertThat(fields).isGreaterThan(5);
    assertThat(widths).containsKeys("float", "int", "short", "byte");
    assertThat(widths)
        .allSatisfy((element, bits) -> assertThat(bits).as("vectors of %s", element).hasSize(1));
  }

  private static List<Class<?>> kernels() throws IOException, ReflectiveOperationException {
    try (Stream<Path> files =
        Files.list(Path.of("src/main/java", Lanes.class.getPackageName().replace('.', '/')))) {
      List<String> names =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(".java") && !name.equals("package-info.java"))
              .map(name -> name.replace(".java", ""))
              .filter(name -> !OF_A_WIDTH.contains(name.replaceAll("\\d", "")))
              .map(name -> Lanes.class.getPackageName() + '.' + name)
              .toList();
      List<Class<?>> classes = new ArrayList<>();
      for (String name : names) classes.add(Class.forName(name));
      return classes;
    }
  }
}
