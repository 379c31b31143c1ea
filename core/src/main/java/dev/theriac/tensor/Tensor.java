package dev.theriac.tensor;

import dev.theriac.backend.Backends;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.ReduceKind;
import dev.theriac.backend.UnaryKind;
import dev.theriac.op.Autograd;
import dev.theriac.op.Elementwise;
import dev.theriac.op.Gradients;
import dev.theriac.op.Matmul;
import dev.theriac.op.Op;
import dev.theriac.op.Reduce;
import dev.theriac.op.ShapeFunctions;
import dev.theriac.op.Softmax;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * An n-dimensional array on a device: storage + layout + element type, and the operation that made
 * it when a gradient is to flow back through it. Views share storage and are free. Values do not
 * change once made, but for the parameters that an optimiser updates.
 *
 * <p>Operations return new tensors owned by the current {@link Scope}. Operations on one tensor
 * from several threads are safe as long as none of them writes or frees it. Half types (BF16, F16)
 * are computed in F32 and rounded back.
 */
public final class Tensor implements AutoCloseable {
  private static final AtomicLong IDS = new AtomicLong();

  private final Strided data;
  private final long id = IDS.getAndIncrement();
  private boolean requiresGrad;
  private boolean retained;
  private Op op;

  private Tensor(Strided data) {
    this.data = data;
  }

  /** A tensor over existing storage; for kernels, readers and back ends. */
  public static Tensor wrap(Strided data) {
    data.storage().share();
    return new Tensor(data);
  }

  /** For the engine: what an operation gave, which made the storage or is a recorded view of it. */
  public static Tensor result(Strided data, Op op) {
    Tensor t = new Tensor(data);
    if (op != null) t.setOp(op);
    return t;
  }

  /**
   * Uninitialised, on the {@linkplain Device#current() current device}; {@code holder} is the
   * operation named in memory reports.
   */
  public static Tensor empty(String holder, DType dtype, long... shape) {
    return empty(Device.current(), holder, dtype, shape);
  }

  /** Uninitialised, on {@code device}: for operations, whose results are where their inputs are. */
  public static Tensor empty(Device device, String holder, DType dtype, long... shape) {
    Layout layout = Layout.contiguous(shape);
    boolean fits = layout.size() <= Long.MAX_VALUE / dtype.bytes();
    long bytes = fits ? layout.size() * dtype.bytes() : Long.MAX_VALUE;
    return made(
        device.equals(Device.CPU)
            ? CpuStorage.allocate(bytes, holder)
            : DeviceStorage.allocate(device, bytes, holder),
        dtype,
        layout);
  }

  private static Tensor made(Storage storage, DType dtype, Layout layout) {
    Scope.register(storage);
    return new Tensor(new Strided(storage, dtype, layout));
  }

  public static Tensor full(double value, DType dtype, long... shape) {
    return full(Device.current(), value, dtype, shape);
  }

  public static Tensor full(Device device, double value, DType dtype, long... shape) {
    Tensor t = empty(device, "full", dtype, shape);
    Backends.of(device).elementwise().fill(t.data, value);
    return t;
  }

  public static Tensor zeros(long... shape) {
    return full(0, DType.F32, shape);
  }

  public static Tensor zeros(Device device, long... shape) {
    return full(device, 0, DType.F32, shape);
  }

  public static Tensor ones(long... shape) {
    return full(1, DType.F32, shape);
  }

  /** F32 from row-major values. */
  public static Tensor of(float[] values, long... shape) {
    return of(Device.current(), values, shape);
  }

  /** F32 from row-major values. */
  public static Tensor of(Device device, float[] values, long... shape) {
    return filled(
        device,
        "of",
        DType.F32,
        shape.length == 0 ? new long[] {values.length} : shape,
        t -> {
          t.checkCount(values.length);
          long at = t.data.address();
          for (int i = 0; i < values.length; i++) Host.setFloat(at + 4L * i, values[i]);
        });
  }

  /** I64 from row-major values. */
  public static Tensor of(long[] values, long... shape) {
    return of(Device.current(), values, shape);
  }

  /** I64 from row-major values. */
  public static Tensor of(Device device, long[] values, long... shape) {
    return filled(
        device,
        "of",
        DType.I64,
        shape.length == 0 ? new long[] {values.length} : shape,
        t -> {
          t.checkCount(values.length);
          long at = t.data.address();
          for (int i = 0; i < values.length; i++) Host.setLong(at + 8L * i, values[i]);
        });
  }

  /** An F32 tensor of rank 0. */
  public static Tensor scalar(float value) {
    return full(value, DType.F32);
  }

  /** Normal with mean 0 and the given standard deviation, the same bits on every machine. */
  public static Tensor randn(Rng rng, double std, long... shape) {
    if (rng.givesPlaceholders()) return placeholder(rng, 2, shape);
    return filled(
        Device.current(),
        "randn",
        DType.F32,
        shape,
        t -> {
          long at = t.data.address();
          for (long i = 0; i < t.size(); i++) {
            Host.setFloat(at + 4 * i, (float) (std * rng.nextGaussian()));
          }
        });
  }

  /** Uniform in [low, high). */
  public static Tensor uniform(Rng rng, double low, double high, long... shape) {
    if (rng.givesPlaceholders()) return placeholder(rng, 1, shape);
    return filled(
        Device.current(),
        "uniform",
        DType.F32,
        shape,
        t -> {
          long at = t.data.address();
          for (long i = 0; i < t.size(); i++) {
            Host.setFloat(at + 4 * i, (float) (low + (high - low) * rng.nextFloat()));
          }
        });
  }

  /** Written on the host and, where {@code device} is another one, brought there. */
  private static Tensor filled(
      Device device, String holder, DType dtype, long[] shape, Consumer<Tensor> writer) {
    Tensor t = empty(Device.CPU, holder, dtype, shape);
    try {
      writer.accept(t);
    } catch (RuntimeException e) {
      t.close();
      throw e;
    }
    if (device.equals(Device.CPU)) return t;
    try (t) {
      return upload(t, device);
    }
  }

  private static Tensor upload(Tensor host, Device device) {
    long bytes = host.size() * host.dtype().bytes();
    boolean remember = host.dtype() == DType.I64;
    String holder = host.storage().holder();
    return made(
        DeviceStorage.upload(device, host.data.address(), bytes, remember, holder),
        host.dtype(),
        Layout.contiguous(host.shape()));
  }

  private static Tensor download(Tensor there) {
    Tensor host = empty(Device.CPU, there.storage().holder(), there.dtype(), there.shape());
    there.read(there.layout().offset(), host.data.address(), there.size());
    return host;
  }

  /** Brings {@code count} elements from {@code first} of the storage on to host memory. */
  private void read(long first, long hostAddress, long count) {
    long size = dtype().bytes();
    ((DeviceStorage) storage()).read(first * size, hostAddress, count * size);
  }

  /**
   * For {@link dev.theriac.op.ShapeFunctions#move}: a copy of a contiguous tensor on another
   * device.
   */
  public Tensor copyTo(Device device) {
    Tensor out;
    if (device().equals(Device.CPU)) {
      out = upload(this, device);
    } else if (device.equals(Device.CPU)) {
      out = download(this);
    } else {
      try (Tensor host = download(this)) {
        out = upload(host, device);
      }
    }
    Reference.reachabilityFence(this);
    return out;
  }

  private static Tensor placeholder(Rng rng, int wordsEach, long... shape) {
    long[] ones = new long[shape.length];
    Arrays.fill(ones, 1);
    Tensor t = zeros(ones).expand(shape);
    rng.reserve(wordsEach * t.size());
    return t;
  }

  private void checkCount(long have) {
    if (have != size()) {
      throw new IllegalArgumentException(
          "of: %d values do not fill shape %s (%d)".formatted(have, data.layout(), size()));
    }
  }

  // ---- what it is

  public Strided strided() {
    return data;
  }

  public Storage storage() {
    return data.storage();
  }

  public Layout layout() {
    return data.layout();
  }

  public DType dtype() {
    return data.dtype();
  }

  public Device device() {
    return data.storage().device();
  }

  public long[] shape() {
    return data.layout().shape();
  }

  public int rank() {
    return data.layout().rank();
  }

  /** Number of elements. */
  public long size() {
    return data.layout().size();
  }

  /** Size of a dimension; negative counts from the end. */
  public long size(int dim) {
    return data.layout().size(dim);
  }

  /** Age: a tensor's id is larger than those of the tensors it was made from. */
  public long id() {
    return id;
  }

  // ---- values

  /** Element at {@code index} as a double; allocates nothing that must be freed. */
  public double get(long... index) {
    Layout l = data.layout();
    if (index.length != l.rank()) {
      throw new IllegalArgumentException("get: %d indices for shape %s".formatted(index.length, l));
    }
    long at = 0;
    for (int i = 0; i < index.length; i++) {
      if (index[i] < 0 || index[i] >= l.size(i)) {
        throw new IndexOutOfBoundsException(
            "get: index %d of dimension %d of shape %s".formatted(index[i], i, l));
      }
      at += index[i] * l.stride(i);
    }
    return element(at);
  }

  /** The only element of a tensor of size 1. */
  public float item() {
    if (size() != 1) {
      throw new IllegalStateException(
          "item: shape %s has %d elements, not 1".formatted(layout(), size()));
    }
    return (float) element(0);
  }

  /** The element so many places behind the first. */
  private double element(long at) {
    double value;
    if (storage() instanceof CpuStorage) {
      value = Host.get(dtype(), data.address(), at);
    } else {
      try (Arena arena = Arena.ofConfined()) {
        long word = arena.allocate(8, 8).address();
        read(layout().offset() + at, word, 1);
        value = Host.get(dtype(), word, 0);
      }
    }
    Reference.reachabilityFence(this);
    return value;
  }

  /** All elements in row-major order, converted to float. */
  public float[] toFloats() {
    float[] out = new float[Math.toIntExact(size())];
    try (Scope _ = Scope.open()) {
      Strided s = Autograd.noGrad(() -> contiguous().to(Device.CPU)).data;
      long at = s.address();
      for (int i = 0; i < out.length; i++) out[i] = (float) Host.get(s.dtype(), at, i);
    }
    Reference.reachabilityFence(this);
    return out;
  }

  /** All elements in row-major order, converted to long. */
  public long[] toLongs() {
    long[] out = new long[Math.toIntExact(size())];
    try (Scope _ = Scope.open()) {
      Strided s = Autograd.noGrad(() -> contiguous().to(Device.CPU)).data;
      long at = s.address();
      for (int i = 0; i < out.length; i++) {
        out[i] =
            s.dtype() == DType.I64 ? Host.getLong(at + 8L * i) : (long) Host.get(s.dtype(), at, i);
      }
    }
    Reference.reachabilityFence(this);
    return out;
  }

  // ---- gradients

  public boolean requiresGrad() {
    return requiresGrad;
  }

  /** Marks a leaf as wanting (or not) a gradient; returns this. */
  public Tensor requireGrad(boolean wanted) {
    if (op != null) {
      throw new IllegalStateException(
          "requireGrad: this tensor is the result of %s; only leaves are marked (detach() first)"
              .formatted(op.name()));
    }
    if (wanted && !dtype().isFloating()) {
      throw new IllegalStateException("requireGrad: " + dtype() + " cannot carry a gradient");
    }
    requiresGrad = wanted;
    return this;
  }

  /** The operation recorded for the backward pass, or null for a leaf. */
  public Op op() {
    return op;
  }

  /** For the engine: records (or, after use, replaces) the operation that made this tensor. */
  public void setOp(Op newOp) {
    op = newOp;
    requiresGrad = newOp != null;
  }

  /** Keeps this intermediate result alive through {@code backward()}; returns this. */
  public Tensor retain() {
    retained = true;
    return this;
  }

  public boolean isRetained() {
    return retained;
  }

  /** Gradients of this scalar with respect to every leaf that asks for one. */
  public Gradients backward() {
    return Autograd.backward(this, null);
  }

  /** As {@link #backward()}, from an output of any shape and the gradient that arrives at it. */
  public Gradients backward(Tensor grad) {
    return Autograd.backward(this, grad);
  }

  /** The same values, cut off from the graph. */
  public Tensor detach() {
    return wrap(data);
  }

  // ---- views and copies

  /** Another shape over the same elements; one size may be -1. Copies only where it must. */
  public Tensor reshape(long... shape) {
    return ShapeFunctions.reshape(this, shape);
  }

  public Tensor permute(int... dims) {
    return ShapeFunctions.permute(this, dims);
  }

  public Tensor transpose(int a, int b) {
    return ShapeFunctions.transpose(this, a, b);
  }

  /** The range [from, to) of one dimension. */
  public Tensor slice(int dim, long from, long to) {
    return ShapeFunctions.slice(this, dim, from, to);
  }

  /** One index of a dimension, which disappears. */
  public Tensor select(int dim, long index) {
    return ShapeFunctions.select(this, dim, index);
  }

  public Tensor expand(long... shape) {
    return ShapeFunctions.expand(this, shape);
  }

  public Tensor squeeze(int dim) {
    return ShapeFunctions.squeeze(this, dim);
  }

  public Tensor unsqueeze(int dim) {
    return ShapeFunctions.unsqueeze(this, dim);
  }

  /** This tensor when its elements lie in row-major order, else a copy that does. */
  public Tensor contiguous() {
    return ShapeFunctions.contiguous(this);
  }

  /** Converted to another type; this tensor when it has it already. */
  public Tensor to(DType dtype) {
    return Elementwise.cast(this, dtype);
  }

  /**
   * A contiguous copy on another device; this tensor when it is there already. Gradients come back
   * the same way.
   */
  public Tensor to(Device device) {
    return ShapeFunctions.move(this, device);
  }

  // ---- arithmetic, with NumPy's broadcasting

  public Tensor add(Tensor other) {
    return Elementwise.binary(BinaryKind.ADD, this, other);
  }

  public Tensor sub(Tensor other) {
    return Elementwise.binary(BinaryKind.SUB, this, other);
  }

  public Tensor mul(Tensor other) {
    return Elementwise.binary(BinaryKind.MUL, this, other);
  }

  public Tensor div(Tensor other) {
    return Elementwise.binary(BinaryKind.DIV, this, other);
  }

  public Tensor add(double value) {
    return Elementwise.affine(this, 1, value);
  }

  public Tensor mul(double value) {
    return Elementwise.affine(this, value, 0);
  }

  public Tensor apply(UnaryKind kind) {
    return Elementwise.unary(kind, this);
  }

  public Tensor exp() {
    return apply(UnaryKind.EXP);
  }

  public Tensor log() {
    return apply(UnaryKind.LOG);
  }

  public Tensor gelu() {
    return apply(UnaryKind.GELU);
  }

  public Tensor silu() {
    return apply(UnaryKind.SILU);
  }

  /** Matrix product over the last two dimensions, the leading ones broadcast. */
  public Tensor matmul(Tensor other) {
    return Matmul.matmul(this, other);
  }

  public Tensor softmax() {
    return Softmax.softmax(this);
  }

  /** Sum of everything, rank 0. */
  public Tensor sum() {
    return Reduce.all(ReduceKind.SUM, this);
  }

  /** Mean of everything, rank 0. */
  public Tensor mean() {
    return Reduce.all(ReduceKind.MEAN, this);
  }

  public Tensor sum(int dim, boolean keepDim) {
    return Reduce.reduce(ReduceKind.SUM, this, keepDim, dim);
  }

  public Tensor mean(int dim, boolean keepDim) {
    return Reduce.reduce(ReduceKind.MEAN, this, keepDim, dim);
  }

  /** Frees the storage now, for every view of it. */
  @Override
  public void close() {
    free("Tensor.close()");
  }

  /** {@link #close()} for the engine; {@code why} is shown by errors of later uses. */
  public void free(String why) {
    Scope.forget(storage());
    storage().free(why);
  }

  @Override
  public String toString() {
    if (!storage().isAlive()) return dtype() + layout().toString() + " freed";
    return Printing.describe(this);
  }
}
