package dev.theriac.cuda;

import static jcuda.driver.CUresult.CUDA_ERROR_ILLEGAL_ADDRESS;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_HANDLE;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_IMAGE;
import static jcuda.driver.CUresult.CUDA_ERROR_INVALID_VALUE;
import static jcuda.driver.CUresult.CUDA_ERROR_LAUNCH_FAILED;
import static jcuda.driver.CUresult.CUDA_ERROR_MISALIGNED_ADDRESS;
import static jcuda.driver.CUresult.CUDA_ERROR_NOT_FOUND;
import static jcuda.driver.CUresult.CUDA_ERROR_NOT_SUPPORTED;
import static jcuda.driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY;
import static jcuda.driver.CUresult.CUDA_SUCCESS;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import jcuda.Pointer;
import jcuda.driver.CUarray;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the emulated device notices, which a GPU may not. */
class EmulatorFaultsTest {
  private static final int SHARED = 256;

  private final EmulatorHarness emulator = new EmulatorHarness();

  @AfterEach
  void leave() {
    emulator.close();
  }

  /** As on a GPU, every later call repeats the error. */
  @ParameterizedTest
  @ValueSource(strings = {"fwd", "rev", "rand:1", "rand:2"})
  void aDivergentBarrierIsNoHang(String schedule) {
    EmulatedCuda.configure("schedule", schedule);
    CUdeviceptr out = emulator.allocate(64 * 4);
    assertThat(emulator.run("fault_divergent_barrier", 2, 64, 0, out))
        .isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
    assertThat(JCudaDriver.cuMemAlloc(new CUdeviceptr(), 4)).isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
  }

  @ParameterizedTest
  @ValueSource(strings = {"fault_wrong_mask", "fault_foreign_mask", "fault_disagreement"})
  void lanesThatDoNotMeetAreNamed(String kernel) {
    assertThat(emulator.run(kernel, 1, 32, 0, emulator.allocate(32 * 4)))
        .isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
  }

  @Test
  void writingBehindAnAllocationIsFound() {
    CUdeviceptr out = emulator.allocate(100 * 4);
    assertThat(emulator.run("fault_overrun", 1, 128, 0, out, 100L))
        .isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
  }

  @Test
  void aWildReadEndsTheLaunchOnly() {
    CUdeviceptr out = emulator.allocate(32 * 4);
    assertThat(emulator.run("fault_wild_address", 1, 32, 0, out, 64L))
        .isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
  }

  @Test
  void freedMemoryIsNotToBeUsed() {
    CUdeviceptr out = emulator.allocate(32 * 8);
    EmulatorHarness.succeed(JCudaDriver.cuMemFree(out));
    assertThat(JCudaDriver.cuMemcpyDtoH(Pointer.to(new float[1]), out, 4))
        .isEqualTo(CUDA_ERROR_INVALID_VALUE);
    assertThat(JCudaDriver.cuMemFree(out)).isEqualTo(CUDA_ERROR_INVALID_VALUE);
    assertThat(emulator.run("check_append", 1, 1, 0, out, 1)).isEqualTo(CUDA_ERROR_ILLEGAL_ADDRESS);
  }

  @Test
  void copiesStayInTheirAllocations() {
    CUdeviceptr block = emulator.allocate(100);
    byte[] host = new byte[200];
    for (long bytes : new long[] {101, 200}) {
      assertThat(JCudaDriver.cuMemcpyHtoD(block, Pointer.to(host), bytes))
          .isEqualTo(CUDA_ERROR_INVALID_VALUE);
      assertThat(JCudaDriver.cuMemcpyDtoH(Pointer.to(host), block, bytes))
          .isEqualTo(CUDA_ERROR_INVALID_VALUE);
      assertThat(JCudaDriver.cuMemcpyDtoD(block, emulator.allocate(200), bytes))
          .isEqualTo(CUDA_ERROR_INVALID_VALUE);
      assertThat(JCudaDriver.cuMemsetD8(block, (byte) 0, bytes))
          .isEqualTo(CUDA_ERROR_INVALID_VALUE);
    }
    assertThat(JCudaDriver.cuMemcpyHtoD(block, Pointer.to(host), 100)).isEqualTo(CUDA_SUCCESS);
  }

  @Test
  void sharedMemoryHasItsLimits() {
    CUdeviceptr out = emulator.allocate(4);
    assertThat(emulator.run("check_mma", 1, 32, (48 << 10) + 1, out, out, out))
        .isEqualTo(CUDA_ERROR_INVALID_VALUE);
    CUfunction function = emulator.function("check_mma");
    int attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    assertThat(JCudaDriver.cuFuncSetAttribute(function, attribute, 228 << 10))
        .isEqualTo(CUDA_ERROR_INVALID_VALUE);
    assertThat(JCudaDriver.cuFuncSetAttribute(function, attribute, 227 << 10))
        .isEqualTo(CUDA_SUCCESS);
    // Less than the kernel's struct takes.
    assertThat(emulator.run("fault_shared_overrun", 1, 1, SHARED - 4, out))
        .isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
  }

  @Test
  void writingBehindSharedMemoryIsFound() {
    assertThat(emulator.run("fault_shared_overrun", 1, 1, SHARED, emulator.allocate(4)))
        .isEqualTo(CUDA_ERROR_LAUNCH_FAILED);
  }

  @Test
  void aMisalignedCopyIsFound() {
    CUdeviceptr in = emulator.upload(new float[64]);
    assertThat(emulator.run("fault_misaligned_copy", 1, 1, SHARED, in, emulator.allocate(4)))
        .isEqualTo(CUDA_ERROR_MISALIGNED_ADDRESS);
  }

  /** Late copies show it, early ones do not: tests run in both modes. */
  @Test
  void aMissingWaitReadsNaN() {
    CUdeviceptr in = emulator.upload(1f, 2f, 3f, 4f);
    CUdeviceptr out = emulator.allocate(4);
    EmulatedCuda.configure("cpasync", "late");
    EmulatorHarness.succeed(emulator.run("fault_missing_wait", 1, 1, SHARED, in, out));
    assertThat(emulator.floats(out, 1)[0]).isNaN();
    EmulatedCuda.configure("cpasync", "early");
    EmulatorHarness.succeed(emulator.run("fault_missing_wait", 1, 1, SHARED, in, out));
    assertThat(emulator.floats(out, 1)[0]).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"fwd", "rev", "rand:1"})
  void aMissingBarrierReadsNaN(String schedule) {
    EmulatedCuda.configure("schedule", schedule);
    float[] ones = new float[64];
    Arrays.fill(ones, 1);
    CUdeviceptr out = emulator.allocate(64 * 4);
    EmulatorHarness.succeed(
        emulator.run("fault_missing_barrier", 1, 64, SHARED, emulator.upload(ones), out));
    assertThat(emulator.floats(out, 64)).contains(Float.NaN);
  }

  @Test
  void memoryRunsOut() {
    EmulatedCuda.configure("memory", Integer.toString(64 << 20));
    long[] available = new long[1];
    long[] total = new long[1];
    JCudaDriver.cuMemGetInfo(available, total);
    assertThat(total[0]).isEqualTo(64 << 20);
    CUdeviceptr block = new CUdeviceptr();
    assertThat(JCudaDriver.cuMemAlloc(block, available[0] + 1)).isEqualTo(CUDA_ERROR_OUT_OF_MEMORY);
    if (available[0] < 1 << 20) return;
    assertThat(JCudaDriver.cuMemAlloc(block, 1 << 20)).isEqualTo(CUDA_SUCCESS);
    long before = available[0];
    JCudaDriver.cuMemGetInfo(available, total);
    assertThat(available[0]).isEqualTo(before - (1 << 20));
    assertThat(JCudaDriver.cuMemFree(block)).isEqualTo(CUDA_SUCCESS);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1025, 1 << 20})
  void blocksOfImpossibleSizesAreRefused(int threads) {
    assertThat(emulator.run("check_append", 1, threads, 0, emulator.allocate(8), 1))
        .isEqualTo(CUDA_ERROR_INVALID_VALUE);
    assertThat(emulator.run("check_append", 0, 1, 0, emulator.allocate(8), 1))
        .isEqualTo(CUDA_ERROR_INVALID_VALUE);
  }

  @Test
  void whatDoesNotExistIsNotFound() {
    CUmodule module = new CUmodule();
    assertThat(JCudaDriver.cuModuleLoadData(module, "neither PTX nor a library\0"))
        .isEqualTo(CUDA_ERROR_INVALID_IMAGE);
    assertThat(JCudaDriver.cuModuleUnload(new CUmodule())).isEqualTo(CUDA_ERROR_INVALID_HANDLE);
    // A kernel that the host library has and this text has not.
    String ptx = ".version 8.0\n.target sm_80\n.visible .entry other(\n)\n{\n}\n";
    EmulatorHarness.succeed(JCudaDriver.cuModuleLoadData(module, ptx));
    assertThat(JCudaDriver.cuModuleGetFunction(new CUfunction(), module, "elementwise_fill_f32"))
        .isEqualTo(CUDA_ERROR_NOT_FOUND);
    assertThat(JCudaDriver.cuModuleGetFunction(new CUfunction(), module, "other"))
        .isEqualTo(CUDA_ERROR_NOT_FOUND);
  }

  /** The PTX of other sources than those of the host library is found out. */
  @Test
  void parametersOfBothTwinsAreCompared() {
    String ptx =
        """
        .version 8.0
        .target sm_80
        .visible .entry elementwise_fill_f32(
        	.param .u64 elementwise_fill_f32_param_0,
        	.param .u32 elementwise_fill_f32_param_1
        )
        {
        }
        """;
    CUmodule module = new CUmodule();
    EmulatorHarness.succeed(JCudaDriver.cuModuleLoadData(module, ptx));
    assertThat(JCudaDriver.cuModuleGetFunction(new CUfunction(), module, "elementwise_fill_f32"))
        .isEqualTo(CUDA_ERROR_INVALID_IMAGE);
  }

  @Test
  void whatIsNotEmulatedSaysSo() {
    assertThat(JCudaDriver.cuArrayDestroy(new CUarray())).isEqualTo(CUDA_ERROR_NOT_SUPPORTED);
  }
}
