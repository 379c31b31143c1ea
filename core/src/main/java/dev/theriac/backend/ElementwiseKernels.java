package dev.theriac.backend;

import dev.theriac.tensor.Strided;

/**
 * Elementwise kernels on F32 (copy, fill and compare: every type). Inputs have the shape of the
 * output, with stride 0 where broadcast, and any other strides; outputs are contiguous unless said.
 * Outputs never overlap inputs, but may be the same memory with the same layout.
 */
public interface ElementwiseKernels {
  void unary(UnaryKind kind, Strided x, Strided out);

  /** dx = grad * f'(x); {@code y} is f(x). All contiguous. */
  void unaryGradient(UnaryKind kind, Strided x, Strided y, Strided grad, Strided dx);

  void binary(BinaryKind kind, Strided a, Strided b, Strided out);

  /** dgate and dup of {@code silu(gate) * up}. All contiguous. */
  void swigluGradient(Strided gate, Strided up, Strided grad, Strided dgate, Strided dup);

  /** out is BOOL; a and b have one type, any. */
  void compare(CompareKind kind, Strided a, Strided b, Strided out);

  /** out = condition ? a : b; condition is BOOL. */
  void where(Strided condition, Strided a, Strided b, Strided out);

  /** out = x * mul + add, rounded once (fused). */
  void affine(Strided x, float mul, float add, Strided out);

  /**
   * out[i] = x[i] / (1 - p) where Philox word {@code offset + i} (i: row-major index), as a
   * uniform, is at least p, else 0. x and out contiguous.
   */
  void dropout(Strided x, float p, long seed, long stream, long offset, Strided out);

  /** Copies with conversion between any two types; both sides may have any strides. */
  void copy(Strided x, Strided out);

  /** Sets every element, whatever the type; any strides. */
  void fill(Strided out, double value);

  /** acc += x; both contiguous F32. */
  void accumulate(Strided acc, Strided x);
}
