package dev.theriac.bench.performance;

import dev.theriac.backend.Backend;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Attention forward and backward, and of one query over a cache. */
final class AttentionFamily implements Family {
  private static final int HEADS = 4;

  @Override
  public String name() {
    return "attention";
  }

  @Override
  public List<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (boolean causal : new boolean[] {false, true}) {
      cases.add(forward(577, 64, causal));
      cases.add(forward(1024, 80, causal));
      cases.add(forward(2048, 64, causal));
    }
    for (boolean causal : new boolean[] {false, true}) {
      cases.add(backward(577, 64, causal));
      cases.add(backward(1024, 80, causal));
    }
    cases.add(decode(4096, 32, 64));
    return cases;
  }

  private static Case inputs(String operation, long t, long d, boolean causal) {
    return Case.of(operation + (causal ? "-causal" : ""), t + "x" + d)
        .method(operation)
        .input(Input.f32("q", 1, t, HEADS, d), Input.f32("k", 1, t, HEADS, d))
        .input(Input.f32("v", 1, t, HEADS, d))
        .numbers(causal ? 1 : 0);
  }

  /** A causal mask hides half of the pairs, whose FLOPs do not count. */
  private static double flops(long t, long d, boolean causal) {
    return 4.0 * HEADS * t * t * d * (causal ? 0.5 : 1);
  }

  private static Case forward(long t, long d, boolean causal) {
    return inputs("attention", t, d, causal)
        .work(flops(t, d, causal), 16.0 * t * HEADS * d, Floor.FMA)
        .wanted(causal ? 3.0 : 2.0, 0.72)
        .result("out", t, HEADS, d);
  }

  /** Five products for the forward pass' two. */
  private static Case backward(long t, long d, boolean causal) {
    return inputs("gradient", t, d, causal)
        .input(Input.f32("grad", 1, t, HEADS, d))
        .work(2.5 * flops(t, d, causal), 32.0 * t * HEADS * d, Floor.FMA)
        .wanted(causal ? 2.5 : 1.8, 0.60)
        .result("dq", t, HEADS, d)
        .result("dk", t, HEADS, d)
        .result("dv", t, HEADS, d);
  }

  private static Case decode(long keys, long heads, long d) {
    return Case.of("attention-decode", keys + "x" + heads + "x" + d)
        .method("attention")
        .work(4.0 * keys * heads * d, 8.0 * keys * heads * d, Floor.READ)
        .input(Input.f32("q", 1, 1, heads, d), Input.f32("k", 1, keys, heads, d))
        .input(Input.f32("v", 1, keys, heads, d))
        .numbers(0)
        .result("out", 1, heads, d);
  }

  private static boolean causal(Case c) {
    return c.numbers().getFirst() == 1;
  }

  @Override
  public Call ours(Case c, Inputs in, Backend backend) {
    Strided q = in.strided("q");
    Strided k = in.strided("k");
    Strided v = in.strided("v");
    long t = q.size(1);
    float scale = (float) (1 / Math.sqrt(q.size(3)));
    Tensor out = Scope.persist(Tensor.empty("bench", DType.F32, q.layout().shape()));
    Tensor lse = Scope.persist(Tensor.empty("bench", DType.F32, 1, q.size(2), t));
    Strided o = out.strided();
    Strided l = lse.strided();
    Runnable forward = () -> backend.attention().attention(q, k, v, null, causal(c), scale, o, l);
    if (!c.method().equals("gradient")) return owning(Call.into(forward, o), out, lse);
    forward.run();
    Strided g = in.strided("grad");
    Tensor dq = Scope.persist(Tensor.empty("bench", DType.F32, q.layout().shape()));
    Tensor dk = Scope.persist(Tensor.empty("bench", DType.F32, k.layout().shape()));
    Tensor dv = Scope.persist(Tensor.empty("bench", DType.F32, v.layout().shape()));
    Strided a = dq.strided();
    Strided b = dk.strided();
    Strided d = dv.strided();
    Runnable backward =
        () ->
            backend
                .attention()
                .attentionGradient(q, k, v, null, causal(c), scale, o, l, g, a, b, d);
    return owning(Call.into(backward, a, b, d), out, lse, dq, dk, dv);
  }

  /** A call that frees tensors at its end. */
  private static Call owning(Call call, Tensor... tensors) {
    return new Call() {
      @Override
      public void run() {
        call.run();
      }

      @Override
      public double[] values(int result, long[] indices) {
        return call.values(result, indices);
      }

      @Override
      public void close() {
        for (Tensor t : tensors) t.close();
      }
    };
  }

  @Override
  public Expected expected(Case c, Inputs in) {
    AttentionOracle oracle = new AttentionOracle(in, causal(c));
    if (!c.method().equals("gradient")) return (_, index) -> oracle.out(index);
    return (result, index) ->
        switch (result) {
          case 0 -> oracle.gradQuery(index);
          case 1 -> oracle.gradKey(index);
          default -> oracle.gradValue(index);
        };
  }
}
