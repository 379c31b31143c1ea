package dev.theriac.tensor;

/** Memory of a device that is not the CPU, as its back end hands it out. Thread-safe. */
public interface DeviceBlock {
  Device device();

  /** What the device calls the first byte. */
  long address();

  /** Capacity in bytes. */
  long bytes();

  /** Copies to host memory; returns when the bytes are there. */
  void copyToHost(long offset, long hostAddress, long bytes);

  /** Copies from host memory, which may be changed as soon as this returns. */
  void copyFromHost(long offset, long hostAddress, long bytes);

  /** Gives the memory back; called once. */
  void release();
}
