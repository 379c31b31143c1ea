package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.AttentionCall.roundUp;
import static dev.theriac.backend.vector.Lanes.ALL;
import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.F32;
import static dev.theriac.backend.vector.Lanes.LE;
import static dev.theriac.backend.vector.Lanes.LENGTH;
import static dev.theriac.backend.vector.Lanes.SPECIES;

import dev.theriac.tensor.Host;
import jdk.incubator.vector.FloatVector;

/**
 * The forward pass of one query per sequence, as generation with a cache asks for: each key and
 * value is read once, where it lies, and nothing is packed.
 */
final class AttentionSingle {
  private AttentionSingle() {}

  /** Whether heads are whole vectors and there is one query. */
  static boolean fits(AttentionCall call) {
    return call.queries() == 1 && call.depth() % LENGTH == 0 && call.depth() > 0;
  }

  /** Head h of sequence b. */
  static void head(AttentionCall call, AttentionCall.Heads out, long lse, int b, int h) {
    int n = call.visible(b, 0);
    int depth = call.depth();
    int group = h / (call.heads() / call.groups());
    int whole = roundUp(n, LENGTH);
    long scratch = Workspace.get(Workspace.TASK, 4L * depth + 128 + (4 + BYTES) * whole + BYTES);
    long query = scratch + 64;
    long scalars = query + 4L * depth;
    long scores = scalars + 64;
    long partial = scores + 4L * whole;
    Host.setFloat(scalars, call.scale());
    AttentionLoops.scaleRows(call.q().at(b, 0, h), 0, query, 0, 1, depth, scalars, 0);
    long key = call.k().at(b, 0, group);
    dots(query, key, call.k().token(), n, depth, partial, scores);
    AttentionLoops.hide(scores, n);
    float max = SoftmaxLoops.max(scores, whole);
    float sum;
    if (max != Float.NEGATIVE_INFINITY) {
      sum = SoftmaxLoops.expSum(scores, scores, whole, max, scratch);
    } else {
      sum = LogSums.hasNan(scores, n) ? Float.NaN : 0;
      Moves.fill(scores, whole, sum);
    }
    long target = out.at(b, 0, h);
    long value = call.v().at(b, 0, group);
    float scale = sum == 0 ? 0 : 1 / sum;
    int i = 0;
    for (; i <= depth - 2 * LENGTH; i += 2 * LENGTH) {
      mixTwo(scores, n, value + 4L * i, call.v().token(), scale, target + 4L * i);
    }
    if (i < depth) mixOne(scores, n, value + 4L * i, call.v().token(), scale, target + 4L * i);
    float log = max == Float.NEGATIVE_INFINITY && sum == 0 ? max : max + log(sum);
    Host.setFloat(lse + 4L * ((long) b * call.heads() + h), log);
  }

  private static float log(float sum) {
    return (float) StrictMath.log(sum);
  }

  /** scores[s] = q . key s; {@code partial} holds a vector for each key. */
  private static void dots(
      long q, long key, long row, int n, int depth, long partial, long scores) {
    int i = 0;
    for (; i < depth; i += LENGTH) {
      partial(q + 4L * i, key + 4L * i, row, n, i > 0, partial);
    }
    for (int s = 0; s < n; s++) Host.setFloat(scores + 4L * s, Tails.sum(partial + BYTES * s));
  }

  private static void partial(long q, long key, long row, int n, boolean add, long to) {
    FloatVector v = FloatVector.fromMemorySegment(SPECIES, ALL, q, LE);
    if (!add) {
      for (int s = 0; s < n; s++) {
        v.mul(FloatVector.fromMemorySegment(SPECIES, ALL, key, LE)).intoMemorySegment(ALL, to, LE);
        key += row;
        to += BYTES;
      }
      return;
    }
    for (int s = 0; s < n; s++) {
      FloatVector sum = FloatVector.fromMemorySegment(SPECIES, ALL, to, LE);
      v.fma(FloatVector.fromMemorySegment(SPECIES, ALL, key, LE), sum)
          .intoMemorySegment(ALL, to, LE);
      key += row;
      to += BYTES;
    }
  }

  /** out = scale times the sum of p[s] value s, two vectors wide. */
  private static void mixTwo(long p, int n, long value, long row, float scale, long out) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    for (int s = 0; s < n; s++) {
      FloatVector x = FloatVector.broadcast(SPECIES, ALL.get(F32, p + 4L * s));
      a = x.fma(FloatVector.fromMemorySegment(SPECIES, ALL, value, LE), a);
      b = x.fma(FloatVector.fromMemorySegment(SPECIES, ALL, value + BYTES, LE), b);
      value += row;
    }
    a.mul(scale).intoMemorySegment(ALL, out, LE);
    b.mul(scale).intoMemorySegment(ALL, out + BYTES, LE);
  }

  private static void mixOne(long p, int n, long value, long row, float scale, long out) {
    FloatVector a = FloatVector.zero(SPECIES);
    for (int s = 0; s < n; s++) {
      FloatVector x = FloatVector.broadcast(SPECIES, ALL.get(F32, p + 4L * s));
      a = x.fma(FloatVector.fromMemorySegment(SPECIES, ALL, value, LE), a);
      value += row;
    }
    a.mul(scale).intoMemorySegment(ALL, out, LE);
  }
}
