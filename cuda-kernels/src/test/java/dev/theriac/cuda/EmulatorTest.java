package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.tensor.Philox;
import java.util.Arrays;
import java.util.Random;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The emulated device against Java: order of streams, operations of warps, numbers of kernels. */
class EmulatorTest {
  private final EmulatorHarness emulator = new EmulatorHarness();

  @AfterEach
  void leave() {
    emulator.close();
  }

  private static CUstream stream() {
    CUstream stream = new CUstream();
    EmulatorHarness.succeed(
        JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING));
    return stream;
  }

  private void append(CUstream stream, CUdeviceptr to, int digit) {
    EmulatorHarness.succeed(emulator.launch(stream, "check_append", 1, 1, 0, to, digit));
  }

  // ---- order ------------------------------------------------------------------------------------

  /** Queued work runs when somebody waits, in an order that only events and streams give. */
  @ParameterizedTest
  @ValueSource(strings = {"fwd", "rev"})
  void eventsOrderStreams(String schedule) {
    EmulatedCuda.configure("async", "1");
    EmulatedCuda.configure("schedule", schedule);
    CUdeviceptr digits = emulator.upload(0L);
    CUstream first = stream();
    CUstream second = stream();
    CUevent event = new CUevent();
    EmulatorHarness.succeed(JCudaDriver.cuEventCreate(event, 0));
    append(first, digits, 1);
    EmulatorHarness.succeed(JCudaDriver.cuEventRecord(event, first));
    EmulatorHarness.succeed(JCudaDriver.cuStreamWaitEvent(second, event, 0));
    append(second, digits, 2);
    append(second, digits, 3);
    assertThat(JCudaDriver.cuEventQuery(event)).isEqualTo(CUresult.CUDA_ERROR_NOT_READY);
    assertThat(JCudaDriver.cuEventQuery(event)).isEqualTo(CUresult.CUDA_SUCCESS);
    EmulatorHarness.succeed(JCudaDriver.cuCtxSynchronize());
    assertThat(emulator.longs(digits, 1)).containsExactly(123);
  }

  /** Without an event the order is open, and both orders can be had. */
  @Test
  void whatNothingOrdersRunsInEitherOrder() {
    EmulatedCuda.configure("async", "1");
    for (String schedule : new String[] {"fwd", "rev"}) {
      EmulatedCuda.configure("schedule", schedule);
      CUdeviceptr digits = emulator.upload(0L);
      append(stream(), digits, 1);
      append(stream(), digits, 2);
      EmulatorHarness.succeed(JCudaDriver.cuCtxSynchronize());
      assertThat(emulator.longs(digits, 1)).containsExactly(schedule.equals("fwd") ? 12 : 21);
    }
  }

  /** An event that is recorded again is waited for as it was. */
  @Test
  void waitsAreForTheRecordingsBeforeThem() {
    EmulatedCuda.configure("async", "1");
    EmulatedCuda.configure("schedule", "rev");
    CUdeviceptr digits = emulator.upload(0L);
    CUstream first = stream();
    CUstream second = stream();
    CUevent event = new CUevent();
    JCudaDriver.cuEventCreate(event, 0);
    append(first, digits, 1);
    JCudaDriver.cuEventRecord(event, first);
    JCudaDriver.cuStreamWaitEvent(second, event, 0);
    append(second, digits, 2);
    append(first, digits, 3);
    JCudaDriver.cuEventRecord(event, first);
    EmulatorHarness.succeed(JCudaDriver.cuCtxSynchronize());
    assertThat(emulator.longs(digits, 1)).containsExactly(123);
  }

  @Test
  void memoryIsFreedWhereTheStreamFreesIt() {
    EmulatedCuda.configure("async", "1");
    CUstream stream = stream();
    CUdeviceptr digits = new CUdeviceptr();
    EmulatorHarness.succeed(JCudaDriver.cuMemAllocAsync(digits, 8, stream));
    EmulatorHarness.succeed(JCudaDriver.cuMemsetD32Async(digits, 0, 2, stream));
    append(stream, digits, 4);
    CUdeviceptr kept = emulator.upload(0L);
    EmulatorHarness.succeed(JCudaDriver.cuMemcpyDtoDAsync(kept, digits, 8, stream));
    EmulatorHarness.succeed(JCudaDriver.cuMemFreeAsync(digits, stream));
    EmulatorHarness.succeed(JCudaDriver.cuStreamSynchronize(stream));
    assertThat(emulator.longs(kept, 1)).containsExactly(4);
    // What comes after on the stream finds it gone.
    append(stream, digits, 5);
    assertThat(JCudaDriver.cuStreamSynchronize(stream))
        .isEqualTo(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS);
  }

  @Test
  void eventsTellTheTimeBetweenThem() {
    CUevent start = new CUevent();
    CUevent end = new CUevent();
    JCudaDriver.cuEventCreate(start, 0);
    JCudaDriver.cuEventCreate(end, 0);
    float[] milliseconds = new float[1];
    assertThat(JCudaDriver.cuEventElapsedTime(milliseconds, start, end))
        .isEqualTo(CUresult.CUDA_ERROR_INVALID_HANDLE);
    JCudaDriver.cuEventRecord(start, null);
    append(null, emulator.upload(0L), 1);
    JCudaDriver.cuEventRecord(end, null);
    EmulatorHarness.succeed(JCudaDriver.cuEventSynchronize(end));
    EmulatorHarness.succeed(JCudaDriver.cuEventElapsedTime(milliseconds, start, end));
    assertThat(milliseconds[0]).isBetween(0f, 60_000f);
  }

  @Test
  void freshMemoryIsNaN() {
    assertThat(emulator.floats(emulator.allocate(400), 100)).containsOnly(Float.NaN);
  }

  // ---- warps and blocks
  // ---------------------------------------------------------------------------

  @ParameterizedTest
  @ValueSource(strings = {"fwd", "rev", "rand:7"})
  void lanesGetWhatTheManualSays(String schedule) {
    EmulatedCuda.configure("schedule", schedule);
    int[] in = new Random(5).ints(32, 0, 50).toArray();
    CUdeviceptr out = emulator.allocate(32 * 16 * 4);
    EmulatorHarness.succeed(emulator.run("check_warp", 1, 32, 0, emulator.upload(in), out));
    int[] all = emulator.ints(out, 32 * 16);
    int odd = 0;
    for (int lane = 0; lane < 32; lane++) odd |= (in[lane] & 1) << lane;
    int some = Arrays.stream(in).anyMatch(value -> value == 3) ? 1 : 0;
    for (int lane = 0; lane < 32; lane++) {
      int segment = lane & ~7;
      int same = 0;
      for (int other = 0; other < 32; other++) {
        if (in[other] % 3 == in[lane] % 3) same |= 1 << other;
      }
      assertThat(Arrays.copyOfRange(all, lane * 16, lane * 16 + 16))
          .as("lane %d", lane)
          .containsExactly(
              in[5],
              in[lane < 3 ? lane : lane - 3],
              in[lane > 28 ? lane : lane + 3],
              in[lane ^ 7],
              in[segment + 1],
              in[lane + 2 < segment + 8 ? lane + 2 : lane],
              odd,
              some + 2,
              Arrays.stream(in).sum(),
              Arrays.stream(in).min().getAsInt(),
              Arrays.stream(in).max().getAsInt(),
              same,
              4 * in[lane ^ 1] + 1,
              in[31],
              lane < 16 ? 0xffff : 0xffff0000,
              1);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {32, 96, 100, 1024})
  void blocksCountAndAddUp(int threads) {
    float[] in = new float[threads];
    for (int i = 0; i < threads; i++) in[i] = i + 1;
    CUdeviceptr sums = emulator.allocate(8);
    CUdeviceptr counts = emulator.allocate(16);
    EmulatorHarness.succeed(
        emulator.run(
            "check_block",
            1,
            (threads + 31) / 32 * 32,
            0,
            emulator.upload(in),
            sums,
            counts,
            threads));
    assertThat(emulator.floats(sums, 2))
        .containsExactly(threads * (threads + 1) / 2f, (float) threads);
    assertThat(emulator.ints(counts, 4)).containsExactly(threads, 1, 1, 0);
  }

  @Test
  void atomicsLoseNothing() {
    CUdeviceptr ints = emulator.upload(new int[3]);
    CUdeviceptr longs = emulator.upload(new long[2]);
    CUdeviceptr bits = emulator.upload(new int[2]);
    EmulatorHarness.succeed(emulator.run("check_atomics", 50, 64, 0, ints, longs, bits));
    assertThat(emulator.ints(ints, 3)).containsExactly(3200, 3199, -3199);
    assertThat(emulator.longs(longs, 2)).containsExactly(3200L << 33, 3199L << 32);
    assertThat(emulator.ints(bits, 2)).containsExactly(-1, 77);
  }

  // ---- numbers
  // ------------------------------------------------------------------------------------

  @Test
  void halvesRoundAsJavaDoes() {
    int count = 1 << 17;
    float[] in = new float[count];
    Random random = new Random(3);
    for (int i = 0; i < count; i++) {
      // Every f16 and the halfway points beside it, then floats of all kinds.
      float exact = Float.float16ToFloat((short) i);
      float next = Float.float16ToFloat((short) (i + 1));
      in[i] = i < 1 << 16 ? (i % 2 == 0 ? exact : (exact + next) / 2) : random(random);
    }
    CUdeviceptr f16 = emulator.allocate(count * 2);
    CUdeviceptr bf16 = emulator.allocate(count * 2);
    CUdeviceptr fromF16 = emulator.allocate(count * 4);
    CUdeviceptr fromBf16 = emulator.allocate(count * 4);
    EmulatorHarness.succeed(
        emulator.run(
            "check_halves",
            count / 256,
            256,
            0,
            emulator.upload(in),
            f16,
            bf16,
            fromF16,
            fromBf16,
            count));
    short[] halves = new short[count];
    JCudaDriver.cuMemcpyDtoH(Pointer.to(halves), f16, count * 2);
    float[] back = emulator.floats(fromF16, count);
    float[] brain = emulator.floats(fromBf16, count);
    for (int i = 0; i < count; i++) {
      if (Float.isNaN(in[i])) {
        assertThat(back[i]).isNaN();
        assertThat(brain[i]).isNaN();
        continue;
      }
      assertThat(halves[i]).as("%s", in[i]).isEqualTo(Float.floatToFloat16(in[i]));
      assertThat(back[i]).isEqualTo(Float.float16ToFloat(halves[i]));
      int bits = Float.floatToRawIntBits(in[i]);
      int rounded = bits + 0x7fff + (bits >>> 16 & 1) & 0xffff0000;
      assertThat(Float.floatToRawIntBits(brain[i])).as("%s", in[i]).isEqualTo(rounded);
    }
  }

  private static float random(Random random) {
    return Float.intBitsToFloat(random.nextInt());
  }

  @Test
  void randomWordsAreThoseOfTheCpu() {
    int count = 1000;
    long seed = 0x123456789abcdefL;
    long stream = -5;
    long first = (1L << 34) - 3;
    CUdeviceptr out = emulator.allocate(count * 4);
    EmulatorHarness.succeed(
        emulator.run("check_philox", 4, 256, 0, out, seed, stream, first, count));
    int[] words = emulator.ints(out, count);
    for (int i = 0; i < count; i++) {
      assertThat(words[i]).isEqualTo(Philox.word(seed, stream, first + i));
    }
  }

  @Test
  void tensorCoresMultiply() {
    Random random = new Random(1);
    float[] a = new float[256];
    float[] b = new float[256];
    for (int i = 0; i < 256; i++) {
      // Few bits: exact in bf16, and sums exact in float.
      a[i] = random.nextInt(-8, 9) / 4f;
      b[i] = random.nextInt(-8, 9) / 4f;
    }
    CUdeviceptr out = emulator.allocate(128 * 4);
    EmulatorHarness.succeed(
        emulator.run("check_mma", 1, 32, 1024, emulator.upload(a), emulator.upload(b), out));
    float[] product = emulator.floats(out, 128);
    for (int i = 0; i < 16; i++) {
      for (int j = 0; j < 8; j++) {
        float sum = 0;
        for (int k = 0; k < 16; k++) sum += a[i * 16 + k] * b[k * 16 + j];
        assertThat(product[i * 8 + j]).isCloseTo(sum, within(0f));
      }
    }
  }
}
