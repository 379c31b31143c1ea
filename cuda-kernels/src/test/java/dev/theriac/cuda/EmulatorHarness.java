package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * A context of its own on the emulated device, so that the errors made in it on purpose end with
 * it, and the kernels of native/emu/selftest.
 */
final class EmulatorHarness implements AutoCloseable {
  private final CUcontext before = new CUcontext();
  private final CUcontext context = new CUcontext();
  private final CUmodule module = new CUmodule();

  EmulatorHarness() {
    EmulatedCuda.load();
    assumeTrue(EmulatedCuda.isUsed(), "these are tests of the emulated device");
    succeed(JCudaDriver.cuInit(0));
    CUdevice device = new CUdevice();
    succeed(JCudaDriver.cuDeviceGet(device, 0));
    succeed(JCudaDriver.cuCtxGetCurrent(before));
    succeed(JCudaDriver.cuCtxCreate(context, 0, device));
    try {
      byte[] image = Files.readAllBytes(EmulatedCuda.library("libselftest_host.so"));
      succeed(JCudaDriver.cuModuleLoadData(module, image));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void succeed(int code) {
    String[] name = new String[1];
    JCudaDriver.cuGetErrorName(code, name);
    assertThat(name[0]).isEqualTo("CUDA_SUCCESS");
  }

  CUdeviceptr allocate(long bytes) {
    CUdeviceptr address = new CUdeviceptr();
    succeed(JCudaDriver.cuMemAlloc(address, bytes));
    return address;
  }

  CUdeviceptr upload(float... values) {
    CUdeviceptr address = allocate(values.length * 4L);
    succeed(JCudaDriver.cuMemcpyHtoD(address, Pointer.to(values), values.length * 4L));
    return address;
  }

  CUdeviceptr upload(int... values) {
    CUdeviceptr address = allocate(values.length * 4L);
    succeed(JCudaDriver.cuMemcpyHtoD(address, Pointer.to(values), values.length * 4L));
    return address;
  }

  CUdeviceptr upload(long... values) {
    CUdeviceptr address = allocate(values.length * 8L);
    succeed(JCudaDriver.cuMemcpyHtoD(address, Pointer.to(values), values.length * 8L));
    return address;
  }

  float[] floats(CUdeviceptr address, int count) {
    float[] values = new float[count];
    succeed(JCudaDriver.cuMemcpyDtoH(Pointer.to(values), address, count * 4L));
    return values;
  }

  int[] ints(CUdeviceptr address, int count) {
    int[] values = new int[count];
    succeed(JCudaDriver.cuMemcpyDtoH(Pointer.to(values), address, count * 4L));
    return values;
  }

  long[] longs(CUdeviceptr address, int count) {
    long[] values = new long[count];
    succeed(JCudaDriver.cuMemcpyDtoH(Pointer.to(values), address, count * 8L));
    return values;
  }

  CUfunction function(String kernel) {
    CUfunction function = new CUfunction();
    succeed(JCudaDriver.cuModuleGetFunction(function, module, kernel));
    return function;
  }

  /** What cuLaunchKernel answers. */
  int launch(CUstream stream, String kernel, int grid, int block, int shared, Object... arguments) {
    Pointer[] pointers = new Pointer[arguments.length];
    for (int i = 0; i < arguments.length; i++) pointers[i] = pointerTo(arguments[i]);
    return JCudaDriver.cuLaunchKernel(
        function(kernel), grid, 1, 1, block, 1, 1, shared, stream, Pointer.to(pointers), null);
  }

  /** What the launch or the synchronisation after it answers. */
  int run(String kernel, int grid, int block, int shared, Object... arguments) {
    int code = launch(null, kernel, grid, block, shared, arguments);
    return code != 0 ? code : JCudaDriver.cuCtxSynchronize();
  }

  private static Pointer pointerTo(Object argument) {
    return switch (argument) {
      case CUdeviceptr address -> Pointer.to(address);
      case Integer value -> Pointer.to(new int[] {value});
      case Long value -> Pointer.to(new long[] {value});
      case Float value -> Pointer.to(new float[] {value});
      default -> throw new IllegalArgumentException(argument.toString());
    };
  }

  @Override
  public void close() {
    EmulatedCuda.restore();
    succeed(JCudaDriver.cuCtxDestroy(context));
    succeed(JCudaDriver.cuCtxSetCurrent(before));
  }
}
