package dev.theriac.cuda.device;

import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.JCudaDriver;

/**
 * One launch of a kernel: dimensions, then parameters in their order, then {@link #run}. Parameters
 * are held against the kernel's declaration. Used by one thread; the next launch of that thread may
 * begin when this one was run.
 */
public final class Launch {
  private static final int MOST_PARAMETERS = 64;
  private static final int MOST_BYTES = 4096;

  /** What a block gets without being asked for more. */
  private static final int PLAIN_SHARED_BYTES = 48 * 1024;

  private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

  private final CudaDevice device;
  private final CudaStream stream;
  private final Kernel kernel;
  private final Scratch scratch;
  private final long[] grid = {1, 1, 1};
  private final int[] block = {1, 1, 1};
  private int shared;
  private int count;
  private long bytes;

  /** Where parameters are put: values, and an array of pointers to them. */
  private static final class Scratch {
    final MemorySegment memory =
        Arena.ofAuto().allocate(MOST_BYTES + 8L * MOST_PARAMETERS, Long.BYTES);
    final long values = memory.address();
    final long pointers = values + MOST_BYTES;
  }

  Launch(CudaDevice device, CudaStream stream, Kernel kernel) {
    this.device = device;
    this.stream = stream;
    this.kernel = kernel;
    this.scratch = SCRATCH.get();
  }

  /** Blocks along x. */
  public Launch grid(long x) {
    return grid(x, 1, 1);
  }

  /** Blocks along each dimension. */
  public Launch grid(long x, long y, long z) {
    grid[0] = x;
    grid[1] = y;
    grid[2] = z;
    return this;
  }

  /** Threads of a block along x. */
  public Launch block(int x) {
    return block(x, 1, 1);
  }

  /** Threads of a block along each dimension. */
  public Launch block(int x, int y, int z) {
    block[0] = x;
    block[1] = y;
    block[2] = z;
    return this;
  }

  /** Bytes of dynamic shared memory of a block. */
  public Launch shared(int size) {
    shared = size;
    return this;
  }

  /** The address of a tensor's first element; 0 for null. */
  public Launch pointer(Strided tensor) {
    return pointer(tensor == null ? 0 : tensor.deviceAddress(device.device()));
  }

  /** A device address. */
  public Launch pointer(long address) {
    return longs(address);
  }

  /** {@code int} parameters. */
  public Launch ints(int... values) {
    for (int value : values) {
      Host.setInt(place(Integer.BYTES), value);
    }
    return this;
  }

  /** {@code long long} parameters. */
  public Launch longs(long... values) {
    for (long value : values) {
      Host.setLong(place(Long.BYTES), value);
    }
    return this;
  }

  /** {@code float} parameters. */
  public Launch floats(float... values) {
    for (float value : values) {
      Host.setFloat(place(Float.BYTES), value);
    }
    return this;
  }

  /** {@code double} parameters. */
  public Launch doubles(double... values) {
    for (double value : values) {
      Host.setLong(place(Double.BYTES), Double.doubleToRawLongBits(value));
    }
    return this;
  }

  /** A {@code Layout8} by value: rank, shape and strides, both filled up to eight dimensions. */
  public Launch layout(Layout layout) {
    int rank = layout.rank();
    if (rank > 8) {
      throw new IllegalArgumentException(
          "%s: shape %s has %d dimensions, kernels take 8".formatted(kernel.name(), layout, rank));
    }
    long at = place(136);
    Host.setInt(at, rank);
    Host.setInt(at + 4, 0);
    for (int i = 0; i < 8; i++) {
      Host.setLong(at + 8 + 8L * i, i < rank ? layout.size(i) : 1);
      Host.setLong(at + 72 + 8L * i, i < rank ? layout.stride(i) : 0);
    }
    return this;
  }

  /** Any other struct by value: its bytes as the kernel sees them. */
  public Launch struct(MemorySegment value) {
    int size = Math.toIntExact(value.byteSize());
    MemorySegment.copy(value, 0, Host.ALL, place(size), size);
    return this;
  }

  private long place(int size) {
    int[] wanted = kernel.parameters();
    if (count == wanted.length || wanted[count] != size) {
      throw new IllegalArgumentException(
          "%s: parameter %d of %d bytes; the kernel declares %s"
              .formatted(kernel.name(), count, size, Arrays.toString(kernel.parameters())));
    }
    long at = bytes + 7 & ~7L;
    bytes = at + size;
    if (bytes > MOST_BYTES || count == MOST_PARAMETERS) {
      throw new IllegalArgumentException(kernel.name() + ": more parameters than a launch takes");
    }
    Host.ALL.set(
        ValueLayout.JAVA_LONG_UNALIGNED, scratch.pointers + 8L * count, scratch.values + at);
    count++;
    return scratch.values + at;
  }

  /**
   * Queues the kernel on its stream.
   *
   * @throws IllegalArgumentException for parameters that the kernel does not declare, or a grid
   *     that no device takes
   * @throws CudaException when the driver refuses
   */
  public void run() {
    if (count != kernel.parameters().length) {
      throw new IllegalArgumentException(
          "%s: %d parameters, the kernel declares %d"
              .formatted(kernel.name(), count, kernel.parameters().length));
    }
    for (int i = 0; i < 3; i++) {
      if (grid[i] < 1 || grid[i] > (i == 0 ? Integer.MAX_VALUE : 65535)) {
        throw new IllegalArgumentException(
            "%s: %d blocks along dimension %d".formatted(kernel.name(), grid[i], i));
      }
    }
    device.makeCurrent();
    if (shared > PLAIN_SHARED_BYTES) {
      Driver.check(
          "cuFuncSetAttribute",
          JCudaDriver.cuFuncSetAttribute(
              kernel.function(),
              CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
              shared),
          what());
    }
    Driver.check(
        "cuLaunchKernel",
        JCudaDriver.cuLaunchKernel(
            kernel.function(),
            (int) grid[0],
            (int) grid[1],
            (int) grid[2],
            block[0],
            block[1],
            block[2],
            shared,
            stream.handle(),
            RawPointer.host(scratch.pointers),
            null),
        what());
    device.launched(kernel.name());
  }

  private String what() {
    return "kernel %s, grid %d x %d x %d, block %d x %d x %d, %d bytes of shared memory"
        .formatted(kernel.name(), grid[0], grid[1], grid[2], block[0], block[1], block[2], shared);
  }
}
