package dev.theriac.tensor;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Large blocks straight from Linux, with the wish for pages of 2 MiB. With those of 4 KiB a pass
 * over memory looks up a page for every 64 lines, and in a virtual machine each look-up is a walk
 * through two tables. {@code theriac.memory.hugepages=false}, other systems and a runtime without
 * native access leave blocks to {@link java.lang.foreign.Arena}.
 *
 * <p>Blocks start at offsets within a page that differ: a processor that compares the last 12 bits
 * of an address first takes a load for one of what has just been stored, where both operands of a
 * loop start a page.
 */
final class HugePages {
  /** Smallest block, and the size of a page. */
  static final long PAGE = 2L << 20;

  /** The largest page that a kernel has as its usual one: lengths have to be multiples of it. */
  private static final long SMALL_PAGE = 65536;

  /** Offsets 0, 576, ..., 4032. */
  private static final int OFFSETS = 8;

  private static final long OFFSET = 9 * 64;

  private static final long READ_WRITE = 3;
  private static final long PRIVATE_ANONYMOUS = 0x22;
  private static final long ADVICE = 14;

  private static final AtomicLong BLOCKS = new AtomicLong();

  private HugePages() {}

  /**
   * The functions of the C library, looked up when the first large block is wanted. All have one
   * type, six longs for a long, since each type costs the JVM 10 ms and more at the start: what a
   * function does not take stays in a register, and what it takes as an int is the lower half of
   * one.
   */
  private static final class Calls {
    static final MethodHandle MMAP;
    static final MethodHandle MUNMAP;
    static final MethodHandle MADVISE;

    static {
      MethodHandle[] found = find();
      MMAP = found[0];
      MUNMAP = found[1];
      MADVISE = found[2];
    }

    private static MethodHandle[] find() {
      MethodHandle[] none = new MethodHandle[3];
      if ("false".equals(System.getProperty("theriac.memory.hugepages"))) return none;
      if (!System.getProperty("os.name").equals("Linux")) return none;
      try {
        return new MethodHandle[] {call("mmap"), call("munmap"), call("madvise")};
      } catch (RuntimeException | LinkageError e) {
        return none;
      }
    }

    private static MethodHandle call(String name) {
      Linker linker = Linker.nativeLinker();
      MemorySegment function = linker.defaultLookup().find(name).orElseThrow();
      FunctionDescriptor type =
          FunctionDescriptor.of(
              JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
      return linker.downcallHandle(function, type);
    }
  }

  /**
   * Address of {@code bytes} bytes, at least {@link #PAGE}, on a 64-byte line; 0 if there is none.
   */
  static long map(long bytes) {
    if (Calls.MMAP == null) return 0;
    long length = length(bytes);
    try {
      long at =
          (long) Calls.MMAP.invokeExact(0L, length + PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1L, 0L);
      if (at == -1) return 0;
      long start = at + PAGE - 1 & -PAGE;
      // What cannot be cut off stays: addresses without memory.
      cut(at, start - at);
      cut(start + length, at + PAGE - start);
      // Advice: a kernel without such pages refuses it, and small ones serve.
      long refused = (long) Calls.MADVISE.invokeExact(start, length, ADVICE, 0L, 0L, 0L);
      return start + BLOCKS.getAndIncrement() % OFFSETS * OFFSET;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Gives back what {@link #map} gave. */
  static void unmap(long address, long bytes) {
    if (!cut(address & -PAGE, length(bytes))) {
      throw new IllegalStateException("munmap of " + bytes + " bytes");
    }
  }

  private static long length(long bytes) {
    return bytes + OFFSETS * OFFSET + SMALL_PAGE - 1 & -SMALL_PAGE;
  }

  private static boolean cut(long address, long bytes) {
    if (bytes == 0) return true;
    try {
      long failed = (long) Calls.MUNMAP.invokeExact(address, bytes, 0L, 0L, 0L, 0L);
      return (int) failed == 0;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
