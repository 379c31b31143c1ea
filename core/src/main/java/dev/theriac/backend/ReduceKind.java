package dev.theriac.backend;

/** Reductions over dimensions. MAX and MIN of nothing are an error, SUM of nothing is 0. */
public enum ReduceKind {
  SUM,
  MEAN,
  MAX,
  MIN
}
