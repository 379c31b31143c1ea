package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/**
 * Shapes and addresses of one attention call.
 *
 * @param lengths address of the sequences' key counts, or 0
 */
record AttentionCall(
    int batch,
    int queries,
    int keys,
    int heads,
    int groups,
    int depth,
    boolean causal,
    float scale,
    long lengths,
    Heads q,
    Heads k,
    Heads v) {
  /** A tensor [B, T, H, D] by address, with strides in bytes; elements of a head are adjacent. */
  record Heads(long address, long batch, long token, long head) {
    static Heads of(Strided x) {
      return new Heads(x.address(), 4 * x.stride(0), 4 * x.stride(1), 4 * x.stride(2));
    }

    long at(int b, int t, int h) {
      return address + b * batch + t * token + h * head;
    }
  }

  static AttentionCall of(
      Strided q, Strided k, Strided v, Strided lengths, boolean causal, float scale) {
    return new AttentionCall(
        Math.toIntExact(q.size(0)),
        Math.toIntExact(q.size(1)),
        Math.toIntExact(k.size(1)),
        Math.toIntExact(q.size(2)),
        Math.toIntExact(k.size(2)),
        Math.toIntExact(q.size(3)),
        causal,
        scale,
        lengths == null ? 0 : lengths.address(),
        Heads.of(q),
        Heads.of(k),
        Heads.of(v));
  }

  /** Number of keys that query t of sequence b sees; it never falls as t grows. */
  int visible(int b, int t) {
    long n = lengths == 0 ? keys : Math.min(keys, Host.getLong(lengths + 8L * b));
    if (causal) n = Math.min(n, (long) keys - queries + t + 1);
    return (int) Math.max(n, 0);
  }

  /** Number of keys that some query of column w of the block of m queries at t sees. */
  int seen(int b, int t, int m, int w) {
    return visible(b, t + Math.min(m, w * LENGTH + LENGTH) - 1);
  }

  /** Blocks of queries in a head. */
  int blocks() {
    return (queries + AttentionBlock.QUERIES - 1) / AttentionBlock.QUERIES;
  }

  /** First query head's index, in its key-value head's, of a block counted over all its heads. */
  int head(int group, int block) {
    return group * (heads / groups) + block / blocks();
  }

  /** First query of a block. */
  int start(int block) {
    return block % blocks() * AttentionBlock.QUERIES;
  }

  /** First query behind a block. */
  int end(int block) {
    return Math.min(queries, start(block) + AttentionBlock.QUERIES);
  }

  /** Queries from t on that stand before key s. */
  int blind(int t, int s) {
    return Math.max(0, s - (keys - queries) - t);
  }

  /** Depth rounded up to whole vectors. */
  int paddedDepth() {
    return roundUp(depth, LENGTH);
  }

  static int roundUp(int n, int unit) {
    return (n + unit - 1) / unit * unit;
  }
}
