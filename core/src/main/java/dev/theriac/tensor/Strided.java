package dev.theriac.tensor;

/**
 * What kernels see of a tensor: storage, element type and layout, nothing of autograd.
 *
 * @param storage the bytes
 * @param dtype the element type
 * @param layout shape, strides and offset in elements
 */
public record Strided(Storage storage, DType dtype, Layout layout) {
  /**
   * Address in host memory of the element at index 0 of every dimension.
   *
   * @throws IllegalStateException when the storage was freed or is not in host memory
   */
  public long address() {
    if (!(storage instanceof CpuStorage cpu)) {
      throw new IllegalStateException("a CPU kernel got a tensor on " + storage.device());
    }
    return cpu.address() + layout.offset() * dtype.bytes();
  }

  public long deviceAddress(Device device) {
    if (!(storage instanceof DeviceStorage there) || !there.device().equals(device)) {
      throw new IllegalStateException(
          "a kernel of %s got a tensor on %s".formatted(device, storage.device()));
    }
    return there.block().address() + layout.offset() * dtype.bytes();
  }

  public long size() {
    return layout.size();
  }

  public long size(int dim) {
    return layout.size(dim);
  }

  public long stride(int dim) {
    return layout.stride(dim);
  }

  public boolean isContiguous() {
    return layout.isContiguous();
  }

  /** The same bytes seen through another layout. */
  public Strided with(Layout other) {
    return new Strided(storage, dtype, other);
  }

  @Override
  public String toString() {
    return dtype + layout.toString();
  }
}
