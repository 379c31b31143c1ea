package dev.theriac.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.theriac.backend.OptimKernels.AdamW;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import org.junit.jupiter.api.Test;

class CudaOptimTest extends CudaFixture {
  @Test
  void checksOfTheFamily() {
    assertChecks("optim.", CudaTolerances.OPTIM);
  }

  private Strided positive(long n) {
    Strided x = random(n);
    for (long i = 0; i < n; i++) set(x, i, Math.abs(get(x, i)) + 1e-3f);
    return x;
  }

  /** Many steps, the first ones with large corrections, gradients of very different sizes. */
  @Test
  void adamW() {
    for (long n : new long[] {0, 1, 255, 256, 1000}) {
      Strided[] e = {random(n), zeros(n), zeros(n)};
      Strided[] a = {copyOf(e[0]), copyOf(e[1]), copyOf(e[2])};
      for (int step = 1; step <= 5; step++) {
        Strided grad = random(n);
        for (long i = 0; i < n; i++) set(grad, i, get(grad, i) * (float) Math.pow(10, i % 12 - 8));
        AdamW settings = new AdamW(1e-2, 0.9, 0.95, 1e-8, 0.1, step);
        scalar.optim().adamW(e[0], grad, e[1], e[2], 0.7f, settings);
        cuda.optim().adamW(a[0], grad, a[1], a[2], 0.7f, settings);
      }
      assertClose("adamW", a[0], e[0], CudaTolerances.OPTIM, 1e-1);
      assertClose("adamW second moment", a[2], e[2], CudaTolerances.OPTIM, 0);
    }
  }

  private static Strided zeros(long n) {
    Strided x = empty(n);
    for (long i = 0; i < n; i++) set(x, i, 0);
    return x;
  }

  @Test
  void sgdWithAndWithoutMomentum() {
    for (long n : new long[] {0, 1, 255, 1000}) {
      Strided e = positive(n);
      Strided a = copyOf(e);
      Strided buffer = random(n);
      Strided other = copyOf(buffer);
      Strided grad = random(n);
      scalar.optim().sgd(e, grad, null, 0.5f, 1e-2, 0, 0.1);
      cuda.optim().sgd(a, grad, null, 0.5f, 1e-2, 0, 0.1);
      assertClose("sgd", a, e, CudaTolerances.OPTIM, 1);
      scalar.optim().sgd(e, grad, buffer, 2, 1e-2, 0.9, 0);
      cuda.optim().sgd(a, grad, other, 2, 1e-2, 0.9, 0);
      assertClose("sgd", a, e, CudaTolerances.OPTIM, 1);
      assertClose("sgd momentum", other, buffer, CudaTolerances.OPTIM, 1);
    }
  }

  @Test
  void nonZeroFindsOneElement() {
    int slices = 5;
    long width = 40_000;
    Strided x = zeros(slices * width);
    set(x, width - 1, 1e-45f);
    set(x, width, -0f);
    set(x, 2 * width + 20_000, Float.NaN);
    set(x, 4 * width, -1);
    boolean[] found = {true, true, false, true, false};
    cuda.optim().nonZero(x.with(Layout.contiguous(slices, width)), found);
    assertThat(found).containsExactly(true, false, true, false, true);
    boolean[] none = {true, true};
    cuda.optim().nonZero(random(2, 0), none);
    assertThat(none).containsExactly(false, false);
    cuda.optim().nonZero(random(0, 3), new boolean[0]);
  }

  @Test
  void sumOfSquares() {
    assertThat(cuda.optim().sumOfSquares(random(0))).isZero();
    for (long n : new long[] {1, 257, 16_384, 16_385, 100_003}) {
      Strided x = random(n);
      double e = scalar.optim().sumOfSquares(x);
      assertThat(cuda.optim().sumOfSquares(x)).isCloseTo(e, within(1e-12 * e));
      assertThat(cuda.optim().sumOfSquares(x)).isEqualTo(cuda.optim().sumOfSquares(x));
    }
    assertThat(cuda.optim().sumOfSquares(of(1e30f, 1))).isGreaterThan(1e59);
    assertThat(cuda.optim().sumOfSquares(of(1, Float.NaN))).isNaN();
  }
}
