package dev.theriac.tensor;

import dev.theriac.backend.Backends;
import java.lang.ref.Reference;

/**
 * Memory of a device that is not the host. Its bytes are reached through copies ({@link
 * Tensor#to(Device)}) and by the kernels of the device's back end alone. Thread-safe.
 *
 * <p>Reading something back makes the host wait for the device. What the host knows of whole
 * numbers that lie there is therefore remembered, as values never change once made: a copy of those
 * that came from the host, and that ids are in range.
 */
public final class DeviceStorage extends Storage {
  private final DeviceBody body;
  private final long used;
  private volatile Ids ids = Ids.UNKNOWN;

  /**
   * What is known of all I64 in a storage.
   *
   * @param bound every one is in [0, bound)
   * @param distinct any so many that begin at a multiple of it are different; 1 where that is not
   *     known
   */
  private record Ids(long bound, long distinct) {
    static final Ids UNKNOWN = new Ids(-1, 1);
  }

  private static final class DeviceBody extends Body {
    final DeviceBlock block;
    final Memory.Block copy;

    DeviceBody(DeviceBlock block, Memory.Block copy, String holder) {
      super(holder, true);
      this.block = block;
      this.copy = copy;
    }

    @Override
    void release(String holder) {
      if (copy != null) Memory.release(copy, holder);
      block.release();
    }
  }

  private DeviceStorage(DeviceBody body, long used) {
    super(body);
    this.body = body;
    this.used = used;
  }

  /** Takes over memory that a back end gave; {@code holder} is the operation named in reports. */
  public static DeviceStorage wrap(DeviceBlock block, String holder) {
    return new DeviceStorage(new DeviceBody(block, null, holder), block.bytes());
  }

  /** Uninitialised memory of {@code device}; {@code holder} is the operation named in reports. */
  static DeviceStorage allocate(Device device, long bytes, String holder) {
    DeviceBlock block = Backends.of(device).allocate(bytes, holder);
    return new DeviceStorage(new DeviceBody(block, null, holder), bytes);
  }

  /**
   * A copy of host memory.
   *
   * @param remember whether the host is to keep a copy, for reading the values back from there
   */
  static DeviceStorage upload(
      Device device, long hostAddress, long bytes, boolean remember, String holder) {
    DeviceBlock block = Backends.of(device).allocate(bytes, holder);
    Memory.Block copy = null;
    try {
      block.copyFromHost(0, hostAddress, bytes);
      if (remember) {
        copy = Memory.allocate(bytes, holder);
        Host.copy(hostAddress, copy.address(), bytes);
      }
    } catch (RuntimeException | Error e) {
      block.release();
      throw e;
    }
    return new DeviceStorage(new DeviceBody(block, copy, holder), bytes);
  }

  /** What the back end gave; an error when the storage was freed. */
  public DeviceBlock block() {
    checkAlive();
    return body.block;
  }

  /** Copies bytes from {@code offset} on to host memory. */
  void read(long offset, long hostAddress, long bytes) {
    checkAlive();
    if (body.copy == null) body.block.copyToHost(offset, hostAddress, bytes);
    else Host.copy(body.copy.address() + offset, hostAddress, bytes);
    Reference.reachabilityFence(this);
  }

  /** Whether reading comes without waiting for the device. */
  boolean isRemembered() {
    return body.copy != null;
  }

  /**
   * For operations: what is known of the I64 in the whole storage, because a kernel made them so or
   * because they were looked at.
   *
   * @param bound every one is in [0, bound)
   * @param distinct length of rows, of which each has different ones; 1 where nothing is known
   */
  public synchronized void knowIds(long bound, long distinct) {
    Ids old = ids;
    long least = old.bound < 0 ? bound : Math.min(old.bound, bound);
    ids = new Ids(least, Math.max(old.distinct, distinct));
  }

  /** Whether every I64 is known to be in [0, bound). */
  public boolean idsBelow(long bound) {
    Ids known = ids;
    return known.bound >= 0 && known.bound <= bound;
  }

  /**
   * As {@link #idsBelow}, and whether the rows of {@code layout}, two-dimensional, are known to
   * hold different ones each.
   */
  public boolean distinctIdsBelow(long bound, Layout layout) {
    return idsBelow(bound) && isAll(layout) && ids.distinct == layout.size(1);
  }

  /** Whether {@code layout}, of I64, is everything in the order in which it lies. */
  public boolean isAll(Layout layout) {
    return layout.isContiguous()
        && layout.offset() == 0
        && layout.size() * DType.I64.bytes() == used;
  }

  @Override
  public Device device() {
    return body.block.device();
  }

  @Override
  public long byteSize() {
    return body.block.bytes();
  }
}
