package dev.theriac.cuda;

import dev.theriac.backend.Backend;
import dev.theriac.cuda.device.CudaDevice;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Arrays;

/** The kernels of the tests' device, for tensors in host memory. */
final class StagedBackend {
  private StagedBackend() {}

  static Backend of(Backend backend, CudaDevice device) {
    return dev.theriac.backend.check.StagedBackend.of(backend);
  }

  /** Kernels of one family, which need not be those that the back end has. */
  static <T> T of(Class<T> family, T kernels, CudaDevice device) {
    Backend others = new CudaBackend(device);
    Backend one =
        (Backend)
            Proxy.newProxyInstance(
                Backend.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (_, method, arguments) ->
                    method.getReturnType() == family ? kernels : method.invoke(others, arguments));
    try {
      Method accessor =
          Arrays.stream(Backend.class.getMethods())
              .filter(method -> method.getReturnType() == family)
              .findFirst()
              .orElseThrow();
      return family.cast(accessor.invoke(of(one, device)));
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
