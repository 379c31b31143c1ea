package dev.theriac.backend.vector;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Strided;

/**
 * Attention a head and a block of queries at a time: the scores of the block against all its keys
 * stay in scratch that fits the second-level cache, so that the softmax is the plain one.
 */
final class VectorAttention implements AttentionKernels {
  /** Queries of a task; keys are packed once per task. */
  private static final int CHUNK = 6 * AttentionBlock.QUERIES;

  /** Multiply-adds that make a task worth handing out. */
  private static final double TASK = 1_000_000;

  /** What a multiply-add costs where keys are read for one query, in those of many. */
  private static final double SINGLE = 6;

  @Override
  public void attention(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse) {
    AttentionCall call = AttentionCall.of(q, k, v, lengths, causal, scale);
    AttentionCall.Heads target = AttentionCall.Heads.of(out);
    long logs = lse.address();
    if (AttentionSingle.fits(call)) {
      Workers.parallelRange(
          (long) call.batch() * call.heads(),
          grain(SINGLE * call.keys() * call.depth()),
          (from, to) -> {
            for (long task = from; task < to; task++) {
              int b = (int) (task / call.heads());
              AttentionSingle.head(call, target, logs, b, (int) (task % call.heads()));
            }
          });
      return;
    }
    int chunks = (call.queries() + CHUNK - 1) / CHUNK;
    Workers.parallelRange(
        (long) call.batch() * call.heads() * chunks,
        grain((double) Math.min(CHUNK, call.queries()) * call.keys() * call.depth() * 2),
        (from, to) -> {
          for (long task = from; task < to; task++) {
            int chunk = (int) (task % chunks);
            int h = (int) (task / chunks % call.heads());
            int b = (int) (task / chunks / call.heads());
            int end = Math.min(call.queries(), (chunk + 1) * CHUNK);
            AttentionForward.head(call, target, logs, b, h, chunk * CHUNK, end);
          }
        });
  }

  @Override
  public void attentionGradient(
      Strided q,
      Strided k,
      Strided v,
      Strided lengths,
      boolean causal,
      float scale,
      Strided out,
      Strided lse,
      Strided grad,
      Strided dq,
      Strided dk,
      Strided dv) {
    AttentionCall call = AttentionCall.of(q, k, v, lengths, causal, scale);
    AttentionBackward backward =
        new AttentionBackward(
            call,
            AttentionCall.Heads.of(out),
            lse.address(),
            AttentionCall.Heads.of(grad),
            AttentionCall.Heads.of(dq),
            AttentionCall.Heads.of(dk),
            AttentionCall.Heads.of(dv));
    double work = (double) call.queries() * call.keys() * call.depth() * 5;
    // A key-value head belongs to one task, which owns its sums and its queries' gradients.
    Workers.parallelRange(
        (long) call.batch() * call.groups(),
        grain(work * call.heads() / Math.max(1, call.groups())),
        (from, to) -> {
          for (long task = from; task < to; task++) {
            backward.head((int) (task / call.groups()), (int) (task % call.groups()));
          }
        });
  }

  private static long grain(double work) {
    return (long) Math.clamp(TASK / Math.max(1, work), 1, 1 << 20);
  }
}
