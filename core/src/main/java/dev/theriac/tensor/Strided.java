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
    if (!(storage instanceof CpuStorage cpu)) throw elsewhere(Device.CPU);
    return cpu.address() + layout.offset() * dtype.bytes();
  }

  /**
   * As {@link #address()}, in the addresses of another device: for its kernels.
   *
   * @throws IllegalStateException when the storage was freed or is not on {@code device}
   */
  public long deviceAddress(Device device) {
    if (!(storage instanceof DeviceStorage there) || !there.device().equals(device)) {
      throw elsewhere(device);
    }
    return there.block().address() + layout.offset() * dtype.bytes();
  }

  private IllegalStateException elsewhere(Device wanted) {
    return new IllegalStateException(
        "%s%s, made by %s, is on %s and was read on %s; move it with to(Device)"
            .formatted(dtype, layout, storage.holder(), storage.device(), wanted));
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
