package dev.theriac.backend.check;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Strided;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.lang.reflect.RecordComponent;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Makes kernels of a device that is none of kernels of the CPU: hands each argument on, tensors, in
 * records too, as the same memory in the host's eyes.
 */
final class Relay {
  private final Device device;
  private final Map<Class<?>, Object> families = new ConcurrentHashMap<>();

  Relay(Device device) {
    this.device = device;
  }

  <T> T of(Class<T> family, T kernels) {
    return family.cast(families.computeIfAbsent(family, _ -> relayed(family, kernels)));
  }

  private Object relayed(Class<?> family, Object kernels) {
    return Proxy.newProxyInstance(
        family.getClassLoader(),
        new Class<?>[] {family},
        (_, method, arguments) -> {
          Object[] seen = new Object[arguments == null ? 0 : arguments.length];
          for (int i = 0; i < seen.length; i++) seen[i] = onHost(arguments[i]);
          try {
            return family
                .getMethod(method.getName(), method.getParameterTypes())
                .invoke(kernels, seen);
          } catch (InvocationTargetException e) {
            throw e.getCause();
          }
        });
  }

  private Object onHost(Object argument) throws ReflectiveOperationException {
    if (argument instanceof Strided tensor) return onHost(tensor);
    return argument instanceof Record record ? onHost(record) : argument;
  }

  private Strided onHost(Strided tensor) {
    tensor.deviceAddress(device);
    PretendBlock block = (PretendBlock) ((DeviceStorage) tensor.storage()).block();
    return new Strided(block.memory, tensor.dtype(), tensor.layout());
  }

  private Record onHost(Record record) throws ReflectiveOperationException {
    RecordComponent[] components = record.getClass().getRecordComponents();
    Class<?>[] types = new Class<?>[components.length];
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      types[i] = components[i].getType();
      values[i] = onHost(components[i].getAccessor().invoke(record));
    }
    return record.getClass().getDeclaredConstructor(types).newInstance(values);
  }
}
