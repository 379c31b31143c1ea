package dev.theriac.cuda;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Locale;

/** A family that has no kernels here: each of its methods says so. */
final class MissingKernels {
  private MissingKernels() {}

  /**
   * @param family an interface of {@code dev.theriac.backend}
   */
  static <T> T of(Class<T> family) {
    return family.cast(
        Proxy.newProxyInstance(
            family.getClassLoader(),
            new Class<?>[] {family},
            (self, method, arguments) ->
                switch (method.getName()) {
                  case "toString" -> "no " + name(family) + " kernels";
                  case "hashCode" -> System.identityHashCode(self);
                  case "equals" -> self == arguments[0];
                  default -> throw missing(family, method);
                }));
  }

  private static UnsupportedOperationException missing(Class<?> family, Method method) {
    return missing(name(family) + "." + method.getName());
  }

  /**
   * @param operation what there is no kernel for
   */
  static UnsupportedOperationException missing(String operation) {
    return new UnsupportedOperationException(
        operation
            + " has no CUDA kernel in this version; move its tensors to the CPU with"
            + " to(Device.CPU)");
  }

  private static String name(Class<?> family) {
    String name = family.getSimpleName();
    return name.substring(0, name.length() - "Kernels".length()).toLowerCase(Locale.ROOT);
  }
}
