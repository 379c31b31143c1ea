package dev.theriac.cuda;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Strided;
import java.util.ArrayList;
import java.util.List;

/** Tensors in host memory for tests of products; freed together. */
final class Matrices implements AutoCloseable {
  private final Rng rng;
  private final List<Strided> all = new ArrayList<>();

  Matrices(long seed) {
    rng = new Rng(seed);
  }

  Strided make(DType dtype, long... shape) {
    Layout layout = Layout.contiguous(shape);
    Strided x =
        new Strided(CpuStorage.allocate(layout.size() * dtype.bytes(), "test"), dtype, layout);
    all.add(x);
    return x;
  }

  /** Standard normal values. */
  Strided random(DType dtype, long... shape) {
    Strided x = make(dtype, shape);
    for (long i = 0; i < x.size(); i++) Host.set(dtype, x.address(), i, rng.nextGaussian());
    return x;
  }

  Strided random(long... shape) {
    return random(DType.F32, shape);
  }

  /** The same values, to be changed. */
  Strided copy(Strided from) {
    Strided x = make(from.dtype(), from.layout().shape());
    for (long i = 0; i < x.size(); i++) {
      Host.set(x.dtype(), x.address(), i, Host.get(x.dtype(), from.address(), i));
    }
    return x;
  }

  /** NaN: what a kernel must overwrite. */
  Strided unwritten(long... shape) {
    return filled(Double.NaN, shape);
  }

  Strided filled(double value, long... shape) {
    Strided x = make(DType.F32, shape);
    for (long i = 0; i < x.size(); i++) Host.set(DType.F32, x.address(), i, value);
    return x;
  }

  Strided longs(long... values) {
    Strided x = make(DType.I64, values.length);
    for (int i = 0; i < values.length; i++) Host.setLong(x.address() + 8L * i, values[i]);
    return x;
  }

  /** Row indices, with repetition. */
  Strided ids(int below, int count) {
    long[] ids = new long[count];
    for (int i = 0; i < count; i++) ids[i] = rng.nextInt(below);
    return longs(ids);
  }

  /** The contiguous values of a tensor of F32. */
  static float[] values(Strided x) {
    float[] values = new float[Math.toIntExact(x.size())];
    for (int i = 0; i < values.length; i++) values[i] = Host.getFloat(x.address() + 4L * i);
    return values;
  }

  /** The element at that index of any layout. */
  static double at(Strided x, long... index) {
    long at = 0;
    for (int d = 0; d < index.length; d++) at += index[d] * x.stride(d);
    return Host.get(x.dtype(), x.address(), at);
  }

  @Override
  public void close() {
    for (Strided x : all) x.storage().free("test");
  }
}
