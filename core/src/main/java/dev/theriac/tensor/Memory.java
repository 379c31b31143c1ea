package dev.theriac.tensor;

import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.Locale;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * The pool of off-heap host memory. Blocks are 64-byte aligned and come in size classes, four to
 * each power of two; a freed block waits in its class for the next tensor. {@code
 * theriac.memory.limit} (bytes, or with suffix k, m, g) bounds what is taken from the operating
 * system. Thread-safe.
 */
public final class Memory {
  private static final int CLASSES = 4 * 48;
  private static final boolean POISON = Boolean.getBoolean("theriac.memory.poison");
  private static final AtomicLong RESERVED = new AtomicLong();
  private static final AtomicLong LIVE = new AtomicLong();
  private static final AtomicLong LIVE_BLOCKS = new AtomicLong();
  private static final AtomicLong PEAK = new AtomicLong();
  private static final ConcurrentHashMap<String, AtomicLong> HOLDERS = new ConcurrentHashMap<>();

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static final ArrayDeque<Block>[] FREE = new ArrayDeque[CLASSES];

  private static volatile long limit = parseBytes(System.getProperty("theriac.memory.limit", "0"));

  static {
    for (int i = 0; i < CLASSES; i++) FREE[i] = new ArrayDeque<>();
  }

  private Memory() {}

  /**
   * State of the pool, in bytes.
   *
   * @param live held by tensors now
   * @param liveBlocks number of blocks held by tensors now
   * @param reserved taken from the operating system: live and waiting for reuse
   * @param peak highest {@code live} since the start or the last {@link #resetPeak()}
   * @param limit bound on {@code reserved}; 0 means none
   */
  public record Stats(long live, long liveBlocks, long reserved, long peak, long limit) {}

  /** A piece of host memory; {@code bytes} is the size of its class, no arena where mapped. */
  record Block(Arena arena, long address, long bytes, int sizeClass) {
    private void close() {
      if (arena != null) arena.close();
      else HugePages.unmap(address, bytes);
    }
  }

  public static Stats stats() {
    return new Stats(LIVE.get(), LIVE_BLOCKS.get(), RESERVED.get(), PEAK.get(), limit);
  }

  public static void resetPeak() {
    PEAK.set(LIVE.get());
  }

  /** Sets the bound on memory taken from the operating system; 0 means none. */
  public static void setLimit(long bytes) {
    limit = bytes;
  }

  /** Gives every block that waits for reuse back to the operating system. */
  public static void trim() {
    for (ArrayDeque<Block> blocks : FREE) {
      while (true) {
        Block block;
        synchronized (blocks) {
          block = blocks.pollLast();
        }
        if (block == null) break;
        RESERVED.addAndGet(-block.bytes);
        block.close();
      }
    }
  }

  static Block allocate(long bytes, String holder) {
    int sizeClass = sizeClass(bytes);
    long rounded = classBytes(sizeClass);
    Block block;
    synchronized (FREE[sizeClass]) {
      block = FREE[sizeClass].pollLast();
    }
    if (block == null) block = reserve(rounded, sizeClass, holder);
    PEAK.accumulateAndGet(LIVE.addAndGet(rounded), Math::max);
    LIVE_BLOCKS.incrementAndGet();
    HOLDERS.computeIfAbsent(holder, h -> new AtomicLong()).addAndGet(rounded);
    if (POISON) poison(block);
    return block;
  }

  static void release(Block block, String holder) {
    LIVE.addAndGet(-block.bytes);
    LIVE_BLOCKS.decrementAndGet();
    HOLDERS.get(holder).addAndGet(-block.bytes);
    if (POISON) poison(block);
    synchronized (FREE[block.sizeClass]) {
      FREE[block.sizeClass].addLast(block);
    }
  }

  private static Block reserve(long bytes, int sizeClass, String holder) {
    long given = limit;
    long bound = given > 0 ? given : Long.MAX_VALUE;
    if (RESERVED.addAndGet(bytes) > bound) {
      RESERVED.addAndGet(-bytes);
      trim();
      if (RESERVED.addAndGet(bytes) > bound) {
        RESERVED.addAndGet(-bytes);
        throw new OutOfTensorMemoryException(exhausted(bytes, holder));
      }
    }
    long mapped = bytes < HugePages.PAGE ? 0 : HugePages.map(bytes);
    if (mapped != 0) return new Block(null, mapped, bytes, sizeClass);
    Arena arena = Arena.ofShared();
    try {
      return new Block(arena, arena.allocate(bytes, 64).address(), bytes, sizeClass);
    } catch (OutOfMemoryError e) {
      arena.close();
      RESERVED.addAndGet(-bytes);
      throw new OutOfTensorMemoryException(exhausted(bytes, holder));
    }
  }

  private static String exhausted(long bytes, String holder) {
    String holders =
        HOLDERS.entrySet().stream()
            .filter(e -> e.getValue().get() > 0)
            .sorted((a, b) -> Long.compare(b.getValue().get(), a.getValue().get()))
            .limit(5)
            .map(e -> e.getKey() + " " + human(e.getValue().get()))
            .collect(Collectors.joining(", "));
    return "out of tensor memory: %s asked for %s, tensors hold %s (%s), %s; %s"
        .formatted(
            holder,
            human(bytes),
            human(LIVE.get()),
            holders,
            limit > 0 ? "limit " + human(limit) : "the operating system gave no more",
            "close tensors or scopes earlier, lower the batch size or raise theriac.memory.limit");
  }

  private static void poison(Block block) {
    for (long i = 0; i < block.bytes; i += 4) Host.setInt(block.address + i, 0x7fc0dead);
  }

  private static int sizeClass(long bytes) {
    if (bytes < 0 || bytes > 1L << 46) {
      throw new OutOfTensorMemoryException("a tensor of " + bytes + " bytes cannot be allocated");
    }
    long units = Math.max(4, (bytes + 63) / 64);
    int log = 61 - Long.numberOfLeadingZeros(units);
    int index = 4 * log + (int) (units >> log) - 4;
    return classBytes(index) < bytes ? index + 1 : index;
  }

  private static long classBytes(int index) {
    return (4L + index % 4 << index / 4) * 64;
  }

  private static String human(long bytes) {
    if (bytes < 1L << 20) return "%.1f KiB".formatted(bytes / 1024.0);
    if (bytes < 1L << 30) return "%.1f MiB".formatted(bytes / 1048576.0);
    return "%.2f GiB".formatted(bytes / 1073741824.0);
  }

  private static long parseBytes(String text) {
    String t = text.trim().toLowerCase(Locale.ROOT);
    int shift = t.endsWith("k") ? 10 : t.endsWith("m") ? 20 : t.endsWith("g") ? 30 : 0;
    try {
      return Long.parseLong(shift == 0 ? t : t.substring(0, t.length() - 1).trim()) << shift;
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "theriac.memory.limit=%s is not a number of bytes such as 4000000, 512m or 8g"
              .formatted(text),
          e);
    }
  }
}
