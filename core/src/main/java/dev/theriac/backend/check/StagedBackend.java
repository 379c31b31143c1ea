package dev.theriac.backend.check;

import dev.theriac.backend.Backend;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Storage;
import dev.theriac.tensor.Strided;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * A back end of the CPU whose kernels are another device's: every argument is copied there, the
 * kernel runs, everything is copied back. So whatever checks kernels on host memory checks those.
 * Thread-safe where the back end is.
 */
public final class StagedBackend {
  private static final String HOLDER = "staged call";

  private final Backend backend;

  private StagedBackend(Backend backend) {
    this.backend = backend;
  }

  /** The kernels of {@code backend}, whose device is not the CPU, for tensors in host memory. */
  public static Backend of(Backend backend) {
    StagedBackend staged = new StagedBackend(backend);
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (_, method, arguments) -> staged.family(method, arguments));
  }

  private Object family(Method method, Object[] arguments) throws Throwable {
    if (method.getName().equals("device")) return Device.CPU;
    Object found;
    try {
      found = method.invoke(backend, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
    Class<?> type = method.getReturnType();
    if (!type.getSimpleName().endsWith("Kernels")) return found;
    return Proxy.newProxyInstance(
        type.getClassLoader(),
        new Class<?>[] {type},
        (_, kernel, given) -> run(type, found, kernel, given));
  }

  private Object run(Class<?> family, Object kernels, Method kernel, Object[] arguments)
      throws Throwable {
    Map<Storage, DeviceStorage> there = new IdentityHashMap<>();
    try {
      Object result =
          Mapped.call(
              family,
              kernels,
              kernel,
              arguments,
              tensor ->
                  new Strided(
                      there.computeIfAbsent(tensor.storage(), this::stage),
                      tensor.dtype(),
                      tensor.layout()));
      there.forEach(StagedBackend::back);
      return result;
    } finally {
      there.values().forEach(storage -> storage.free(HOLDER));
    }
  }

  private DeviceStorage stage(Storage storage) {
    CpuStorage host = (CpuStorage) storage;
    DeviceStorage made = DeviceStorage.wrap(backend.allocate(host.byteSize(), HOLDER), HOLDER);
    made.block().copyFromHost(0, host.address(), host.byteSize());
    return made;
  }

  private static void back(Storage storage, DeviceStorage there) {
    CpuStorage host = (CpuStorage) storage;
    if (host.isReadOnly()) return;
    there.block().copyToHost(0, host.address(), host.byteSize());
  }
}
