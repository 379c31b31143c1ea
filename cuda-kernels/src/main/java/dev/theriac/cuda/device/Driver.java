package dev.theriac.cuda.device;

import java.util.Set;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** Checks what calls of the driver return. */
final class Driver {
  /** After these every call of the process fails: faults of kernels, and of the device. */
  private static final Set<Integer> SPOILING =
      Set.of(214, 700, 702, 710, 714, 715, 716, 717, 718, 719);

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
    boolean spoilt = SPOILING.contains(code);
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
