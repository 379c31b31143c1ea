package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionCall.roundUp;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.Workers;
import dev.theriac.backend.vector.AttentionCall.Heads;
import dev.theriac.tensor.Host;

/**
 * The forward pass of one query per sequence, as generation with a cache asks for. A task reads a
 * chunk of keys and then of values for all heads together, once and in the order in which they lie;
 * the chunks' maxima, sums and mixed values are put together afterwards, in order.
 *
 * @param chunk keys of a chunk, a multiple of the vector length that the shape alone decides
 * @param partial each sequence's heads' maxima and sums for each chunk, then its mixed values
 */
record AttentionSingle(
    AttentionCall call, Heads out, long lse, int chunk, int chunks, long partial) {
  /** Floats of keys in a chunk: enough for a task, and few sums to put together. */
  private static final int CHUNK_FLOATS = 1 << 17;

  /** Floats of keys that make a task worth handing out. */
  private static final int TASK_FLOATS = 1 << 15;

  /** Whether heads are whole vectors and there is one query. */
  static boolean fits(AttentionCall call) {
    return call.queries() == 1 && call.depth() % LENGTH == 0 && call.depth() > 0;
  }

  static void run(AttentionCall call, Heads out, long lse) {
    int width = Math.max(1, call.groups() * call.depth());
    run(call, out, lse, roundUp(Math.clamp(CHUNK_FLOATS / width, 1, 1 << 12), LENGTH));
  }

  /** With that many keys in a chunk. */
  static void run(AttentionCall call, Heads out, long lse, int chunk) {
    int width = Math.max(1, call.groups() * call.depth());
    int chunks = Math.max(1, (call.keys() + chunk - 1) / chunk);
    long sequence =
        4L * call.heads() * (2L * roundUp(chunks, LENGTH) + (long) chunks * call.depth());
    long partial = Workspace.take(Workspace.OPERATION, call.batch() * sequence, "attention");
    try {
      new AttentionSingle(call, out, lse, chunk, chunks, partial).run(width);
    } finally {
      Workspace.release(Workspace.OPERATION);
    }
  }

  private void run(int width) {
    Workers.parallelRange(
        (long) call.batch() * chunks,
        Math.max(1, TASK_FLOATS / (width * Math.min(chunk, Math.max(1, call.keys())))),
        (from, to) -> {
          for (long i = from; i < to; i++) chunk((int) (i / chunks), (int) (i % chunks));
        });
    Workers.parallelRange(
        (long) call.batch() * call.heads(),
        Math.max(1, TASK_FLOATS / (chunks * call.depth())),
        (from, to) -> {
          for (long i = from; i < to; i++) {
            combine((int) (i / call.heads()), (int) (i % call.heads()));
          }
        });
  }

  /** Bytes of the maxima, or of the sums, of one head. */
  private long row() {
    return 4L * roundUp(chunks, LENGTH);
  }

  private long maxima(int b) {
    return partial + b * call.heads() * (2 * row() + 4L * chunks * call.depth());
  }

  private long mixed(int b) {
    return maxima(b) + 2 * row() * call.heads();
  }

  /** Maxima, sums of exponentials and mixed values of chunk c of sequence b. */
  private void chunk(int b, int c) {
    int s = c * chunk;
    int n = Math.min(chunk, call.visible(b, 0) - s);
    if (n <= 0) return;
    int heads = call.heads();
    int groups = call.groups();
    int ratio = heads / groups;
    int depth = call.depth();
    int whole = roundUp(n, LENGTH);
    long scoreRow = 4L * whole;
    long block = LENGTH * BYTES;
    long scales =
        Workspace.get(Workspace.TASK, 192 + 4L * heads * depth + heads * (block + scoreRow));
    long scratch = scales + 64;
    long query = scratch + 128;
    long dots = query + 4L * heads * depth;
    long scores = dots + heads * block;
    Host.setFloat(scales, call.scale());
    AttentionLoops.scaleRows(
        call.q().at(b, 0, 0), call.q().head(), query, 4L * depth, heads, depth, scales, 0);
    for (int i = 0; i < n; i += LENGTH) {
      for (int j = 0; j < Math.min(LENGTH, n - i); j++) {
        long key = call.k().at(b, s + i + j, 0);
        AttentionRows.dots(
            query, key, call.k().head(), groups, ratio, depth, dots + j * BYTES, block);
      }
      AttentionRows.sums(dots, heads);
      for (int h = 0; h < heads; h++) {
        Moves.copy(dots + h * BYTES, scores + h * scoreRow + 4L * i, BYTES);
      }
    }
    long max = maxima(b) + 4L * c;
    for (int h = 0; h < heads; h++) {
      softmax(scores + h * scoreRow, n, max + h * row(), max + (heads + h) * row(), scratch);
    }
    long to = mixed(b) + 4L * c * heads * depth;
    Moves.fill(to, heads * depth, 0);
    for (int i = 0; i < n; i++) {
      long value = call.v().at(b, s + i, 0);
      AttentionRows.mix(
          scores + 4L * i, scoreRow, value, call.v().head(), groups, ratio, depth, to);
    }
  }

  private static void softmax(long scores, int n, long max, long sum, long scratch) {
    int whole = roundUp(n, LENGTH);
    AttentionLoops.hide(scores, n);
    float top = SoftmaxLoops.max(scores, whole);
    float total;
    if (top != Float.NEGATIVE_INFINITY) {
      total = SoftmaxLoops.expSum(scores, scores, whole, top, scratch);
    } else {
      total = LogSums.hasNan(scores, n) ? Float.NaN : 0;
      Moves.fill(scores, whole, total);
    }
    Host.setFloat(max, top);
    Host.setFloat(sum, total);
  }

  /** Puts the chunks of one head together. */
  private void combine(int b, int h) {
    int heads = call.heads();
    int depth = call.depth();
    int count = (call.visible(b, 0) + chunk - 1) / chunk;
    long maxima = maxima(b) + h * row();
    long sums = maxima + heads * row();
    int whole = roundUp(count, LENGTH);
    for (int c = count; c < whole; c++) Host.setFloat(maxima + 4L * c, Float.NEGATIVE_INFINITY);
    float max = SoftmaxLoops.max(maxima, whole);
    float shift = max == Float.NEGATIVE_INFINITY ? 0 : max;
    SoftmaxLoops.expScaled(maxima, maxima, whole, shift, 1);
    float sum = 0;
    for (int c = 0; c < count; c++) {
      sum = Math.fma(Host.getFloat(maxima + 4L * c), Host.getFloat(sums + 4L * c), sum);
    }
    float scale = sum == 0 ? 0 : 1 / sum;
    long from = mixed(b) + 4L * h * depth;
    long step = 4L * heads * depth;
    for (int i = 0; i < depth; i += LENGTH) {
      AttentionRows.column(maxima, count, from + 4L * i, step, scale, out.at(b, 0, h) + 4L * i);
    }
    double log = max == Float.NEGATIVE_INFINITY && sum == 0 ? max : max + AttentionLoops.log(sum);
    Host.setFloat(lse + 4L * ((long) b * heads + h), (float) log);
  }
}
