package dev.theriac.backend.vector;

import dev.theriac.backend.RopeFrequencies;
import dev.theriac.tensor.Host;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Cosines and sines of the rotary embedding for positions 0..length-1, computed once in float64 and
 * kept for the process: row p holds the cosines of its angles and then the sines.
 */
record RopeTable(RopeFrequencies frequencies, int length, MemorySegment memory) {
  /** Positions from here on are computed by the scalar kernel: a table for them would be large. */
  static final int LIMIT = 1 << 15;

  // Replaced as a whole; a thread that sees an old table makes a new one with the same bits.
  private static volatile RopeTable last =
      new RopeTable(RopeFrequencies.of(0, 1), 0, MemorySegment.NULL);

  /** A table of at least {@code positions} positions. */
  static RopeTable of(RopeFrequencies frequencies, int positions) {
    RopeTable table = last;
    if (table.length >= positions && table.frequencies.equals(frequencies)) return table;
    int length = Math.max(64, Integer.highestOneBit(Math.max(1, positions - 1)) * 2);
    table = make(frequencies, length);
    last = table;
    return table;
  }

  private static RopeTable make(RopeFrequencies frequencies, int length) {
    int half = frequencies.rotary() / 2;
    double scale = frequencies.scale();
    MemorySegment memory = Arena.ofAuto().allocate(Math.max(64, 8L * half * length), 64);
    for (int i = 0; i < half; i++) {
      double frequency = frequencies.inverse(i);
      for (int p = 0; p < length; p++) {
        long at = memory.address() + 8L * half * p + 4L * i;
        Host.setFloat(at, (float) (scale * StrictMath.cos(p * frequency)));
        Host.setFloat(at + 4L * half, (float) (scale * StrictMath.sin(p * frequency)));
      }
    }
    return new RopeTable(frequencies, length, memory);
  }

  /** Address of the cosines of a position; the sines follow. */
  long row(long position) {
    return memory.address() + 4L * frequencies.rotary() * position;
  }
}
