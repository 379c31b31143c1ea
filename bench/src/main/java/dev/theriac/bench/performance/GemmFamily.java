package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.bench.frame.Engine;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The matrix product c [m, n] of a [m, k] and b [k, n], in every order of memory: T is an operand
 * that is stored transposed, so that NT is a layer's product with its weights. Beside libtorch; and
 * some shapes once more beside OpenBLAS.
 */
final class GemmFamily implements Family {
  private static final String OPENBLAS = "-openblas";
  private static final String BF16 = "-bf16";

  /** How a case's operands are stored. */
  record Order(boolean leftTransposed, boolean rightTransposed) {}

  @Override
  public String name() {
    return "gemm";
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (long size : new long[] {256, 1024, 2048}) {
      for (String order : List.of("NN", "NT", "TN")) {
        cases.add(large(product(order, size, size, size)));
      }
    }
    cases.add(product("NT", 8, 5632, 2048).wanted(1.6, null));
    cases.add(product("NT", 64, 5632, 2048).wanted(1.8, 0.65));
    cases.add(product("NN", 64, 5632, 2048).wanted(1.8, 0.65));
    cases.add(product("NT", 577, 5632, 2048).wanted(2.0, null));
    for (long rows : new long[] {64, 577}) {
      // As F32: the share is that of its row of as many rows, where there is one.
      cases.add(product("NT" + BF16, rows, 5632, 2048).wanted(0.5, rows == 64 ? 0.65 : null));
    }
    for (String order : List.of("NN", "NT", "TN")) {
      cases.add(product(order + OPENBLAS, 1024, 1024, 1024).wanted(0.95, null));
    }
    cases.add(product("NN" + OPENBLAS, 256, 256, 256).wanted(0.95, null));
    cases.add(product("NN" + OPENBLAS, 2048, 2048, 2048).wanted(0.95, null));
    cases.add(product("NT" + OPENBLAS, 64, 5632, 2048).wanted(0.95, null));
    cases.add(product("NT" + OPENBLAS, 577, 5632, 2048).wanted(0.95, null));
    return cases;
  }

  private static Case large(Case c) {
    return c.wanted(1, 2.1, 0.82).wanted(2, 2.0, 0.75);
  }

  private static Case product(String operation, long m, long n, long k) {
    Input right =
        operation.charAt(1) == 'N'
            ? Input.f32("b", k, n)
            : operation.endsWith(BF16) ? Input.bf16("b", n, k) : Input.f32("b", n, k);
    double bytes = 4.0 * (m * k + m * n) + right.dtype().bytes() * (double) (n * k);
    return Case.of(operation, m + "x" + n + "x" + k)
        .work(2.0 * m * n * k, bytes, Floor.FMA)
        .input(operation.charAt(0) == 'N' ? Input.f32("a", m, k) : Input.f32("a", k, m), right)
        .input(Input.space("c", m, n))
        .result("c", m, n)
        .tolerance(1e-4, operation.endsWith(BF16) ? 2e-2 : 1e-4);
  }

  static Order order(Case c) {
    return new Order(c.operation().charAt(0) == 'T', c.operation().charAt(1) == 'T');
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    Order order = order(c);
    Strided a = operand(inputs.tensor("a"), order.leftTransposed);
    Strided b = operand(inputs.tensor("b"), order.rightTransposed);
    Strided out = inputs.strided("c");
    return Call.into(() -> backend.matmul().matmul(a, b, null, out, false), out);
  }

  private static Strided operand(Tensor stored, boolean transposed) {
    return (transposed ? stored.transpose(0, 1) : stored).strided();
  }

  @Override
  public Expected expected(Case c, Inputs inputs) {
    Order order = order(c);
    long m = c.input("c").shape()[0];
    long n = c.input("c").shape()[1];
    long depth = c.input("a").size() / m;
    return (_, index) -> {
      long i = index / n;
      long j = index % n;
      double sum = 0;
      for (long k = 0; k < depth; k++) {
        sum +=
            inputs.at("a", order.leftTransposed ? k * m + i : i * depth + k)
                * inputs.at("b", order.rightTransposed ? j * depth + k : k * n + j);
      }
      return sum;
    };
  }

  @Override
  public List<String> rivals(Case c) {
    return List.of(c.operation().endsWith(OPENBLAS) ? "openblas" : "libtorch");
  }

  @Override
  public Engine rival(String name, int threads) {
    return new OpenblasGemm(this, threads);
  }
}
