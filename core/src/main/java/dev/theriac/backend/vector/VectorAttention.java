package dev.theriac.backend.vector;

import dev.theriac.backend.AttentionKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Strided;

/**
 * Attention a head and a block of queries at a time: the scores of the block against all its keys
 * stay in scratch that fits the second-level cache, so that the softmax is the plain one.
 */
final class VectorAttention implements AttentionKernels {
  /** Blocks of a task, at least, where heads are cut: what packing its keys costs is then small. */
  private static final int FEWEST_BLOCKS = 4;

  /** Tasks from which on heads are not cut. */
  private static final int TASKS = 32;

  /** The same for the backward pass, where each part of a head has sums of its own. */
  private static final int BACKWARD_TASKS = 16;

  /** Multiply-adds that make a task worth handing out. */
  private static final double TASK = Grain.of(Grain.ATTENTION);

  private final AttentionKernels scalar;

  VectorAttention(AttentionKernels scalar) {
    this.scalar = scalar;
  }

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
      AttentionSingle.run(call, target, logs);
      return;
    }
    if (causal) AttentionSingleWarmUp.after(call);
    int groups = call.groups();
    int heads = call.batch() * groups;
    int blocks = call.blocks() * (call.heads() / Math.max(1, groups));
    int step = step(heads, blocks, TASKS);
    if (call.keys() > AttentionForward.SPAN) step = Math.min(step, AttentionForward.MOST_BLOCKS);
    int parts = (blocks + step - 1) / step;
    int length = step;
    AttentionForward forward = new AttentionForward(call, target, logs);
    Workers.parallelRange(
        (long) heads * parts,
        grain(2.0 * length * AttentionBlock.QUERIES * call.keys() * call.depth()),
        (from, to) -> {
          for (long task = from; task < to; task++) {
            int head = (int) (task % heads);
            int first = part((int) (task / heads), parts) * length;
            int last = Math.min(blocks, first + length);
            forward.run(head / groups, head % groups, first, last);
          }
        });
  }

  /**
   * Which part comes at {@code place}. Tasks are claimed from both ends, and under a causal mask
   * the last part has the most to do: so it stands first, the one before it last, and the small
   * ones in the middle.
   */
  private static int part(int place, int parts) {
    int rank = 2 * place < parts ? 2 * place : 2 * (parts - 1 - place) + 1;
    return parts - 1 - rank;
  }

  /** Blocks of a task, so that there are about {@code tasks}. */
  private static int step(int heads, int blocks, int tasks) {
    int parts = Math.clamp(tasks / Math.max(1, heads), 1, Math.max(1, blocks / FEWEST_BLOCKS));
    return Math.max(1, (blocks + parts - 1) / parts);
  }

  @Override
  public void joinAttention(Strided out, Strided lse, Strided other, Strided otherLse) {
    scalar.joinAttention(out, lse, other, otherLse);
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
    int groups = call.groups();
    int heads = call.batch() * groups;
    int blocks = call.blocks() * (call.heads() / Math.max(1, groups));
    int length = step(heads, blocks, BACKWARD_TASKS);
    int parts = Math.max(1, (blocks + length - 1) / length);
    long rows = 4L * call.paddedDepth() * backward.sumRows();
    if (parts == 1) {
      gradient(backward, groups, heads, blocks, length, parts, rows, 0);
      return;
    }
    long sums = Workspace.take(Workspace.OPERATION, 2 * rows * heads * parts, "attention gradient");
    try {
      gradient(backward, groups, heads, blocks, length, parts, rows, sums);
    } finally {
      Workspace.release(Workspace.OPERATION);
    }
  }

  /** All tasks, with {@code sums} for those of each part, unless there is one. */
  private static void gradient(
      AttentionBackward backward,
      int groups,
      int heads,
      int blocks,
      int length,
      int parts,
      long rows,
      long sums) {
    AttentionCall call = backward.call();
    Workers.parallelRange(
        (long) heads * parts,
        grain(5.0 * length * AttentionBlock.QUERIES * call.keys() * call.depth()),
        (from, to) -> {
          for (long task = from; task < to; task++) {
            int head = (int) (task % heads);
            int part = part((int) (task / heads), parts);
            int first = part * length;
            int last = Math.min(blocks, first + length);
            long sum = parts == 1 ? 0 : sums + 2 * rows * ((long) part * heads + head);
            backward.run(head / groups, head % groups, first, last, sum);
          }
        });
    if (parts == 1) return;
    Workers.parallelRange(
        heads,
        grain((double) parts * call.keys() * call.depth()),
        (from, to) -> {
          for (int head = (int) from; head < to; head++) {
            long sum = sums + 2 * rows * head;
            backward.store(head / groups, head % groups, sum, parts, 2 * rows * heads);
          }
        });
  }

  private static long grain(double work) {
    return (long) Math.clamp(TASK / Math.max(1, work), 1, 1 << 20);
  }
}
