package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.cuda.device.CudaEvent;
import dev.theriac.cuda.device.CudaStream;
import dev.theriac.tensor.DeviceBlock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Memory, transfers and launches of one device. */
class CudaDeviceTest {
  private final CudaDevice device = EmulatedCuda.device();

  /** Sizes around those of a transfer's pieces. */
  @ParameterizedTest
  @ValueSource(longs = {0, 1, 255, 4 << 20, (4 << 20) + 4, 13 << 20})
  void bytesComeBackAsTheyWent(long bytes) {
    DeviceBlock block = device.allocate(bytes, "test");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment there = arena.allocate(Math.max(1, bytes));
      MemorySegment back = arena.allocate(Math.max(1, bytes));
      for (long i = 0; i < bytes; i++) there.set(ValueLayout.JAVA_BYTE, i, (byte) (i * 31 >> 3));
      block.copyFromHost(0, there.address(), bytes);
      byte[] first = there.toArray(ValueLayout.JAVA_BYTE);
      there.fill((byte) 0);
      block.copyToHost(0, back.address(), bytes);
      if (bytes > 0) assertThat(back.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(first);
    } finally {
      block.release();
    }
  }

  @Test
  void launchesAreOrderedWithTransfers() {
    int count = 1000;
    DeviceBlock block = device.allocate(4 * count, "test");
    device
        .kernel("elementwise_fill_f32")
        .grid((count + 255) / 256)
        .block(256)
        .pointer(block.address())
        .longs(count)
        .floats(3)
        .run();
    device
        .kernel("elementwise_affine")
        .grid((count + 255) / 256)
        .block(256)
        .pointer(block.address())
        .pointer(block.address())
        .longs(count)
        .floats(2, 0.5f)
        .run();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment back = arena.allocate(4 * count);
      block.copyToHost(0, back.address(), 4 * count);
      assertThat(back.toArray(ValueLayout.JAVA_FLOAT)).containsOnly(6.5f);
    }
    block.release();
  }

  @Test
  void launchesAreHeldAgainstTheKernel() {
    assertThatThrownBy(() -> device.kernel("elementwise_none"))
        .hasMessageContaining("no kernel elementwise_none");
    assertThatThrownBy(() -> device.kernel("elementwise_fill_f32").pointer(0).ints(3))
        .hasMessageContaining("elementwise_fill_f32: parameter 1 of 4 bytes")
        .hasMessageContaining("[8, 8, 4]");
    assertThatThrownBy(() -> device.kernel("elementwise_fill_f32").pointer(0).longs(3).run())
        .hasMessageContaining("2 parameters, the kernel declares 3");
    assertThatThrownBy(() ->
            device
                .kernel("elementwise_fill_f32")
                .grid(0)
                .block(32)
                .pointer(0)
                .longs(0)
                .floats(0)
                .run())
        .hasMessageContaining("0 blocks along dimension 0");
  }

  @Test
  void freedBlocksAreUsedAgain() {
    device.memory().trim();
    long before = device.memory().stats().driverCalls();
    DeviceBlock first = device.allocate(100_000, "test");
    long address = first.address();
    first.release();
    DeviceBlock second = device.allocate(99_000, "test");
    assertThat(second.address()).isEqualTo(address);
    assertThat(device.memory().stats().driverCalls()).isEqualTo(before + 1);
    assertThat(device.memory().stats().live()).isGreaterThanOrEqualTo(99_000);
    second.release();
    device.memory().trim();
    assertThat(device.memory().stats().reserved()).isEqualTo(device.memory().stats().live());
  }

  @Test
  void theLimitIsKept() {
    device.memory().trim();
    device.memory().setLimit(device.memory().stats().reserved() + (1 << 20));
    try {
      assertThatThrownBy(() -> device.allocate(2 << 20, "weights"))
          .hasMessageContaining("out of memory on cuda:0")
          .hasMessageContaining("weights asked for 2.0 MiB")
          .hasMessageContaining("theriac.cuda.memory.limit");
      DeviceBlock fits = device.allocate(1 << 20, "weights");
      fits.release();
    } finally {
      device.memory().setLimit(0);
    }
  }

  @Test
  void eventsOrderStreams() {
    DeviceBlock block = device.allocate(4096, "test");
    try (CudaStream other = device.stream();
        CudaEvent begun = device.event(true);
        CudaEvent done = device.event(true)) {
      begun.record(device.compute());
      device
          .kernel("elementwise_fill_f32")
          .grid(4)
          .block(256)
          .pointer(block.address())
          .longs(1024)
          .floats(1)
          .run();
      done.record(device.compute());
      other.await(done);
      device
          .kernel("elementwise_affine", other)
          .grid(4)
          .block(256)
          .pointer(block.address())
          .pointer(block.address())
          .longs(1024)
          .floats(3, 0)
          .run();
      other.synchronize();
      assertThat(other.isIdle()).isTrue();
      assertThat(done.isDone()).isTrue();
      assertThat(done.secondsSince(begun)).isNotNegative();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment back = arena.allocate(4096);
      block.copyToHost(0, back.address(), 4096);
      assertThat(back.toArray(ValueLayout.JAVA_FLOAT)).containsOnly(3f);
    }
    block.release();
  }

  /** A virtual thread goes on on whatever carrier is free, which may know no context yet. */
  @Test
  void virtualThreadsMayMoveBetweenCalls() throws InterruptedException {
    List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      threads.add(
          Thread.startVirtualThread(() -> {
            try {
              for (int turn = 0; turn < 5; turn++) {
                DeviceBlock block = device.allocate(4096, "test");
                device.clear(block.address(), 4096);
                Thread.sleep(1);
                block.release();
                Thread.yield();
              }
            } catch (Throwable e) {
              failures.add(e);
            }
          }));
    }
    for (Thread thread : threads) thread.join();
    assertThat(failures).isEmpty();
  }
}
