package dev.theriac.nn;

import dev.theriac.op.Attention;
import dev.theriac.op.Rope;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Multi-head self-attention with optional grouped key-value heads, rotary positions, normalised
 * queries and keys, and a cache. Projections are named q_proj, k_proj, v_proj and as the
 * configuration names the last one; the norms q_norm and k_norm.
 */
public final class SelfAttention extends Module {
  private final Config config;
  private final Linear query;
  private final Linear key;
  private final Linear value;
  private final Linear output;
  private final RmsNorm queryNorm;
  private final RmsNorm keyNorm;

  /**
   * @param dim width of the model
   * @param heads query heads
   * @param kvHeads key-value heads; divides {@code heads}
   * @param headDim width of a head
   * @param qkvBias whether the three input projections have a bias
   * @param outputBias whether the output projection has one
   * @param outputName name of the output projection: out_proj (CLIP), dense (Phi), o_proj
   * @param causal hides later positions
   * @param rotaryDims rotated dimensions of a head; 0 for none
   * @param ropeTheta base of the rotary frequencies
   * @param queryKeyNormEps epsilon of an RMSNorm over the whole projection of queries and of keys,
   *     all heads together, before it is cut into heads (OLMoE, Muennighoff et al.); 0 for none
   */
  public record Config(
      long dim,
      int heads,
      int kvHeads,
      int headDim,
      boolean qkvBias,
      boolean outputBias,
      String outputName,
      boolean causal,
      int rotaryDims,
      double ropeTheta,
      double queryKeyNormEps) {
    /** Without normalised queries and keys. */
    public Config(
        long dim,
        int heads,
        int kvHeads,
        int headDim,
        boolean qkvBias,
        boolean outputBias,
        String outputName,
        boolean causal,
        int rotaryDims,
        double ropeTheta) {
      this(
          dim,
          heads,
          kvHeads,
          headDim,
          qkvBias,
          outputBias,
          outputName,
          causal,
          rotaryDims,
          ropeTheta,
          0);
    }
  }

  public SelfAttention(Config config, Rng rng, double std, double outputStd) {
    this.config = config;
    long inner = (long) config.heads * config.headDim;
    long kvInner = (long) config.kvHeads * config.headDim;
    query = part("q_proj", new Linear(config.dim, inner, config.qkvBias, rng, std));
    key = part("k_proj", new Linear(config.dim, kvInner, config.qkvBias, rng, std));
    value = part("v_proj", new Linear(config.dim, kvInner, config.qkvBias, rng, std));
    output =
        part(config.outputName, new Linear(inner, config.dim, config.outputBias, rng, outputStd));
    boolean normed = config.queryKeyNormEps > 0;
    queryNorm = normed ? part("q_norm", new RmsNorm(inner, config.queryKeyNormEps)) : null;
    keyNorm = normed ? part("k_norm", new RmsNorm(kvInner, config.queryKeyNormEps)) : null;
  }

  /**
   * @param x [B, T, dim]
   * @param positions I64 [B, T], used when there are rotary dimensions; may be null otherwise
   * @param lengths I64 [B]: keys from lengths[b] on are padding; null for none
   * @param cache keys and values seen before, or null
   * @param layer this layer's index in the cache
   */
  public Tensor forward(Tensor x, Tensor positions, Tensor lengths, KvCache cache, int layer) {
    long batch = x.size(0);
    long count = x.size(1);
    Tensor q = normed(query.forward(x), queryNorm);
    Tensor k = normed(key.forward(x), keyNorm);
    q = q.reshape(batch, count, config.heads, config.headDim);
    k = k.reshape(batch, count, config.kvHeads, config.headDim);
    Tensor v = value.forward(x).reshape(batch, count, config.kvHeads, config.headDim);
    int rotary = config.rotaryDims;
    if (rotary > 0) q = Rope.rope(q, positions, rotary, config.ropeTheta);
    // Keys that go to a cache are rotated on their way there.
    boolean direct = cache != null && k.dtype() == DType.F32;
    if (rotary > 0 && !direct) k = Rope.rope(k, positions, rotary, config.ropeTheta);
    boolean causal = config.causal;
    if (cache != null) {
      KvCache.Pair seen =
          direct
              ? cache.append(layer, k, v, positions, rotary, config.ropeTheta)
              : cache.append(layer, k, v);
      k = seen.key();
      v = seen.value();
      // A single new position sees all that its row holds: lengths alone hide what is not its own.
      causal = causal && count > 1;
    }
    Tensor out = Attention.attention(q, k, v, lengths, causal);
    return output.forward(out.reshape(batch, count, (long) config.heads * config.headDim));
  }

  private static Tensor normed(Tensor x, RmsNorm norm) {
    return norm == null ? x : norm.forward(x);
  }
}
