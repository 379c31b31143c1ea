package dev.theriac.moe;

import dev.theriac.backend.Erf;
import dev.theriac.backend.Workers;
import dev.theriac.op.Autograd;
import dev.theriac.op.CustomOp;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Philox;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/**
 * Random tensors drawn in parallel, each element from its own place in the generator's stream, and
 * the functions that noise and its losses need.
 */
final class RouterNoise {
  private static final long GRAIN = 1 << 12;

  private RouterNoise() {}

  /** Makes an element of the words that are its own, words[at] onwards. */
  private interface Draw {
    double element(int[] words, int at);
  }

  /** Uniform in [low, high); in host memory. */
  static Tensor uniform(Rng rng, double low, double high, long... shape) {
    return fill(rng, 1, (words, at) -> low + (high - low) * Philox.uniform(words[at]), shape);
  }

  /** Standard normal, by the formula of {@link Rng#nextGaussian}; in host memory. */
  static Tensor normal(Rng rng, long... shape) {
    return fill(
        rng,
        2,
        (words, at) -> {
          double u = ((words[at] >>> 8) + 1) * 0x1p-24;
          double angle = 2 * StrictMath.PI * Philox.uniform(words[at + 1]);
          return StrictMath.sqrt(-2 * StrictMath.log(u)) * StrictMath.cos(angle);
        },
        shape);
  }

  /** From a stretch of the stream that begins at a whole block of four words. */
  private static Tensor fill(Rng rng, int each, Draw draw, long... shape) {
    Tensor out = Tensor.empty(Device.CPU, "router noise", DType.F32, shape);
    long size = out.size();
    int perBlock = 4 / each;
    rng.reserve(-rng.position() & 3);
    long first = rng.reserve(each * size) >>> 2;
    long at = out.strided().address();
    Workers.parallelRange(
        (size + perBlock - 1) / perBlock,
        GRAIN,
        (from, to) -> {
          int[] words = new int[4];
          for (long block = from; block < to; block++) {
            Philox.block(rng.seed(), rng.stream(), first + block, words);
            long left = Math.min(perBlock, size - block * perBlock);
            for (int i = 0; i < left; i++) {
              double value = draw.element(words, each * i);
              Host.setFloat(at + 4 * (block * perBlock + i), (float) value);
            }
          }
        });
    return out;
  }

  private record NormalCdf(Tensor z) implements CustomOp {
    @Override
    public String name() {
      return "normalCdf";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(z);
    }

    @Override
    public List<Tensor> gradients(Tensor output, Tensor grad) {
      double scale = 1 / Math.sqrt(2 * Math.PI);
      return List.of(map(z, x -> scale * StrictMath.exp(-x * x / 2)).mul(grad));
    }
  }

  /** P(Z <= z) of a standard normal Z, computed in float64. */
  static Tensor normalCdf(Tensor z) {
    Tensor in = z.contiguous();
    Tensor out = map(in, x -> Erf.erfc(-x * Math.sqrt(0.5)) / 2);
    return Autograd.result(out.strided(), new NormalCdf(in));
  }

  private record Softplus(Tensor x) implements CustomOp {
    @Override
    public String name() {
      return "softplus";
    }

    @Override
    public List<Tensor> inputs() {
      return List.of(x);
    }

    /** The sigmoid, by the exponential that cannot overflow. */
    @Override
    public List<Tensor> gradients(Tensor output, Tensor grad) {
      Tensor slope =
          map(
              x,
              v -> {
                double e = StrictMath.exp(-Math.abs(v));
                return v >= 0 ? 1 / (1 + e) : e / (1 + e);
              });
      return List.of(slope.mul(grad));
    }
  }

  /** log(1 + exp(x)), computed in float64; positive and right in both tails. */
  static Tensor softplus(Tensor x) {
    Tensor in = x.contiguous();
    Tensor out = map(in, v -> Math.max(v, 0) + StrictMath.log1p(StrictMath.exp(-Math.abs(v))));
    return Autograd.result(out.strided(), new Softplus(in));
  }

  private static Tensor map(Tensor x, DoubleUnaryOperator f) {
    Tensor in = x.to(Device.CPU);
    Tensor out = Tensor.empty(Device.CPU, "router noise", DType.F32, in.shape());
    long from = in.strided().address();
    long to = out.strided().address();
    Workers.parallelRange(
        x.size(),
        GRAIN,
        (first, end) -> {
          for (long at = 4 * first; at < 4 * end; at += 4) {
            Host.setFloat(to + at, (float) f.applyAsDouble(Host.getFloat(from + at)));
          }
        });
    Reference.reachabilityFence(in);
    return out.to(x.device());
  }
}
