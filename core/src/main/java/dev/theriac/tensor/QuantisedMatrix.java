package dev.theriac.tensor;

/**
 * The weight of a linear layer [rows, columns] in whole numbers of 8 or 4 bits with a scale for
 * each 32 of them, or in BF16 or F32; {@link QuantisedFormat} says how it lies in memory. {@link
 * dev.theriac.op.Quantised} makes one and multiplies by it. Not changed once made; safe to read
 * from several threads.
 *
 * <p>All there is of it is a U8 tensor, which is written to and read from files as any other; scope
 * and lifetime are those of that tensor.
 *
 * @param format size of the numbers
 * @param rows outputs of the layer
 * @param columns inputs of the layer
 * @param bytes U8, of rank 1 and contiguous: numbers and scales
 */
public record QuantisedMatrix(QuantisedFormat format, long rows, long columns, Tensor bytes)
    implements AutoCloseable {

  /**
   * @throws IllegalArgumentException when the tensor's type or size is not that of such a matrix
   */
  public QuantisedMatrix {
    if (rows < 0 || columns < 0) {
      throw new IllegalArgumentException(
          "quantised matrix: shape [%d, %d] has a negative size".formatted(rows, columns));
    }
    long wanted = format.bytes(rows, columns);
    if (bytes.dtype() != DType.U8
        || !bytes.layout().hasShape(wanted)
        || !bytes.layout().isContiguous()) {
      throw new IllegalArgumentException(
          "quantised matrix: %s [%d, %d] is a contiguous U8[%d], got %s%s"
              .formatted(format, rows, columns, wanted, bytes.dtype(), bytes.layout()));
    }
  }

  /** Uninitialised, on the {@linkplain Device#current() current device}. */
  public static QuantisedMatrix empty(QuantisedFormat format, long rows, long columns) {
    return empty(Device.current(), format, rows, columns);
  }

  /** As {@link #empty}, on {@code device}. */
  public static QuantisedMatrix empty(
      Device device, QuantisedFormat format, long rows, long columns) {
    long size = format.bytes(rows, columns);
    Tensor bytes = Tensor.empty(device, "quantised matrix", DType.U8, size);
    return new QuantisedMatrix(format, rows, columns, bytes);
  }

  /** A copy on another device; this matrix when it is there already. */
  public QuantisedMatrix to(Device device) {
    if (bytes.device().equals(device)) return this;
    return new QuantisedMatrix(format, rows, columns, bytes.to(device));
  }

  /** Frees the memory now. */
  @Override
  public void close() {
    bytes.close();
  }

  @Override
  public String toString() {
    return "%s[%d, %d]".formatted(format, rows, columns);
  }
}
