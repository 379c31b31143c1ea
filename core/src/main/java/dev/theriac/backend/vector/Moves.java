package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.tensor.Host;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** Loops that move elements without computing. Steps in bytes. */
final class Moves {
  private Moves() {}

  /** Copies memory that does not overlap; short runs without a call to the runtime. */
  static void copy(long from, long to, long bytes) {
    if (bytes > 256) {
      MemorySegment.copy(ALL, from, ALL, to, bytes);
      return;
    }
    long i = 0;
    for (; i + 8 <= bytes; i += 8) Host.setLong(to + i, Host.getLong(from + i));
    for (; i < bytes; i++) Host.setByte(to + i, Host.getByte(from + i));
  }

  /** Copies {@code n} elements of {@code bytes} bytes. */
  static void run(int bytes, long n, long from, long fromStep, long to, long toStep) {
    if (fromStep == bytes && toStep == bytes) {
      copy(from, to, n * bytes);
      return;
    }
    switch (bytes) {
      case 1 -> {
        for (long i = 0; i < n; i++)
          Host.setByte(to + i * toStep, Host.getByte(from + i * fromStep));
      }
      case 2 -> {
        for (long i = 0; i < n; i++) {
          Host.setShort(to + i * toStep, Host.getShort(from + i * fromStep));
        }
      }
      case 4 -> {
        for (long i = 0; i < n; i++) Host.setInt(to + i * toStep, Host.getInt(from + i * fromStep));
      }
      default -> {
        for (long i = 0; i < n; i++)
          Host.setLong(to + i * toStep, Host.getLong(from + i * fromStep));
      }
    }
  }

  /** Four-byte elements of a where the condition's byte is not 0, else of b. */
  static void select(
      int n, long condition, long stepC, long a, long stepA, long b, long stepB, long to) {
    for (int i = 0; i < n; i++) {
      int yes = Host.getInt(a + i * stepA);
      int no = Host.getInt(b + i * stepB);
      Host.setInt(to + 4L * i, Host.getByte(condition + i * stepC) != 0 ? yes : no);
    }
  }

  /** Sets n floats to 0. */
  static void clear(long to, int n) {
    int whole = n & -LENGTH;
    fill(to, whole, 0);
    for (int i = whole; i < n; i++) Host.setInt(to + 4L * i, 0);
  }

  /** Sets n floats, a multiple of the vector length. */
  static void fill(long to, int n, float value) {
    for (int i = 0; i < n; i += LENGTH) {
      FloatVector.broadcast(SPECIES, value).intoMemorySegment(ALL, to + 4L * i, LE);
    }
  }
}
