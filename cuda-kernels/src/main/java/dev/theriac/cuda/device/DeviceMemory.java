package dev.theriac.cuda.device;

import dev.theriac.tensor.OutOfTensorMemoryException;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.TreeMap;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The pool of a device's memory. Blocks come in size classes, four to each power of two; a freed
 * one waits in its class for the next request, because the driver's own calls stop the device.
 *
 * <p>Reuse follows the order of the compute stream: a block that is freed may be handed out at
 * once, since what uses it next is queued behind what used it last. Who lets another stream work on
 * a tensor keeps it until that stream is done.
 *
 * <p>{@code theriac.cuda.memory.limit} (bytes, or with suffix k, m, g) bounds what is taken from
 * the driver. Thread-safe.
 */
public final class DeviceMemory {
  /** The driver aligns to this. */
  private static final long SMALLEST = 256;

  private final CudaDevice device;
  private final Map<Long, ArrayDeque<Block>> free = new TreeMap<>();
  private final Map<String, Long> holders = new TreeMap<>();
  private long limit;
  private long live;
  private long reserved;
  private long peak;
  private long requests;
  private long driverCalls;

  /**
   * State of the pool.
   *
   * @param live bytes held by tensors now
   * @param reserved bytes taken from the driver: live and waiting for reuse
   * @param peak highest {@code live} since the start or the last {@link #resetPeak}
   * @param limit bound on {@code reserved}; 0 means none
   * @param requests number of blocks asked for since the start
   * @param driverCalls how many of those had to be asked from the driver
   */
  public record Stats(
      long live, long reserved, long peak, long limit, long requests, long driverCalls) {}

  /** A piece of device memory. */
  static final class Block {
    final long address;
    final long bytes;
    final String holder;

    Block(long address, long bytes, String holder) {
      this.address = address;
      this.bytes = bytes;
      this.holder = holder;
    }
  }

  DeviceMemory(CudaDevice device, long limit) {
    this.device = device;
    this.limit = limit;
  }

  /** What the pool holds. */
  public synchronized Stats stats() {
    return new Stats(live, reserved, peak, limit, requests, driverCalls);
  }

  /** Begins to measure the peak anew. */
  public synchronized void resetPeak() {
    peak = live;
  }

  /** Sets the bound on what is taken from the driver, in bytes; 0 means none. */
  public synchronized void setLimit(long bytes) {
    limit = bytes;
  }

  /** Gives every block that waits for reuse back to the driver; waits for the device first. */
  public synchronized void trim() {
    device.synchronize();
    for (ArrayDeque<Block> blocks : free.values()) {
      for (Block block : blocks) {
        reserved -= block.bytes;
        Driver.check("cuMemFree", JCudaDriver.cuMemFree(RawPointer.device(block.address)));
      }
    }
    free.clear();
  }

  /**
   * @param bytes wanted; what is given may be more
   * @throws OutOfTensorMemoryException when neither pool nor driver has as much
   */
  synchronized Block allocate(long bytes, String holder) {
    long rounded = rounded(bytes);
    requests++;
    ArrayDeque<Block> blocks = free.get(rounded);
    Block waiting = blocks == null ? null : blocks.pollLast();
    long address = waiting == null ? reserve(rounded, bytes, holder) : waiting.address;
    live += rounded;
    peak = Math.max(peak, live);
    holders.merge(holder, rounded, Long::sum);
    return new Block(address, rounded, holder);
  }

  synchronized void release(Block block) {
    live -= block.bytes;
    holders.computeIfPresent(
        block.holder, (_, held) -> held == block.bytes ? null : held - block.bytes);
    reuse(block);
  }

  private void reuse(Block block) {
    free.computeIfAbsent(block.bytes, _ -> new ArrayDeque<>()).addLast(block);
  }

  private long reserve(long rounded, long asked, String holder) {
    long address = limit > 0 && reserved + rounded > limit ? 0 : ask(rounded);
    if (address == 0) {
      // Blocks of other sizes may be in the way.
      trim();
      address = limit > 0 && reserved + rounded > limit ? 0 : ask(rounded);
    }
    if (address == 0) throw exhausted(asked, holder);
    reserved += rounded;
    return address;
  }

  private long ask(long bytes) {
    device.makeCurrent();
    driverCalls++;
    RawPointer.Allocated pointer = new RawPointer.Allocated();
    int code = JCudaDriver.cuMemAlloc(pointer, bytes);
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) return 0;
    Driver.check("cuMemAlloc", code, bytes + " bytes");
    return pointer.address();
  }

  private OutOfTensorMemoryException exhausted(long asked, String holder) {
    StringBuilder most = new StringBuilder();
    holders.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
        .limit(5)
        .forEach(e ->
            most.append(most.isEmpty() ? "" : ", ")
                .append(e.getKey())
                .append(' ')
                .append(human(e.getValue())));
    return new OutOfTensorMemoryException(
        "out of memory on %s (%s): %s asked for %s, tensors hold %s (%s), %s; %s"
            .formatted(
                device.device(),
                device.name(),
                holder,
                human(asked),
                human(live),
                most,
                limit > 0 ? "limit " + human(limit) : "of " + human(device.totalMemory()),
                "close tensors or scopes earlier, lower the batch size or raise"
                    + " theriac.cuda.memory.limit"));
  }

  private static long rounded(long bytes) {
    if (bytes < 0 || bytes > 1L << 46) {
      throw new OutOfTensorMemoryException("a tensor of " + bytes + " bytes cannot be allocated");
    }
    if (bytes <= SMALLEST) return SMALLEST;
    long step = Math.max(SMALLEST, Long.highestOneBit(bytes - 1) / 4);
    return (bytes + step - 1) / step * step;
  }

  private static String human(long bytes) {
    if (bytes < 1L << 20) return "%.1f KiB".formatted(bytes / 1024.0);
    if (bytes < 1L << 30) return "%.1f MiB".formatted(bytes / 1048576.0);
    return "%.2f GiB".formatted(bytes / 1073741824.0);
  }
}
