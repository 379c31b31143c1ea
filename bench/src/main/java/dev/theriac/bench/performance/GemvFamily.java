package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.backend.QuantisedKernels.Weights;
import dev.theriac.op.Quantised;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.QuantisedFormat;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * The matrix product of generation: one row or four, times matrices that each call reads from
 * memory, since all of them together are four times what the caches hold.
 */
final class GemvFamily implements Family {
  private static final long N = 5632;
  private static final long K = 2048;

  /**
   * Nanoseconds without a faster call after which a kernel counts as compiled; the most to wait.
   */
  private static final long SETTLED = 1_500_000_000L;

  private static final long LONGEST = 10_000_000_000L;

  @Override
  public String name() {
    return "gemv";
  }

  @Override
  public List<Case> cases() {
    return List.of(
        product("f32", 1).wanted(2, 2.2, 0.92),
        product("bf16", 1).wanted(2, 2.4, 0.92),
        product("f32", 4).wanted(2.4, 0.65),
        product("bf16", 4).wanted(1.2, 0.65),
        product("f32-packed", 1).wanted(2, 2.2, 0.92),
        product("bf16-packed", 1).wanted(2, 2.4, 0.92),
        product("f32-packed", 4).wanted(2.4, 0.65),
        product("bf16-packed", 4).wanted(1.2, 0.65));
  }

  /**
   * c [matrices, m, N] = x [m, K] times each of w [matrices, N, K] transposed; where ours has them
   * packed beforehand, the rival's are as they are.
   */
  private static Case product(String type, long m) {
    boolean half = type.startsWith("bf16");
    long matrices = half ? 6 : 3;
    double weights = (double) matrices * N * K;
    return Case.of(type, m + "x" + N + "x" + K)
        .method(half ? "bf16" : "f32")
        .work(2 * m * weights, (half ? 2 : 4) * weights + 4.0 * matrices * m * (K + N), Floor.READ)
        .input(
            half ? Input.bf16("x", m, K) : Input.f32("x", m, K),
            half ? Input.bf16("w", matrices, N, K) : Input.f32("w", matrices, N, K),
            Input.space("c", matrices, m, N))
        .result("c", matrices, m, N)
        .tolerance(1e-4, half ? 2e-2 : 1e-4); // libtorch rounds results to bf16
  }

  @Override
  public Call ours(Case c, Inputs inputs, Backend backend) {
    if (c.operation().endsWith("-packed")) return packed(inputs, backend);
    Tensor x = inputs.tensor("x").to(DType.F32);
    Strided a = x.strided();
    int matrices = (int) c.input("w").shape()[0];
    Strided[] b = new Strided[matrices];
    Strided[] out = new Strided[matrices];
    for (int i = 0; i < matrices; i++) {
      b[i] = inputs.tensor("w").select(0, i).transpose(0, 1).strided();
      out[i] = inputs.tensor("c").select(0, i).strided();
    }
    Runnable all =
        () -> {
          for (int i = 0; i < matrices; i++) {
            backend.matmul().matmul(a, b[i], null, out[i], false);
          }
        };
    settle(all);
    return Call.into(all, inputs.strided("c"));
  }

  private static Call packed(Inputs inputs, Backend backend) {
    Strided a = inputs.tensor("x").to(DType.F32).strided();
    List<Weights> w = new ArrayList<>();
    Tensor all = inputs.tensor("w");
    QuantisedFormat format = QuantisedFormat.valueOf(all.dtype().name());
    for (long i = 0; i < all.size(0); i++) {
      QuantisedMatrix matrix = Quantised.quantise(all.select(0, i), format);
      w.add(new Weights(matrix.bytes().strided(), format, N, K));
    }
    List<Strided> out = new ArrayList<>();
    for (int i = 0; i < w.size(); i++) out.add(inputs.tensor("c").select(0, i).strided());
    Runnable products =
        () -> {
          for (int i = 0; i < w.size(); i++) {
            backend.quantised().linear(a, w.get(i), null, out.get(i));
          }
        };
    settle(products);
    return Call.into(products, inputs.strided("c"));
  }

  /** Each kernel is compiled when first asked for, and others stand in for it until then. */
  private static void settle(Runnable call) {
    long best = Long.MAX_VALUE;
    long now = System.nanoTime();
    long end = now + LONGEST;
    for (long quiet = now + SETTLED; now < quiet && now < end; ) {
      long start = System.nanoTime();
      call.run();
      now = System.nanoTime();
      if (now - start < 0.9 * best) {
        best = now - start;
        quiet = now + SETTLED;
      }
    }
  }

  @Override
  public Expected expected(Case c, Inputs inputs) {
    long rows = c.input("x").shape()[0];
    return (_, index) -> {
      long matrix = index / (rows * N);
      long row = index / N % rows;
      double sum = 0;
      for (long k = 0; k < K; k++) {
        sum += inputs.at("x", row * K + k) * inputs.at("w", (matrix * N + index % N) * K + k);
      }
      return sum;
    };
  }
}
