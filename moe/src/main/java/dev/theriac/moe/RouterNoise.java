package dev.theriac.moe;

import dev.theriac.backend.Workers;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Philox;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/** Random tensors drawn in parallel, each element from its own place in the generator's stream. */
final class RouterNoise {
  private static final long GRAIN = 1 << 12;

  private RouterNoise() {}

  /** Makes an element of the words that are its own, words[at] onwards. */
  private interface Draw {
    double element(int[] words, int at);
  }

  /** Uniform in [low, high). */
  static Tensor uniform(Rng rng, double low, double high, long... shape) {
    return fill(rng, 1, (words, at) -> low + (high - low) * Philox.uniform(words[at]), shape);
  }

  /** Standard normal, by the formula of {@link Rng#nextGaussian}. */
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
    Tensor out = Tensor.empty("router noise", DType.F32, shape);
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
}
