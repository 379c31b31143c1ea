package dev.theriac.bench.gpu;

import dev.theriac.backend.Workers;
import dev.theriac.bench.dispatch.DispatchProblem.Values;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.DeviceStorage;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;

/** A contiguous tensor in a device's memory, without a copy on the host. */
final class GpuArray implements AutoCloseable {
  private static final String HOLDER = "bench gpu";
  private static final long CHUNK = 1 << 22;
  private static final long GRAIN = 1 << 16;

  private final CudaDevice device;
  private final DeviceStorage storage;
  private final Strided strided;

  private GpuArray(CudaDevice device, DType dtype, long... shape) {
    this.device = device;
    Layout layout = Layout.contiguous(shape);
    long bytes = Math.max(1, layout.size()) * dtype.bytes();
    storage = DeviceStorage.wrap(device.allocate(bytes, HOLDER), HOLDER);
    strided = new Strided(storage, dtype, layout);
  }

  /** Zeros. */
  static GpuArray zeros(CudaDevice device, DType dtype, long... shape) {
    GpuArray array = new GpuArray(device, dtype, shape);
    array.clear();
    return array;
  }

  /** Each element a function of its place. */
  static GpuArray of(CudaDevice device, DType dtype, Values values, long... shape) {
    GpuArray array = new GpuArray(device, dtype, shape);
    long size = array.strided.size();
    try (Arena arena = Arena.ofShared()) {
      long host = arena.allocate(Math.max(1, Math.min(CHUNK, size)) * dtype.bytes(), 64).address();
      for (long from = 0; from < size; from += CHUNK) {
        long first = from;
        long count = Math.min(CHUNK, size - from);
        Workers.parallelRange(
            count,
            GRAIN,
            (low, high) -> {
              for (long i = low; i < high; i++) Host.set(dtype, host, i, values.at(first + i));
            });
        array.storage.block().copyFromHost(first * dtype.bytes(), host, count * dtype.bytes());
      }
    }
    return array;
  }

  static GpuArray of(CudaDevice device, long... values) {
    GpuArray array = new GpuArray(device, DType.I64, values.length);
    try (Arena arena = Arena.ofConfined()) {
      long host = arena.allocateFrom(ValueLayout.JAVA_LONG, values).address();
      array.storage.block().copyFromHost(0, host, 8L * values.length);
    }
    return array;
  }

  Strided strided() {
    return strided;
  }

  void clear() {
    device.clear(storage.block().address(), strided.size() * strided.dtype().bytes());
  }

  /** Floats from {@code first} on. */
  float[] read(long first, int count) {
    try (Arena arena = Arena.ofConfined()) {
      var host = arena.allocate(ValueLayout.JAVA_FLOAT, count);
      storage.block().copyToHost(4 * first, host.address(), 4L * count);
      return host.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  @Override
  public void close() {
    storage.free(HOLDER);
  }
}
