package dev.theriac.moe;

import dev.theriac.backend.Backend;
import dev.theriac.backend.Backends;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Each test in a scope of its own, and what tests of routers share. */
abstract class ScopedTest {
  private Scope scope;

  @BeforeEach
  void open() {
    scope = Scope.open();
  }

  @AfterEach
  void close() {
    scope.close();
  }

  static Stream<Backend> backends() {
    return Stream.of(Backends.scalar(), Backends.cpu().backend()).distinct();
  }

  static <T> T on(Backend backend, Supplier<T> body) {
    return Backends.with(backend, body);
  }

  static Tensor normal(long seed, long... shape) {
    return Tensor.randn(new Rng(seed), 1, shape);
  }

  /** A router whose logits are its input: dim = E, W the identity, no bias. */
  static Router identity(RouterConfig config) {
    Router router = new Router(config, new Rng(1));
    int e = config.experts();
    float[] w = new float[e * e];
    for (int i = 0; i < e; i++) w[i * e + i] = 1;
    router.parameters().get("wg.weight").set(Tensor.of(w, e, e));
    router.train(false);
    return router;
  }

  static RouterConfig.Builder logits(int experts, int topK) {
    return RouterConfig.builder(experts, experts, topK);
  }

  static double[] doubles(Tensor t) {
    float[] from = t.toFloats();
    double[] out = new double[from.length];
    for (int i = 0; i < out.length; i++) out[i] = from[i];
    return out;
  }

  /** Slopes of f in each element, of fourth order; f gets the moved values. */
  static double[] differences(double[] at, double h, ToDoubleFunction<double[]> f) {
    double[] slopes = new double[at.length];
    for (int i = 0; i < at.length; i++) {
      double[] y = new double[4];
      for (int p = 0; p < 4; p++) {
        double[] moved = at.clone();
        moved[i] += h * new int[] {-2, -1, 1, 2}[p];
        y[p] = f.applyAsDouble(moved);
      }
      slopes[i] = (8 * (y[2] - y[1]) - (y[3] - y[0])) / (12 * h);
    }
    return slopes;
  }

  /** Fails unless each element is within {@code tolerance} of the largest wanted one. */
  static void assertClose(String what, Tensor got, double[] wanted, double tolerance) {
    double largest = 0;
    for (double w : wanted) largest = Math.max(largest, Math.abs(w));
    double[] values = doubles(got);
    if (values.length != wanted.length) {
      throw new AssertionError(what + ": " + values.length + " values for " + wanted.length);
    }
    for (int i = 0; i < values.length; i++) {
      double error = Math.abs(values[i] - wanted[i]);
      if (!(error <= tolerance * Math.max(largest, 1e-30))) {
        throw new AssertionError(
            "%s: element %d is %s, wanted %s (largest %s)"
                .formatted(what, i, values[i], wanted[i], largest));
      }
    }
  }
}
