package dev.theriac.cuda.device;

import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;

/** Addresses as the pointers that JCuda wants. */
final class RawPointer {
  private RawPointer() {}

  /** Host memory at {@code address}. */
  static Pointer host(long address) {
    return new HostPointer(address);
  }

  /** Device memory at {@code address}. */
  static CUdeviceptr device(long address) {
    return new DevicePointer(address);
  }

  /** Where the driver put an allocation. */
  static long address(Allocated pointer) {
    return pointer.address();
  }

  /** To be filled by the driver. */
  static final class Allocated extends CUdeviceptr {
    long address() {
      return getNativePointer();
    }
  }

  /** Host memory to be filled in by the driver. */
  static final class AllocatedHost extends Pointer {
    long address() {
      return getNativePointer();
    }
  }

  private static final class HostPointer extends Pointer {
    HostPointer(long address) {
      super(address);
    }
  }

  private static final class DevicePointer extends CUdeviceptr {
    DevicePointer(long address) {
      super(new CUdeviceptr(), address);
    }
  }
}
