package dev.theriac.cuda;

import dev.theriac.backend.Backend;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Storage;
import dev.theriac.tensor.Strided;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.lang.reflect.RecordComponent;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * A back end of the CPU whose kernels are another device's: every argument is copied there, the
 * kernel runs, everything is copied back. So whatever tests kernels on host memory tests those.
 */
final class StagedBackend {
  private final Backend backend;
  private final CudaDevice device;

  private StagedBackend(Backend backend, CudaDevice device) {
    this.backend = backend;
    this.device = device;
  }

  /** The kernels of {@code backend} on {@code device}, for tensors in host memory. */
  static Backend of(Backend backend, CudaDevice device) {
    StagedBackend staged = new StagedBackend(backend, device);
    return proxy(Backend.class, (method, arguments) -> staged.family(method, arguments));
  }

  private interface Handler {
    Object call(Method method, Object[] arguments) throws Throwable;
  }

  private static <T> T proxy(Class<T> type, Handler handler) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> handler.call(method, arguments)));
  }

  private Object family(Method method, Object[] arguments) throws Throwable {
    if (method.getName().equals("device")) return Device.CPU;
    Object found = invoke(backend, method, arguments);
    Class<?> type = method.getReturnType();
    if (!type.isInterface() || !type.getPackageName().equals(Backend.class.getPackageName())) {
      return found;
    }
    return proxy(type, (kernel, given) -> run(found, kernel, given));
  }

  private Object run(Object kernels, Method kernel, Object[] arguments) throws Throwable {
    Map<Storage, DeviceStorage> there = new IdentityHashMap<>();
    Object[] staged = arguments == null ? null : new Object[arguments.length];
    try {
      for (int i = 0; staged != null && i < staged.length; i++) {
        staged[i] = map(arguments[i], there);
      }
      Object result = invoke(kernels, kernel, staged);
      there.forEach(StagedBackend::back);
      return result;
    } finally {
      there.values().forEach(storage -> storage.free("the staged call"));
    }
  }

  private static Object invoke(Object target, Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private Object map(Object argument, Map<Storage, DeviceStorage> there) throws Throwable {
    return switch (argument) {
      case Strided tensor ->
          new Strided(
              there.computeIfAbsent(tensor.storage(), this::stage),
              tensor.dtype(),
              tensor.layout());
      case Record record -> map(record, there);
      case null, default -> argument;
    };
  }

  private Object map(Record record, Map<Storage, DeviceStorage> there) throws Throwable {
    RecordComponent[] components = record.getClass().getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      values[i] = map(invoke(record, components[i].getAccessor(), null), there);
    }
    return record.getClass().getDeclaredConstructor(types).newInstance(values);
  }

  private DeviceStorage stage(Storage storage) {
    CpuStorage host = (CpuStorage) storage;
    DeviceStorage made =
        DeviceStorage.wrap(device.allocate(host.byteSize(), "staged call"), "staged call");
    made.block().copyFromHost(0, host.address(), host.byteSize());
    return made;
  }

  private static void back(Storage storage, DeviceStorage there) {
    CpuStorage host = (CpuStorage) storage;
    if (host.isReadOnly()) return;
    there.block().copyToHost(0, host.address(), host.byteSize());
  }
}
