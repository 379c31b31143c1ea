package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.tensor.Strided;
import java.util.List;

/** The matrix product of large matrices. */
final class GemmFamily implements Family {
  @Override
  public String name() {
    return "gemm";
  }

  @Override
  public List<Case> cases() {
    return List.of(product(1024, 1024, 1024));
  }

  /** c [m, n] = a [m, k] times b [n, k] transposed. */
  private static Case product(long m, long n, long k) {
    return Case.of("NT", m + "x" + n + "x" + k)
        .work(2.0 * m * n * k, 4.0 * (m * k + n * k + m * n), Floor.FMA)
        .wanted(1, 2.1, 0.82)
        .wanted(2, 2.0, 0.75)
        .input(Input.f32("a", m, k), Input.f32("b", n, k), Input.space("c", m, n))
        .result("c", m, n);
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    Strided a = inputs.strided("a");
    Strided b = inputs.tensor("b").transpose(0, 1).strided();
    Strided out = inputs.strided("c");
    return Call.into(() -> backend.matmul().matmul(a, b, null, out, false), out);
  }

  @Override
  public Expected expected(Case c, Inputs inputs) {
    long n = c.input("b").shape()[0];
    long depth = c.input("b").shape()[1];
    return (_, index) -> {
      double sum = 0;
      for (long k = 0; k < depth; k++) {
        sum += inputs.at("a", index / n * depth + k) * inputs.at("b", index % n * depth + k);
      }
      return sum;
    };
  }
}
