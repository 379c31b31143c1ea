package dev.theriac.backend.check;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

public class KernelCheckTest {
  static String[] names() {
    return KernelCheck.all().stream().map(KernelCheck::name).toArray(String[]::new);
  }

  private static KernelCheck named(String name) {
    return KernelCheck.all().stream().filter(c -> c.name().equals(name)).findFirst().orElseThrow();
  }

  @Test
  void everyMethodOfEveryKernelInterfaceIsChecked() {
    Set<String> methods = new TreeSet<>();
    for (Method family : Backend.class.getMethods()) {
      if (!family.getReturnType().getSimpleName().endsWith("Kernels")) continue;
      for (Method kernel : family.getReturnType().getMethods()) {
        if (!Modifier.isStatic(kernel.getModifiers())) {
          methods.add(family.getName() + "." + kernel.getName());
        }
      }
    }
    assertThat(methods).hasSizeGreaterThan(40);
    assertThat(KernelCheck.all().stream().map(KernelCheck::kernel).collect(Collectors.toSet()))
        .as("a kernel without a check (or the reverse): see KernelChecks")
        .isEqualTo(methods);
    assertThat(names()).doesNotHaveDuplicates();
  }

  @ParameterizedTest
  @MethodSource("names")
  void theBackEndInUseAgreesWithScalarCode(String name) {
    Backend used = Backends.cpu().backend();
    assertThat(named(name).apart(used, Backends.scalar())).isBetween(0.0, KernelCheck.TOLERANCE);
    assertThat(named(name).apart(used, Backends.scalar(), 3)).isBetween(0.0, KernelCheck.TOLERANCE);
  }

  /** A kernel that does nothing is found for every check, so every check looks at a result. */
  @Tag("one-width") // of VectorWidthsTest: of the back end in use nothing runs here
  @ParameterizedTest
  @MethodSource("names")
  void aKernelThatDoesNothingIsFound(String name) {
    Backend idle =
        (Backend)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {Backend.class},
                (_, method, _) -> idle(method.getReturnType()));
    assertThat(named(name).apart(idle, Backends.scalar()))
        .satisfies(
            apart -> assertThat(apart <= KernelCheck.TOLERANCE).as("apart %s", apart).isFalse());
  }

  private static Object idle(Class<?> family) {
    return Proxy.newProxyInstance(
        family.getClassLoader(),
        new Class<?>[] {family},
        (_, method, _) -> {
          if (method.getReturnType() == long.class) return 0L;
          return method.getReturnType() == double.class ? 0.0 : null;
        });
  }
}
