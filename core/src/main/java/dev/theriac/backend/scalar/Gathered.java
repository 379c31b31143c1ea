package dev.theriac.backend.scalar;

import dev.theriac.backend.GroupedKernels.Rows;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Indexed rows, copied together. */
final class Gathered implements AutoCloseable {
  private final Arena arena;
  private final long address;

  /** The rows that {@code offsets} ends at. */
  Gathered(Rows rows, Strided offsets) {
    if (rows.index() == null) {
      arena = null;
      address = rows.values().address();
      return;
    }
    long count = Host.getLong(offsets.address() + 8 * (offsets.size() - 1));
    long bytes = 4 * rows.columns();
    arena = Arena.ofShared();
    address = arena.allocate(Math.max(8, count * bytes), 8).address();
    for (long r = 0; r < count; r++) {
      MemorySegment.copy(Host.ALL, rows.address(r), Host.ALL, address + r * bytes, bytes);
    }
  }

  long address() {
    return address;
  }

  @Override
  public void close() {
    if (arena != null) arena.close();
  }
}
