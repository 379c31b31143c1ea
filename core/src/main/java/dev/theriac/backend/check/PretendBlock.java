package dev.theriac.backend.check;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceBlock;
import dev.theriac.tensor.Host;
import java.util.concurrent.atomic.AtomicLong;

/** Host memory behind an address that is none of the host's. */
final class PretendBlock implements DeviceBlock {
  final CpuStorage memory;

  private final Device device;
  private final AtomicLong downloads;
  private final AtomicLong blocks;

  PretendBlock(Device device, long bytes, String holder, AtomicLong downloads, AtomicLong blocks) {
    this.device = device;
    this.downloads = downloads;
    this.blocks = blocks;
    memory = CpuStorage.allocate(bytes, holder);
    blocks.incrementAndGet();
  }

  @Override
  public Device device() {
    return device;
  }

  /** Negative: whoever takes it for an address of the host gets an exception. */
  @Override
  public long address() {
    return ~memory.address();
  }

  @Override
  public long bytes() {
    return memory.byteSize();
  }

  @Override
  public void copyToHost(long offset, long hostAddress, long bytes) {
    check(offset, bytes);
    downloads.incrementAndGet();
    Host.copy(memory.address() + offset, hostAddress, bytes);
  }

  @Override
  public void copyFromHost(long offset, long hostAddress, long bytes) {
    check(offset, bytes);
    Host.copy(hostAddress, memory.address() + offset, bytes);
  }

  private void check(long offset, long bytes) {
    if (offset < 0 || bytes < 0 || offset + bytes > bytes()) {
      throw new IndexOutOfBoundsException(
          "%d bytes from %d of a block of %d".formatted(bytes, offset, bytes()));
    }
  }

  @Override
  public void release() {
    memory.free("the device's tensor");
    blocks.decrementAndGet();
  }
}
