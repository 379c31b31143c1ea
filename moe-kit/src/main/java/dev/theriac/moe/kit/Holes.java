package dev.theriac.moe.kit;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Assumptions;

/**
 * Many gigabytes of addresses with hardly any memory behind them: a mapped sparse file, in which
 * only pages that are written take space.
 */
final class Holes implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final CpuStorage storage;

  private Holes(FileChannel channel, long bytes) throws IOException {
    MemorySegment memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
    storage = CpuStorage.wrap(memory, "holes");
  }

  /**
   * Room for {@code count} floats; where no sparse file can be made, the running test is skipped.
   */
  static Holes ofFloats(long count) {
    try {
      Path file = Files.createTempFile("theriac-holes", ".bin");
      try (FileChannel channel =
          FileChannel.open(
              file,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.SPARSE,
              StandardOpenOption.DELETE_ON_CLOSE)) {
        return new Holes(channel, 4 * count);
      }
    } catch (IOException e) {
      return Assumptions.abort(
          "SKIPPED: no sparse file of %d bytes in the temporary folder: %s"
              .formatted(4 * count, e.getMessage()));
    }
  }

  /** F32 over this memory. */
  Tensor tensor(Layout layout) {
    if (4 * (layout.offset() + layout.span()) > storage.byteSize()) {
      throw new IllegalArgumentException("layout beyond the file: " + layout);
    }
    return Tensor.wrap(new Strided(storage, DType.F32, layout));
  }

  /** Sets a contiguous view's elements, which its tensor's users may only read. */
  void write(Tensor view, float[] values) {
    MemorySegment.copy(
        values,
        0,
        MemorySegment.ofAddress(view.strided().address()).reinterpret(4L * values.length),
        ValueLayout.JAVA_FLOAT_UNALIGNED,
        0,
        values.length);
  }

  @Override
  public void close() {
    arena.close();
  }
}
