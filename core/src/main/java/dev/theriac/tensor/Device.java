package dev.theriac.tensor;

/**
 * Where a storage lives: the host ({@link #CPU}) or a numbered accelerator.
 *
 * @param type "cpu" or "cuda"
 * @param index ordinal among the devices of that type
 */
public record Device(String type, int index) {
  public static final Device CPU = new Device("cpu", 0);

  @Override
  public String toString() {
    return type.equals("cpu") ? type : type + ":" + index;
  }
}
