package dev.theriac.backend.scalar;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import java.lang.foreign.MemorySegment;

/** Copies of elements, bit for bit or with conversion. */
final class Moves {
  private Moves() {}

  /** Copies one element of {@code bytes} bytes. */
  static void move(int bytes, long from, long to) {
    switch (bytes) {
      case 1 -> Host.setByte(to, Host.getByte(from));
      case 2 -> Host.setShort(to, Host.getShort(from));
      case 4 -> Host.setInt(to, Host.getInt(from));
      default -> Host.setLong(to, Host.getLong(from));
    }
  }

  /** Copies {@code n} elements; steps in bytes. */
  static void moveRun(int bytes, long n, long from, long fromStep, long to, long toStep) {
    if (n == 1 || fromStep == bytes && toStep == bytes) {
      MemorySegment.copy(Host.ALL, from, Host.ALL, to, n * bytes);
      return;
    }
    for (long i = 0; i < n; i++) move(bytes, from + i * fromStep, to + i * toStep);
  }

  /** Integers go through long and not through double, which would round them twice. */
  static void convert(DType type, long from, DType target, long to) {
    if (type != DType.I64) {
      Host.set(target, to, 0, Host.get(type, from, 0));
      return;
    }
    long value = Host.getLong(from);
    switch (target) {
      case I32 -> Host.setInt(to, (int) value);
      case U8, I8 -> Host.setByte(to, (byte) value);
      case BOOL -> Host.setByte(to, (byte) (value != 0 ? 1 : 0));
      default -> Host.set(target, to, 0, (float) value);
    }
  }
}
