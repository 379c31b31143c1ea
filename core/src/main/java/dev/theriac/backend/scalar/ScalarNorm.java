package dev.theriac.backend.scalar;

import dev.theriac.backend.Backends;
import dev.theriac.backend.BinaryKind;
import dev.theriac.backend.NormKernels;
import dev.theriac.backend.Workers;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;

/** Statistics in two passes in float64. RMSNorm is LayerNorm with a mean of 0 and no shift. */
final class ScalarNorm implements NormKernels {
  private static final long GRAIN = 1 << 13;

  @Override
  public void layerNorm(
      Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd) {
    forward(x, w, b, eps, y, mean, rstd);
  }

  @Override
  public void rmsNorm(Strided x, Strided w, float eps, Strided y, Strided rstd) {
    forward(x, w, null, eps, y, null, rstd);
  }

  @Override
  public void addLayerNorm(
      Strided x,
      Strided r,
      Strided w,
      Strided b,
      float eps,
      Strided sum,
      Strided y,
      Strided mean,
      Strided rstd) {
    Backends.scalar().elementwise().binary(BinaryKind.ADD, x, r, sum);
    forward(sum, w, b, eps, y, mean, rstd);
  }

  @Override
  public void addRmsNorm(
      Strided x, Strided r, Strided w, float eps, Strided sum, Strided y, Strided rstd) {
    Backends.scalar().elementwise().binary(BinaryKind.ADD, x, r, sum);
    forward(sum, w, null, eps, y, null, rstd);
  }

  @Override
  public void layerNormGradient(
      Strided x,
      Strided w,
      Strided mean,
      Strided rstd,
      Strided grad,
      Strided dx,
      boolean add,
      Strided dw,
      Strided db) {
    if (dx != null) inputGradient(x, w, mean, rstd, grad, dx, add);
    if (dw != null) columnSums(x, mean, rstd, grad, dw);
    if (db != null) columnSums(null, null, null, grad, db);
  }

  @Override
  public void rmsNormGradient(
      Strided x, Strided w, Strided rstd, Strided grad, Strided dx, boolean add, Strided dw) {
    if (dx != null) inputGradient(x, w, null, rstd, grad, dx, add);
    if (dw != null) columnSums(x, null, rstd, grad, dw);
  }

  private static long rowGrain(long columns) {
    return Math.max(1, GRAIN / Math.max(1, columns));
  }

  private static void forward(
      Strided x, Strided w, Strided b, float eps, Strided y, Strided mean, Strided rstd) {
    long columns = x.size(1);
    long pw = w.address();
    long pb = b == null ? 0 : b.address();
    Workers.parallelRange(
        x.size(0),
        rowGrain(columns),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long px = x.address() + 4 * n * columns;
            long py = y.address() + 4 * n * columns;
            double center = 0;
            if (mean != null) {
              for (long d = 0; d < columns; d++) center += Host.getFloat(px + 4 * d);
              center /= columns;
              Host.setFloat(mean.address() + 4 * n, (float) center);
            }
            double squares = 0;
            for (long d = 0; d < columns; d++) {
              double delta = Host.getFloat(px + 4 * d) - center;
              squares += delta * delta;
            }
            double scale = 1 / Math.sqrt(squares / columns + eps);
            Host.setFloat(rstd.address() + 4 * n, (float) scale);
            for (long d = 0; d < columns; d++) {
              double value =
                  (Host.getFloat(px + 4 * d) - center) * scale * Host.getFloat(pw + 4 * d);
              if (pb != 0) value += Host.getFloat(pb + 4 * d);
              Host.setFloat(py + 4 * d, (float) value);
            }
          }
        });
  }

  /**
   * With g = grad * w and h the normalised x: dx = rstd * (g - mean(g) - h * mean(g * h)), without
   * mean(g) where nothing was centred.
   */
  private static void inputGradient(
      Strided x, Strided w, Strided mean, Strided rstd, Strided grad, Strided dx, boolean add) {
    long columns = x.size(1);
    long pw = w.address();
    Workers.parallelRange(
        x.size(0),
        rowGrain(columns),
        (from, to) -> {
          for (long n = from; n < to; n++) {
            long px = x.address() + 4 * n * columns;
            long pg = grad.address() + 4 * n * columns;
            long pd = dx.address() + 4 * n * columns;
            double center = mean == null ? 0 : Host.getFloat(mean.address() + 4 * n);
            double scale = Host.getFloat(rstd.address() + 4 * n);
            double sum = 0;
            double product = 0;
            for (long d = 0; d < columns; d++) {
              double g = (double) Host.getFloat(pg + 4 * d) * Host.getFloat(pw + 4 * d);
              sum += g;
              product += g * (Host.getFloat(px + 4 * d) - center) * scale;
            }
            double meanG = mean == null ? 0 : sum / columns;
            for (long d = 0; d < columns; d++) {
              double g = (double) Host.getFloat(pg + 4 * d) * Host.getFloat(pw + 4 * d);
              double h = (Host.getFloat(px + 4 * d) - center) * scale;
              float value = (float) (scale * (g - meanG - h * product / columns));
              Host.setFloat(pd + 4 * d, add ? Host.getFloat(pd + 4 * d) + value : value);
            }
          }
        });
  }

  /** out[d] = sum over rows of grad * normalised x, or of grad alone when x is null. */
  private static void columnSums(Strided x, Strided mean, Strided rstd, Strided grad, Strided out) {
    long rows = grad.size(0);
    long columns = grad.size(1);
    Workers.parallelRange(
        columns,
        Math.min(Math.max(16, GRAIN / Math.max(1, rows)), 1 << 20),
        (from, to) -> {
          double[] sums = new double[(int) (to - from)];
          for (long n = 0; n < rows; n++) {
            double center = mean == null ? 0 : Host.getFloat(mean.address() + 4 * n);
            double scale = rstd == null ? 0 : Host.getFloat(rstd.address() + 4 * n);
            long pg = grad.address() + 4 * (n * columns + from);
            long px = x == null ? 0 : x.address() + 4 * (n * columns + from);
            for (int d = 0; d < sums.length; d++) {
              double g = Host.getFloat(pg + 4L * d);
              sums[d] += x == null ? g : g * (Host.getFloat(px + 4L * d) - center) * scale;
            }
          }
          for (int d = 0; d < sums.length; d++) {
            Host.setFloat(out.address() + 4 * (from + d), (float) sums[d]);
          }
        });
  }
}
