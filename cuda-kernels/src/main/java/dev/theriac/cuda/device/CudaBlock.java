package dev.theriac.cuda.device;

import dev.theriac.tensor.Device;
import dev.theriac.tensor.DeviceBlock;

/** The memory of a tensor on a GPU. */
final class CudaBlock implements DeviceBlock {
  private final CudaDevice device;
  private final DeviceMemory.Block block;

  CudaBlock(CudaDevice device, DeviceMemory.Block block) {
    this.device = device;
    this.block = block;
  }

  @Override
  public Device device() {
    return device.device();
  }

  @Override
  public long address() {
    return block.address;
  }

  @Override
  public long bytes() {
    return block.bytes;
  }

  @Override
  public void copyToHost(long offset, long hostAddress, long bytes) {
    device.toHost(block.address + offset, hostAddress, bytes);
  }

  @Override
  public void copyFromHost(long offset, long hostAddress, long bytes) {
    device.toDevice(hostAddress, block.address + offset, bytes);
  }

  @Override
  public void release() {
    device.release(block);
  }
}
