package dev.theriac.cuda.device;

import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** Checks what calls of the driver return. */
final class Driver {
  private static final int ILLEGAL_ADDRESS = 700;
  private static final int LAUNCH_FAILED = 719;

  private Driver() {}

  static void check(String call, int code) {
    check(call, code, "");
  }

  /**
   * @param detail what was being done
   * @throws CudaException unless the code says success
   */
  static void check(String call, int code, String detail) {
    if (code != CUresult.CUDA_SUCCESS) throw failure(call, code, detail);
  }

  static CudaException failure(String call, int code, String detail) {
    boolean spoilt = code == ILLEGAL_ADDRESS || code == LAUNCH_FAILED;
    String text =
        spoilt
            ? detail
                + (detail.isEmpty() ? "" : "; ")
                + "the device cannot be used any more in this process"
            : detail;
    return new CudaException(call, code, name(code), text);
  }

  private static String name(int code) {
    String[] name = new String[1];
    if (JCudaDriver.cuGetErrorName(code, name) == CUresult.CUDA_SUCCESS && name[0] != null) {
      return name[0];
    }
    return "an unnamed error";
  }
}
