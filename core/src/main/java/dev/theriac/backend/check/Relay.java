package dev.theriac.backend.check;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Strided;
import java.lang.reflect.Proxy;
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
        (_, kernel, arguments) -> Mapped.call(family, kernels, kernel, arguments, this::onHost));
  }

  private Strided onHost(Strided tensor) {
    tensor.deviceAddress(device);
    PretendBlock block = (PretendBlock) ((DeviceStorage) tensor.storage()).block();
    return new Strided(block.memory, tensor.dtype(), tensor.layout());
  }
}
