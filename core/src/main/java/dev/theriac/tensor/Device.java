package dev.theriac.tensor;

import java.util.function.Supplier;

/**
 * Where a storage lives: the host ({@link #CPU}) or a numbered accelerator.
 *
 * @param type "cpu" or the name of a back end's provider, such as "cuda"
 * @param index ordinal among the devices of that type
 */
public record Device(String type, int index) {
  public static final Device CPU = new Device("cpu", 0);

  private static final ScopedValue<Device> CURRENT = ScopedValue.newInstance();

  /**
   * @throws IllegalArgumentException for a negative index
   */
  public Device {
    if (index < 0) throw new IllegalArgumentException("device: index %d".formatted(index));
  }

  /**
   * From "cpu", "cuda" (the first one) or "cuda:1".
   *
   * @throws IllegalArgumentException when it is written in another way
   */
  public static Device of(String text) {
    if (text.equals(CPU.type)) return CPU;
    if (!text.matches("[a-z]+(:[0-9]{1,9})?")) {
      throw new IllegalArgumentException(
          "device %s; write cpu, or a type and a number such as cuda:0".formatted(text));
    }
    int colon = text.indexOf(':');
    if (colon < 0) return new Device(text, 0);
    return new Device(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
  }

  /**
   * Where this thread makes tensors that are made of no others ({@link Tensor#zeros}, {@link
   * Tensor#of(float[], long...)}, {@link Tensor#randn} ...): the host outside {@link #with}.
   */
  public static Device current() {
    return CURRENT.orElse(CPU);
  }

  /**
   * Runs {@code body} with another {@link #current()} device on this thread: a model that is made
   * in it has its weights there. Results of operations are where their inputs are.
   */
  public static <T> T with(Device device, Supplier<T> body) {
    return ScopedValue.where(CURRENT, device).call(body::get);
  }

  @Override
  public String toString() {
    return type.equals("cpu") ? type : type + ":" + index;
  }
}
