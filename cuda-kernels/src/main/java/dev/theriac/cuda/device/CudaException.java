package dev.theriac.cuda.device;

/**
 * A call of the CUDA driver or of cuBLAS failed. The message names the call, the code and, where
 * there is one, the kernel. After an error that spoils the context (an illegal address, a failed
 * launch) every further call fails too: the program has to be started again.
 */
public final class CudaException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final String call;
  private final int code;

  /**
   * @param call name of the function, such as {@code cuLaunchKernel}
   * @param code what it returned
   * @param name what the library calls that code
   * @param detail what was being done, or empty
   */
  public CudaException(String call, int code, String name, String detail) {
    super(
        "%s failed with %s (%d)%s"
            .formatted(call, name, code, detail.isEmpty() ? "" : ": " + detail));
    this.call = call;
    this.code = code;
  }

  /** The function that failed. */
  public String call() {
    return call;
  }

  /** What it returned: a CUresult, or a status of cuBLAS. */
  public int code() {
    return code;
  }
}
