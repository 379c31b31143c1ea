package dev.theriac.cuda;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.CompareKind;
import dev.theriac.backend.ElementwiseKernels;
import dev.theriac.backend.UnaryKind;
import dev.theriac.cuda.device.CudaDevice;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Elementwise kernels (elementwise.cu, moves.cu). Float functions are computed in float; tensors
 * whose rows lie in fours at aligned addresses, or are broadcast, are read sixteen bytes at a time.
 */
final class CudaElementwise extends CudaKernels implements ElementwiseKernels {
  CudaElementwise(CudaDevice device) {
    super(device);
  }

  @Override
  public void unary(UnaryKind kind, Strided x, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("unary", out);
    Places places = Places.inQuads(this, "unary", List.of(out), x);
    places
        .addWithQuadsTo(
            places.shape(kernel("elementwise_unary")).ints(kind.ordinal()).pointer(x).pointer(out))
        .run();
  }

  @Override
  public void unaryGradient(UnaryKind kind, Strided x, Strided y, Strided grad, Strided dx) {
    if (dx.size() == 0) return;
    requireContiguous("unaryGradient", dx);
    Places places = Places.inQuads(this, "unaryGradient", List.of(dx), grad, x);
    places
        .addWithQuadsTo(
            places
                .shape(kernel("elementwise_unary_gradient"))
                .ints(kind.ordinal())
                .pointer(grad)
                .pointer(x)
                .pointer(dx))
        .run();
  }

  @Override
  public void binary(BinaryKind kind, Strided a, Strided b, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("binary", out);
    Places places = Places.inQuads(this, "binary", List.of(out), a, b);
    places
        .addWithQuadsTo(
            places
                .shape(kernel("elementwise_binary"))
                .ints(kind.ordinal())
                .pointer(a)
                .pointer(b)
                .pointer(out))
        .run();
  }

  @Override
  public void swigluGradient(Strided gate, Strided up, Strided grad, Strided dgate, Strided dup) {
    if (grad.size() == 0) return;
    requireContiguous("swigluGradient", dgate, dup);
    Places places = Places.inQuads(this, "swigluGradient", List.of(dgate, dup), gate, up, grad);
    places
        .addWithQuadsTo(
            places
                .shape(kernel("elementwise_swiglu_gradient"))
                .pointer(gate)
                .pointer(up)
                .pointer(grad)
                .pointer(dgate)
                .pointer(dup))
        .run();
  }

  @Override
  public void compare(CompareKind kind, Strided a, Strided b, Strided out) {
    if (out.size() == 0) return;
    Places places = Places.of("compare", a, b, out);
    places
        .addTo(
            places
                .shape(kernel("elementwise_compare"))
                .ints(kind.ordinal(), a.dtype().ordinal())
                .pointer(a)
                .pointer(b)
                .pointer(out))
        .run();
  }

  @Override
  public void where(Strided condition, Strided a, Strided b, Strided out) {
    if (out.size() == 0) return;
    Places places = Places.of("where", condition, a, b, out);
    places
        .addTo(
            places
                .shape(kernel("elementwise_where"))
                .ints(out.dtype().bytes())
                .pointer(condition)
                .pointer(a)
                .pointer(b)
                .pointer(out))
        .run();
  }

  @Override
  public void affine(Strided x, float mul, float add, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("affine", out);
    Places places = Places.inQuads(this, "affine", List.of(out), x);
    places
        .addWithQuadsTo(
            places
                .shape(kernel("elementwise_multiply_add"))
                .pointer(x)
                .floats(mul, add)
                .pointer(out))
        .run();
  }

  @Override
  public void dropout(Strided x, float p, long seed, long stream, long offset, Strided out) {
    if (out.size() == 0) return;
    requireContiguous("dropout", x, out);
    kernel("elementwise_dropout", Math.ceilDiv(out.size(), 4))
        .pointer(x)
        .pointer(out)
        .longs(out.size())
        .floats(p)
        .doubles(1.0 - p)
        .longs(seed, stream, offset)
        .run();
  }

  @Override
  public void copy(Strided x, Strided out) {
    if (out.size() == 0) return;
    Places places = Places.of("copy", x, out);
    if (x.dtype() != out.dtype()) {
      places
          .addTo(
              places
                  .shape(kernel("elementwise_convert"))
                  .ints(x.dtype().ordinal())
                  .pointer(x)
                  .ints(out.dtype().ordinal())
                  .pointer(out))
          .run();
    } else if (places.inOneRun()) {
      if (address(x) == address(out)) return;
      device.copy(address(x), address(out), out.size() * out.dtype().bytes());
    } else {
      places
          .addTo(
              places
                  .shape(kernel("elementwise_copy"))
                  .ints(x.dtype().bytes())
                  .pointer(x)
                  .pointer(out))
          .run();
    }
  }

  @Override
  public void fill(Strided out, double value) {
    if (out.size() == 0) return;
    Places places = Places.of("fill", out);
    long bits = bits(out.dtype(), value);
    if (bits == 0 && places.inOneRun()) {
      device.clear(address(out), out.size() * out.dtype().bytes());
      return;
    }
    places
        .addTo(
            places
                .shape(kernel("elementwise_fill"))
                .ints(out.dtype().bytes())
                .pointer(out)
                .longs(bits))
        .run();
  }

  /** What an element of that value is in memory. */
  private static long bits(DType dtype, double value) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment word = arena.allocate(Long.BYTES, Long.BYTES);
      Host.set(dtype, word.address(), 0, value);
      return Host.getLong(word.address());
    }
  }

  @Override
  public void accumulate(Strided acc, Strided x) {
    binary(BinaryKind.ADD, acc, x, acc);
  }
}
