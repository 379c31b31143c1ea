package dev.theriac.cuda.device;

import dev.theriac.tensor.Host;
import java.lang.foreign.MemorySegment;
import jcuda.driver.JCudaDriver;

/**
 * Copies between host and device through two pinned buffers, so that the driver copies one while
 * the other is filled: pageable memory would be staged by the driver, one piece after the other.
 * Everything is ordered on the device's compute stream. Thread-safe; one transfer at a time.
 */
final class Transfers {
  /** Large enough to hide the cost of a call, small enough to be given for good. */
  static final long CHUNK = 4L << 20;

  private final CudaDevice device;
  private final Side[] sides = new Side[2];

  /** A pinned buffer and when the device was done with it last. */
  private static final class Side {
    final long address;
    final CudaEvent done;

    Side(CudaDevice device) {
      RawPointer.AllocatedHost pointer = new RawPointer.AllocatedHost();
      device.makeCurrent();
      Driver.check("cuMemHostAlloc", JCudaDriver.cuMemHostAlloc(pointer, CHUNK, 0));
      address = pointer.address();
      done = device.event(false);
    }
  }

  Transfers(CudaDevice device) {
    this.device = device;
  }

  /** The bytes at {@code host} may be changed or freed as soon as this returns. */
  synchronized void toDevice(long host, long to, long bytes) {
    for (long at = 0, turn = 0; at < bytes; at += CHUNK, turn++) {
      long part = Math.min(CHUNK, bytes - at);
      Side side = side((int) turn & 1);
      side.done.synchronize();
      copy(host + at, side.address, part);
      Driver.check(
          "cuMemcpyHtoDAsync",
          JCudaDriver.cuMemcpyHtoDAsync(
              RawPointer.device(to + at), RawPointer.host(side.address), part, stream()),
          part + " bytes; " + device.lastWork());
      side.done.record(device.compute());
    }
  }

  /** Returns when the bytes are there, and with them all that was queued before. */
  synchronized void toHost(long from, long host, long bytes) {
    long queued = 0;
    for (long at = 0, turn = 0; at < bytes; at += CHUNK, turn++) {
      // The next piece travels while this one is copied out.
      for (; queued < bytes && queued <= at + CHUNK; queued += CHUNK) {
        Side next = side((int) (queued / CHUNK) & 1);
        Driver.check(
            "cuMemcpyDtoHAsync",
            JCudaDriver.cuMemcpyDtoHAsync(
                RawPointer.host(next.address),
                RawPointer.device(from + queued),
                Math.min(CHUNK, bytes - queued),
                stream()),
            bytes + " bytes; " + device.lastWork());
        next.done.record(device.compute());
      }
      Side side = side((int) turn & 1);
      side.done.synchronize();
      copy(side.address, host + at, Math.min(CHUNK, bytes - at));
    }
  }

  private jcuda.driver.CUstream stream() {
    return device.compute().handle();
  }

  private Side side(int index) {
    device.makeCurrent();
    if (sides[index] == null) sides[index] = new Side(device);
    return sides[index];
  }

  private static void copy(long from, long to, long bytes) {
    MemorySegment.copy(Host.ALL, from, Host.ALL, to, bytes);
  }
}
