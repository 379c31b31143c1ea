package dev.theriac.backend.scalar;

import dev.theriac.backend.OptimKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Updates in float64; moments and parameters are rounded when stored. */
final class ScalarOptim implements OptimKernels {
  private static final long GRAIN = 1 << 14;

  @Override
  public void adamW(
      Strided parameter, Strided grad, Strided m, Strided v, float gradScale, AdamW step) {
    long pp = parameter.address();
    long pg = grad.address();
    long pm = m.address();
    long pv = v.address();
    double rate = step.lr() / (1 - StrictMath.pow(step.beta1(), step.step()));
    double correction = Math.sqrt(1 - StrictMath.pow(step.beta2(), step.step()));
    double decay = 1 - step.lr() * step.weightDecay();
    Workers.parallelRange(
        parameter.size(),
        GRAIN,
        (from, to) -> {
          for (long i = 4 * from; i < 4 * to; i += 4) {
            double g = (double) gradScale * Host.getFloat(pg + i);
            double first = step.beta1() * Host.getFloat(pm + i) + (1 - step.beta1()) * g;
            double second = step.beta2() * Host.getFloat(pv + i) + (1 - step.beta2()) * g * g;
            double root = Math.sqrt(second) / correction + step.eps();
            double value = Host.getFloat(pp + i) * decay - rate * first / root;
            Host.setFloat(pm + i, (float) first);
            Host.setFloat(pv + i, (float) second);
            Host.setFloat(pp + i, (float) value);
          }
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
    Workers.parallelRange(
        parameter.size(),
        GRAIN,
        (from, to) -> {
          for (long i = 4 * from; i < 4 * to; i += 4) {
            double p = Host.getFloat(pp + i);
            double g = (double) gradScale * Host.getFloat(pg + i) + weightDecay * p;
            if (pb != 0) {
              g += momentum * Host.getFloat(pb + i);
              Host.setFloat(pb + i, (float) g);
            }
            Host.setFloat(pp + i, (float) (p - lr * g));
          }
        });
  }

  @Override
  public void nonZero(Strided x, boolean[] out) {
    long width = 4 * (x.size() / out.length);
    Workers.parallelRange(
        out.length,
        1,
        (from, to) -> {
          for (long i = from; i < to; i++) {
            out[(int) i] = nonZero(x.address() + i * width, x.address() + (i + 1) * width);
          }
        });
  }

  private static boolean nonZero(long at, long end) {
    for (; at < end; at += 4) {
      if ((Host.getInt(at) & 0x7fff_ffff) != 0) return true;
    }
    return false;
  }

  @Override
  public double sumOfSquares(Strided x) {
    long px = x.address();
    double sum = 0;
    for (long i = 0; i < x.size(); i++) {
      double value = Host.getFloat(px + 4 * i);
      sum += value * value;
    }
    return sum;
  }
}
