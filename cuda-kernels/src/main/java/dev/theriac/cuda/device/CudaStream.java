package dev.theriac.cuda.device;

import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * A queue of work on a device: what is put into one runs in that order, what is put into two in
 * any, unless events say more. Thread-safe.
 */
public final class CudaStream implements AutoCloseable {
  private final CudaDevice device;
  private final CUstream handle = new CUstream();

  CudaStream(CudaDevice device) {
    this.device = device;
    device.makeCurrent();
    Driver.check(
        "cuStreamCreate",
        JCudaDriver.cuStreamCreate(handle, CUstream_flags.CU_STREAM_NON_BLOCKING));
  }

  /** The driver's handle, for libraries that take one. */
  public CUstream handle() {
    return handle;
  }

  /** Waits until all that was queued is done; errors of kernels are thrown here. */
  public void synchronize() {
    device.makeCurrent();
    Driver.check("cuStreamSynchronize", JCudaDriver.cuStreamSynchronize(handle), device.lastWork());
  }

  /** Whether all that was queued is done. */
  public boolean isIdle() {
    device.makeCurrent();
    int code = JCudaDriver.cuStreamQuery(handle);
    if (code == CUresult.CUDA_ERROR_NOT_READY) return false;
    Driver.check("cuStreamQuery", code, device.lastWork());
    return true;
  }

  /** Lets later work of this stream wait for the event, without waiting here. */
  public void await(CudaEvent event) {
    device.makeCurrent();
    Driver.check("cuStreamWaitEvent", JCudaDriver.cuStreamWaitEvent(handle, event.handle(), 0));
  }

  @Override
  public void close() {
    device.makeCurrent();
    Driver.check("cuStreamDestroy", JCudaDriver.cuStreamDestroy(handle));
  }
}
