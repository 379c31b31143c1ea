package dev.theriac.cuda;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.backend.RopeKernels;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;

/**
 * Rotary embedding (rope.cu). Frequencies stay on the device: a model has one or two sets of them
 * and asks in every layer.
 */
final class CudaRope extends CudaKernels implements RopeKernels {
  /** Sets of frequencies that are kept, the last used ones. */
  private static final int KEPT = 64;

  private static final int HEADS_OF_THREAD = 8;
  private static final int BLOCK_THREADS = 128;

  private final LinkedHashMap<RopeFrequencies, DeviceBlock> frequencies =
      new LinkedHashMap<>(16, 0.75f, true);

  CudaRope(CudaDevice device) {
    super(device);
  }

  @Override
  public void rope(Strided x, Strided positions, RopeFrequencies of, boolean inverse, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("rope", positions, out);
    if (x.stride(3) != 1 && x.size(3) != 1) {
      throw new IllegalArgumentException(
          "rope: the last dimension of %s has stride %d, not 1; copy it with contiguous() first"
              .formatted(x.layout(), x.stride(3)));
    }
    long rows = x.size(0) * x.size(1);
    int heads = Math.toIntExact(x.size(2));
    int depth = Math.toIntExact(x.size(3));
    int half = of.rotary() / 2;
    // Until the launch is queued nobody else may drop the frequencies.
    synchronized (frequencies) {
      kernel("rope_rotate")
          .grid(
              Math.ceilDiv(rows * (depth - half), BLOCK_THREADS),
              Math.ceilDiv(heads, HEADS_OF_THREAD),
              1)
          .block(BLOCK_THREADS)
          .pointer(x)
          .pointer(positions)
          .pointer(onDevice(of))
          .pointer(out)
          .longs(rows, x.size(1))
          .ints(heads, depth, half)
          .longs(x.stride(0), x.stride(1), x.stride(2))
          .doubles(of.scale(), inverse ? -of.scale() : of.scale())
          .run();
    }
  }

  private long onDevice(RopeFrequencies wanted) {
    DeviceBlock found = frequencies.get(wanted);
    if (found == null) {
      found = upload(wanted);
      frequencies.put(wanted, found);
      if (frequencies.size() > KEPT) frequencies.pollFirstEntry().getValue().release();
    }
    return found.address();
  }

  private DeviceBlock upload(RopeFrequencies wanted) {
    int half = wanted.rotary() / 2;
    DeviceBlock block = device.allocate(Math.max(8L, 8L * half), "rope frequencies");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment values = arena.allocate(ValueLayout.JAVA_DOUBLE, Math.max(1, half));
      for (int i = 0; i < half; i++) {
        values.setAtIndex(ValueLayout.JAVA_DOUBLE, i, wanted.inverse(i));
      }
      block.copyFromHost(0, values.address(), values.byteSize());
    }
    return block;
  }
}
