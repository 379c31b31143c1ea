package dev.theriac.tensor;

/**
 * Memory on a device that is not the host, as its back end gives it ({@link
 * dev.theriac.backend.Backend#allocate}). Copies and kernels that one thread asks for take effect
 * in the order in which it asks: a copy to the host waits for the kernels before it, and a block
 * that was released may be given out again at once. Whether the block is still held is checked by
 * its {@link DeviceStorage}.
 */
public interface DeviceBlock {
  Device device();

  /** Where the block begins, in the device's own addresses. */
  long address();

  /** Capacity in bytes; at least what was asked for. */
  long bytes();

  /** Copies bytes from {@code offset} on to host memory; they are there when this returns. */
  void copyToHost(long offset, long hostAddress, long bytes);

  /** Copies bytes of host memory, which may be changed or freed once this returns. */
  void copyFromHost(long offset, long hostAddress, long bytes);

  /** Gives the memory back; called once, from any thread. */
  void release();
}
