package dev.theriac.cuda.device;

import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** A point in a stream: to be waited for, or to measure time with. Thread-safe. */
public final class CudaEvent implements AutoCloseable {
  private final CudaDevice device;
  private final CUevent handle = new CUevent();

  /**
   * @param timing whether it records when it was reached
   */
  CudaEvent(CudaDevice device, boolean timing) {
    this.device = device;
    device.makeCurrent();
    int flags = timing ? CUevent_flags.CU_EVENT_DEFAULT : CUevent_flags.CU_EVENT_DISABLE_TIMING;
    Driver.check("cuEventCreate", JCudaDriver.cuEventCreate(handle, flags));
  }

  CUevent handle() {
    return handle;
  }

  /** Moves the event to the end of what is queued in the stream now. */
  public void record(CudaStream stream) {
    device.makeCurrent();
    Driver.check("cuEventRecord", JCudaDriver.cuEventRecord(handle, stream.handle()));
  }

  /** Whether the device has come to it. */
  public boolean isDone() {
    device.makeCurrent();
    int code = JCudaDriver.cuEventQuery(handle);
    if (code == CUresult.CUDA_ERROR_NOT_READY) return false;
    Driver.check("cuEventQuery", code, device.lastWork());
    return true;
  }

  /** Waits until the device has come to it. */
  public void synchronize() {
    device.makeCurrent();
    Driver.check("cuEventSynchronize", JCudaDriver.cuEventSynchronize(handle), device.lastWork());
  }

  /** Seconds on the device from {@code earlier}, which was reached, as was this one. */
  public double secondsSince(CudaEvent earlier) {
    device.makeCurrent();
    float[] millis = new float[1];
    Driver.check(
        "cuEventElapsedTime", JCudaDriver.cuEventElapsedTime(millis, earlier.handle, handle));
    return millis[0] / 1e3;
  }

  @Override
  public void close() {
    device.makeCurrent();
    Driver.check("cuEventDestroy", JCudaDriver.cuEventDestroy(handle));
  }
}
