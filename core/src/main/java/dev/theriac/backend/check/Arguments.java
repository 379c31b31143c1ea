package dev.theriac.backend.check;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;

/**
 * Makes the tensors of one check. The same seed gives the same values, so that two back ends can be
 * given one problem each even where a kernel works in place.
 */
final class Arguments {
  /** Rows and columns of most problems: neither divides by a vector's length. */
  final long rows;

  final long columns = 83;

  private final Rng rng;
  private final List<Strided> all = new ArrayList<>();
  private final List<Strided> results = new ArrayList<>();

  Arguments(long seed, long rows) {
    this.rng = new Rng(seed);
    this.rows = rows;
  }

  private Strided make(DType dtype, long... shape) {
    Layout layout = Layout.contiguous(shape);
    long bytes = layout.size() * dtype.bytes();
    Strided x = new Strided(CpuStorage.allocate(bytes, "kernel check"), dtype, layout);
    all.add(x);
    return x;
  }

  /** Standard normal values. */
  Strided random(long... shape) {
    return random(DType.F32, shape);
  }

  Strided random(DType dtype, long... shape) {
    Strided x = make(dtype, shape);
    for (long i = 0; i < x.size(); i++) Host.set(dtype, x.address(), i, rng.nextGaussian());
    return x;
  }

  /** Values of at least a tenth. */
  Strided positive(long... shape) {
    Strided x = random(shape);
    for (long i = 0; i < x.size(); i++) {
      Host.setFloat(x.address() + 4 * i, 0.1f + Math.abs(Host.getFloat(x.address() + 4 * i)));
    }
    return x;
  }

  /** Whole numbers from -2 to 2, so that pairs are equal at times. */
  Strided whole(long... shape) {
    Strided x = make(DType.F32, shape);
    for (long i = 0; i < x.size(); i++) Host.setFloat(x.address() + 4 * i, rng.nextInt(5) - 2);
    return x;
  }

  /** Row-major [rows, columns] of a transposed matrix: strides that are not those of a copy. */
  Strided transposed(long rows, long columns) {
    Strided x = random(columns, rows);
    return x.with(x.layout().permute(1, 0));
  }

  /** Each value from its place. */
  Strided longs(long count, LongUnaryOperator value) {
    Strided x = make(DType.I64, count);
    for (long i = 0; i < count; i++) Host.setLong(x.address() + 8 * i, value.applyAsLong(i));
    return x;
  }

  Strided ids(long below, long... shape) {
    Strided x = longs(Layout.contiguous(shape).size(), i -> rng.nextInt((int) below));
    return x.with(Layout.contiguous(shape));
  }

  /** Truth values. */
  Strided flags(long... shape) {
    Strided x = make(DType.BOOL, shape);
    for (long i = 0; i < x.size(); i++) Host.set(DType.BOOL, x.address(), i, rng.nextInt(2));
    return x;
  }

  /** Memory that the kernel must fill: NaN, or 77 in types that have none. */
  Strided result(long... shape) {
    return result(DType.F32, shape);
  }

  Strided result(DType dtype, long... shape) {
    Strided x = make(dtype, shape);
    for (long i = 0; i < x.size(); i++) {
      if (dtype == DType.BOOL) Host.setByte(x.address() + i, (byte) 77);
      else Host.set(dtype, x.address(), i, dtype.isFloating() ? Double.NaN : 77);
    }
    results.add(x);
    return x;
  }

  Strided zeros(long... shape) {
    Strided x = make(DType.F32, shape);
    for (long i = 0; i < x.size(); i++) Host.setFloat(x.address() + 4 * i, 0);
    results.add(x);
    return x;
  }

  /** Something that the kernel changes in place. */
  Strided changed(Strided x) {
    results.add(x);
    return x;
  }

  List<Strided> results() {
    return results;
  }

  void free() {
    for (Strided x : all) x.storage().free("kernel check");
  }
}
