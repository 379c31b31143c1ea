package dev.theriac.moe.kit;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;

/** The scalar back end with one kernel replaced, to see that the kit notices. */
final class BrokenBackend {
  private BrokenBackend() {}

  /** The right kernel. */
  interface Kernel {
    void call(Object... args) throws Throwable;
  }

  /** What happens instead of it. */
  interface Replacement {
    void call(Kernel right, Object[] args) throws Throwable;
  }

  /**
   * @param method the kernel to replace, by name, in whichever family has it
   */
  static Backend of(String method, Replacement replacement) {
    Backend right = Backends.scalar();
    return proxy(
        Backend.class,
        (_, family, args) -> {
          Object result = invoke(family, right, args);
          if (!family.getReturnType().getSimpleName().endsWith("Kernels")) return result;
          return proxy(
              family.getReturnType(),
              (_, kernel, kernelArgs) -> {
                if (!kernel.getName().equals(method)) return invoke(kernel, result, kernelArgs);
                replacement.call(changed -> invoke(kernel, result, changed), kernelArgs);
                return null;
              });
        });
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }

  private static Object invoke(Method method, Object target, Object... args) throws Throwable {
    try {
      return method.invoke(target, args);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }
}
