package dev.theriac.backend.vector;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * What every address-level kernel shares: the vector width and the segment through which it reaches
 * memory.
 *
 * <p>Kernels take raw {@code long} addresses and go through {@link #ALL}. A segment passed as a
 * parameter would be of several classes (arena, mapped file, heap) over the life of a JVM, and the
 * compiler then gives up keeping vectors in registers; a constant cannot be polluted. Bounds and
 * liveness are therefore the caller's duty, once per operation.
 */
final class Lanes {

  /** Forces a vector width in bits (128, 256 or 512) instead of the widest that the CPU prefers. */
  static final String BITS_PROPERTY = "theriac.vector.bits";

  static final VectorSpecies<Float> SPECIES = species();

  /** Floats in a vector. */
  static final int LENGTH = SPECIES.length();

  /** Bytes in a vector. */
  static final long BYTES = SPECIES.vectorByteSize();

  /** All of memory, addressed from zero. */
  static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  /** The vector loads and stores name an order; tensors are little-endian on every platform. */
  static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

  /** Unaligned, since a mapped file may start a tensor anywhere. */
  static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(LE);

  static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LE);

  static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LE);

  static {
    int bits = SPECIES.vectorBitSize();
    touch(bits, float.class, int.class, long.class, double.class);
    touch(Math.max(64, bits / 2), short.class);
    touch(Math.max(64, bits / 4), byte.class);
  }

  private Lanes() {}

  /**
   * Makes what a species makes when it is first used. Made later, it would spring a trap in code
   * that is compiled already, and C2 holds a method's traps against every kernel that inlines it:
   * it adds up those of all copies, and above {@code PerMethodTrapLimit} (100) makes none. The
   * failing branches of the Vector API's checks, which take objects, are then compiled too, and
   * vectors become objects for them.
   */
  private static void touch(int bits, Class<?>... elements) {
    for (Class<?> element : elements) {
      VectorSpecies<?> species = VectorSpecies.of(element, VectorShape.forBitSize(bits));
      species.zero();
      species.withLanes(int.class);
      species.withLanes(float.class);
    }
  }

  private static VectorSpecies<Float> species() {
    Integer bits = Integer.getInteger(BITS_PROPERTY);
    if (bits == null) {
      return FloatVector.SPECIES_PREFERRED;
    }
    return switch (bits) {
      case 128 -> FloatVector.SPECIES_128;
      case 256 -> FloatVector.SPECIES_256;
      case 512 -> FloatVector.SPECIES_512;
      default ->
          throw new IllegalArgumentException(
              "system property " + BITS_PROPERTY + "=" + bits + " is not 128, 256 or 512");
    };
  }
}
