package dev.theriac.tensor;

/** Memory of a device that is not the host. */
public final class DeviceStorage extends Storage {
  private final DeviceBlock block;
  private boolean freed;

  private DeviceStorage(DeviceBlock block) {
    this.block = block;
  }

  /** Takes over memory that a back end gave; {@code holder} is the operation named in reports. */
  public static DeviceStorage wrap(DeviceBlock block, String holder) {
    return new DeviceStorage(block);
  }

  public DeviceBlock block() {
    return block;
  }

  @Override
  public Device device() {
    return block.device();
  }

  @Override
  public long byteSize() {
    return block.bytes();
  }

  @Override
  public boolean isAlive() {
    return !freed;
  }

  @Override
  public void free(String why) {
    if (freed) return;
    freed = true;
    block.release();
  }

  @Override
  void collectable() {}

  @Override
  void expectCollection() {}
}
