package dev.theriac.backend;

/** Comparisons; the result is BOOL. A comparison with NaN is false, but for NE. */
public enum CompareKind {
  EQ,
  NE,
  LT,
  LE,
  GT,
  GE
}
