package dev.theriac.backend;

/** Functions of one element. GELU_TANH is Hendrycks and Gimpel's approximation ("gelu_new"). */
public enum UnaryKind {
  NEG,
  ABS,
  EXP,
  LOG,
  SQRT,
  RSQRT,
  SQUARE,
  RECIPROCAL,
  SIN,
  COS,
  TANH,
  SIGMOID,
  RELU,
  /** x * sigmoid(x). */
  SILU,
  /** 0.5 x (1 + erf(x / sqrt 2)). */
  GELU,
  /** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
  GELU_TANH,
  /** x * sigmoid(1.702 x). */
  QUICK_GELU
}
