package dev.theriac.backend;

/** Functions of two elements. MAXIMUM and MINIMUM give NaN when either side is NaN. */
public enum BinaryKind {
  ADD,
  SUB,
  MUL,
  DIV,
  MAXIMUM,
  MINIMUM,
  /** silu(a) * b: the gate of a gated MLP (Shazeer, "GLU variants improve transformer"). */
  SWIGLU
}
