package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Halves;
import dev.theriac.tensor.Host;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Conversions of runs of elements from one type to another. Steps in bytes. */
final class Conversions {
  private static final MemorySegment CONSTANTS = Arena.global().allocate(8, 64);
  private static final long ONE_AND_ZERO = CONSTANTS.address();

  static {
    Host.setFloat(ONE_AND_ZERO, 1);
  }

  private Conversions() {}

  /** Whether {@link #run} knows the pair. */
  static boolean has(DType from, DType to) {
    return switch (from) {
      case F32 -> to == DType.BF16 || to == DType.F16 || to == DType.I64 || to == DType.I32;
      case BF16, F16, I64, I32, U8, I8, BOOL -> to == DType.F32;
    };
  }

  /** Converts {@code n} elements. */
  static void run(DType from, long x, long stepX, DType to, long y, long stepY, int n) {
    if (to == DType.F32) {
      widen(from, x, stepX, y, stepY, n);
    } else {
      narrow(to, x, stepX, y, stepY, n);
    }
  }

  private static void widen(DType type, long x, long stepX, long y, long stepY, int n) {
    int i = 0;
    if (stepX == 2 && stepY == 4 && (type == DType.BF16 || type == DType.F16)) {
      i = n & -LENGTH;
      if (i > 0 && type == DType.BF16) HalfLoops.fromBf16(x, y, i);
      if (i > 0 && type == DType.F16) HalfLoops.fromF16(x, y, i);
    }
    switch (type) {
      case BF16 -> {
        for (; i < n; i++) {
          Host.setFloat(y + i * stepY, Halves.fromBf16(Host.getShort(x + i * stepX)));
        }
      }
      case F16 -> {
        for (; i < n; i++) {
          Host.setFloat(y + i * stepY, Float.float16ToFloat(Host.getShort(x + i * stepX)));
        }
      }
      case I64 -> {
        for (; i < n; i++) Host.setFloat(y + i * stepY, Host.getLong(x + i * stepX));
      }
      case I32 -> {
        for (; i < n; i++) Host.setFloat(y + i * stepY, Host.getInt(x + i * stepX));
      }
      case U8 -> {
        for (; i < n; i++) Host.setFloat(y + i * stepY, Host.getByte(x + i * stepX) & 0xff);
      }
      case BOOL -> {
        // Truth values are 0 or 1, which is how a choice between 1 and 0 reads them.
        if (stepX == 1 && stepY == 4) {
          PairRanges.select(n, x, 1, ONE_AND_ZERO, 0, ONE_AND_ZERO + 4, 0, y);
          return;
        }
        for (; i < n; i++) Host.setFloat(y + i * stepY, Host.getByte(x + i * stepX));
      }
      case I8 -> {
        for (; i < n; i++) Host.setFloat(y + i * stepY, Host.getByte(x + i * stepX));
      }
      case F32 -> throw new AssertionError(type);
    }
  }

  private static void narrow(DType type, long x, long stepX, long y, long stepY, int n) {
    int i = 0;
    if (stepX == 4 && stepY == 2) {
      i = n & -LENGTH;
      if (i > 0 && type == DType.BF16) HalfLoops.toBf16(x, y, i);
      if (i > 0 && type == DType.F16) HalfLoops.toF16(x, y, i);
    }
    switch (type) {
      case BF16 -> {
        for (; i < n; i++) {
          Host.setShort(y + i * stepY, Halves.toBf16(Host.getFloat(x + i * stepX)));
        }
      }
      case F16 -> {
        for (; i < n; i++) {
          Host.setShort(y + i * stepY, Float.floatToFloat16(Host.getFloat(x + i * stepX)));
        }
      }
      case I64 -> {
        for (; i < n; i++) Host.setLong(y + i * stepY, (long) Host.getFloat(x + i * stepX));
      }
      case I32 -> {
        for (; i < n; i++) Host.setInt(y + i * stepY, (int) (long) Host.getFloat(x + i * stepX));
      }
      default -> throw new AssertionError(type);
    }
  }
}
