package dev.theriac.nn;

import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.RopeFrequencies;
import dev.theriac.op.Attention;
import dev.theriac.op.DroppedAttention;
import dev.theriac.op.Elementwise;
import dev.theriac.op.Rope;
import dev.theriac.op.WindowedAttention;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Tensor;

/**
 * Multi-head self-attention with optional grouped key-value heads, rotary positions, normalised
 * queries and keys, a sliding window and a cache. Projections are named q_proj, k_proj, v_proj and
 * as the configuration names the last one; the norms as {@link QueryKeyNorm} says.
 */
public final class SelfAttention extends Module {
  private static final long DROPS = 0x4154_5444_524f_5000L;

  private final Config config;
  private final Linear query;
  private final Linear key;
  private final Linear value;
  private final Linear output;
  private final QueryKeyNorm queryNorm;
  private final QueryKeyNorm keyNorm;
  private final RopeFrequencies frequencies;
  private final Dropout dropout;

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
   * @param ropeScaling how they are changed for long texts
   * @param queryKeyNorm how queries and keys are normalised
   * @param queryKeyNormEps epsilon of that
   * @param window positions that a causal query sees, its own among them; 0 for all before it
   * @param clip bound of queries, keys and values, once normalised; 0 for none
   * @param dropout on the probabilities while training
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
      RopeScaling ropeScaling,
      QueryKeyNorm.Kind queryKeyNorm,
      double queryKeyNormEps,
      int window,
      double clip,
      double dropout) {
    /** Frequencies as trained, without normalised queries and keys, and without a window. */
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
          RopeScaling.NONE,
          QueryKeyNorm.Kind.NONE,
          0,
          0,
          0,
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
    QueryKeyNorm.Kind kind = config.queryKeyNorm;
    queryNorm = norm("q_", kind, config.heads);
    keyNorm = norm("k_", kind, config.kvHeads);
    frequencies = config.rotaryDims > 0 ? frequencies(0) : null;
    // A stream of its own for each layer, which draws its weights at its own place.
    Rng drops = rng.split((rng.stream() ^ DROPS) + 0x9e37_79b9_7f4a_7c15L * rng.position());
    dropout = config.dropout > 0 ? part("attn_dropout", new Dropout(config.dropout, drops)) : null;
  }

  private QueryKeyNorm norm(String prefix, QueryKeyNorm.Kind kind, int heads) {
    if (kind == QueryKeyNorm.Kind.NONE) return null;
    QueryKeyNorm norm = new QueryKeyNorm(kind, heads, config.headDim, config.queryKeyNormEps);
    return part(prefix + kind.partName(), norm);
  }

  private RopeFrequencies frequencies(long length) {
    return config.ropeScaling.frequencies(config.rotaryDims, config.ropeTheta, length);
  }

  /** Those for the longest position of this call. */
  private RopeFrequencies frequencies(Tensor positions) {
    if (frequencies == null || !config.ropeScaling.dependsOnLength()) return frequencies;
    long last = 0;
    for (long p : positions.toLongs()) last = Math.max(last, p);
    return frequencies(last + 1);
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
    Tensor q = heads(query.forward(x), config.heads, queryNorm);
    Tensor k = heads(key.forward(x), config.kvHeads, keyNorm);
    Tensor v = clip(value.forward(x)).reshape(batch, count, config.kvHeads, config.headDim);
    RopeFrequencies rope = frequencies(positions);
    if (rope != null) q = Rope.rope(q, positions, rope);
    // Keys that go to a cache are rotated on their way there.
    boolean direct = cache != null && k.dtype() == DType.F32;
    if (rope != null && !direct) k = Rope.rope(k, positions, rope);
    boolean causal = config.causal;
    if (cache != null) {
      KvCache.Pair seen =
          direct
              ? cache.append(layer, k, v, positions, rope)
              : cache.append(layer, k, v, null, null);
      k = seen.key();
      v = seen.value();
      // A single new position sees all that its row holds: lengths alone hide what is not its own.
      causal = causal && count > 1;
    }
    boolean windowed = config.causal && config.window > 0 && k.size(1) > config.window;
    int window = windowed ? config.window : 0;
    Tensor out;
    if (dropout != null && isTraining()) {
      out = DroppedAttention.attention(q, k, v, lengths, causal, window, dropout::forward);
    } else if (windowed) {
      out = WindowedAttention.attention(q, k, v, lengths, window);
    } else {
      out = Attention.attention(q, k, v, lengths, causal);
    }
    return output.forward(out.reshape(batch, count, (long) config.heads * config.headDim));
  }

  private Tensor heads(Tensor x, int heads, QueryKeyNorm norm) {
    Tensor normed = clip(norm == null ? x : norm.forward(x));
    return normed.reshape(x.size(0), x.size(1), heads, config.headDim);
  }

  private Tensor clip(Tensor x) {
    if (config.clip == 0) return x;
    Tensor bound = Tensor.full(x.device(), config.clip, DType.F32);
    Tensor low = Elementwise.binary(BinaryKind.MAXIMUM, x, bound.mul(-1));
    return Elementwise.binary(BinaryKind.MINIMUM, low, bound);
  }
}
