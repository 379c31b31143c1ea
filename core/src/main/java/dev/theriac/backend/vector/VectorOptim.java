package dev.theriac.backend.vector;

import static dev.theriac.backend.vector.Lanes.BYTES;
import static dev.theriac.backend.vector.Lanes.LENGTH;

import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Parameter updates in one pass over parameter, gradient and moments. */
final class VectorOptim implements OptimKernels {
  private static final long GRAIN = Grain.of(Grain.FUNCTION);
  private static final long SQUARES_GRAIN = 1 << 15;
  private static final long ZEROS_BLOCK = 4096;

  @Override
  public void adamW(
      Strided parameter, Strided grad, Strided m, Strided v, float gradScale, AdamW step) {
    long pp = parameter.address();
    long pg = grad.address();
    long pm = m.address();
    long pv = v.address();
    float rate = (float) (step.lr() / (1 - StrictMath.pow(step.beta1(), step.step())));
    float correction = (float) (1 / Math.sqrt(1 - StrictMath.pow(step.beta2(), step.step())));
    float decay = (float) (1 - step.lr() * step.weightDecay());
    float beta1 = (float) step.beta1();
    float beta2 = (float) step.beta2();
    // From the doubles: 1 - (float) 0.999 is off by 5 units in the fifth digit.
    float new1 = (float) ((1 - step.beta1()) * gradScale);
    float new2 = (float) ((1 - step.beta2()) * gradScale * gradScale);
    float eps = (float) step.eps();
    Workers.parallelRange(
        parameter.size(),
        GRAIN,
        (from, to) -> {
          long o = 4 * from;
          int n = (int) (to - from);
          int whole = n & -LENGTH;
          OptimLoops.adamW(
              pp + o,
              pg + o,
              pm + o,
              pv + o,
              whole,
              rate,
              correction,
              decay,
              beta1,
              beta2,
              new1,
              new2,
              eps);
          if (whole == n) return;
          long last = o + 4L * whole;
          long t = Tails.vectors(4);
          Tails.copy(pp + last, t, n - whole);
          Tails.copy(pg + last, t + BYTES, n - whole);
          Tails.copy(pm + last, t + 2 * BYTES, n - whole);
          Tails.copy(pv + last, t + 3 * BYTES, n - whole);
          OptimLoops.adamW(
              t,
              t + BYTES,
              t + 2 * BYTES,
              t + 3 * BYTES,
              LENGTH,
              rate,
              correction,
              decay,
              beta1,
              beta2,
              new1,
              new2,
              eps);
          Tails.copy(t, pp + last, n - whole);
          Tails.copy(t + 2 * BYTES, pm + last, n - whole);
          Tails.copy(t + 3 * BYTES, pv + last, n - whole);
        });
  }

  @Override
  public void sgd(
      Strided parameter,
      Strided grad,
      Strided momentumBuffer,
      float gradScale,
      double lr,
      double momentum,
      double weightDecay) {
    long pp = parameter.address();
    long pg = grad.address();
    long pb = momentumBuffer == null ? 0 : momentumBuffer.address();
    float rate = (float) lr;
    float kept = (float) momentum;
    float decay = (float) weightDecay;
    Workers.parallelRange(
        parameter.size(),
        GRAIN,
        (from, to) -> {
          int n = (int) (to - from);
          int whole = n & -LENGTH;
          long o = 4 * from;
          sgd(pp + o, pg + o, pb, o, whole, gradScale, rate, kept, decay);
          if (whole == n) return;
          long last = o + 4L * whole;
          long t = Tails.vectors(3);
          Tails.copy(pp + last, t, n - whole);
          Tails.copy(pg + last, t + BYTES, n - whole);
          if (pb != 0) Tails.copy(pb + last, t + 2 * BYTES, n - whole);
          sgd(t, t + BYTES, pb == 0 ? 0 : t, 2 * BYTES, LENGTH, gradScale, rate, kept, decay);
          Tails.copy(t, pp + last, n - whole);
          if (pb != 0) Tails.copy(t + 2 * BYTES, pb + last, n - whole);
        });
  }

  /** With the momentum buffer {@code o} bytes after {@code b}, or none where that is 0. */
  private static void sgd(
      long p, long g, long b, long o, int n, float scale, float rate, float kept, float decay) {
    if (b == 0) OptimLoops.sgd(p, g, n, scale, rate, decay);
    else OptimLoops.momentum(p, g, b + o, n, scale, rate, kept, decay);
  }

  @Override
  public void nonZero(Strided x, boolean[] out) {
    long n = x.size() / out.length;
    Workers.parallelRange(
        out.length,
        1,
        (from, to) -> {
          for (long i = from; i < to; i++) out[(int) i] = nonZero(x.address() + 4 * i * n, n);
        });
  }

  /** Most slices show in their first elements that they are not zero. */
  private static boolean nonZero(long at, long n) {
    long end = at + 4 * n;
    int block = 4 * LENGTH;
    while (at + 4L * block <= end) {
      if (OptimLoops.anyBits(at, block) != 0) return true;
      at += 4L * block;
      // As long as there is nothing, larger pieces.
      block = (int) Math.min(ZEROS_BLOCK, Math.max(4L * LENGTH, (end - at) / 8 & -4L * LENGTH));
    }
    for (; at < end; at += 4) if ((Host.getInt(at) & 0x7fff_ffff) != 0) return true;
    return false;
  }

  @Override
  public double sumOfSquares(Strided x) {
    long n = x.size();
    long px = x.address();
    if (n <= SQUARES_GRAIN) return OptimLoops.squares(px, (int) n);
    long sums = Workspace.get(Workspace.OPERATION, 8 * ((n - 1) / SQUARES_GRAIN + 1));
    Workers.parallelRange(
        n,
        SQUARES_GRAIN,
        (from, to) ->
            Host.setLong(
                sums + 8 * (from / SQUARES_GRAIN),
                Double.doubleToRawLongBits(OptimLoops.squares(px + 4 * from, (int) (to - from)))));
    double sum = 0;
    for (long i = 0; i * SQUARES_GRAIN < n; i++) {
      sum += Double.longBitsToDouble(Host.getLong(sums + 8 * i));
    }
    return sum;
  }
}
