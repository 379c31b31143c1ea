package dev.theriac.backend.check;

import dev.theriac.backend.Backend;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Strided;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A small call of one kernel, on arguments of its own. For back ends whose tensors are in host
 * memory.
 */
public final class KernelCheck {
  /** Far above the rounding of sums of a hundred terms, far below any real mistake. */
  public static final double TOLERANCE = 1e-4;

  private static final long ROWS = 37;

  private final String kernel;
  private final String variant;
  private final Function<Arguments, Consumer<Backend>> maker;

  KernelCheck(String kernel, String variant, Function<Arguments, Consumer<Backend>> maker) {
    this.kernel = kernel;
    this.variant = variant;
    this.maker = maker;
  }

  /** Family and method, as in "elementwise.unary". */
  public String kernel() {
    return kernel;
  }

  /** The kernel and, where it is checked in several ways, which of them. */
  public String name() {
    return variant.isEmpty() ? kernel : kernel + " " + variant;
  }

  /** The kernel with arguments, to be called again and again. */
  public static final class Call implements Runnable, AutoCloseable {
    private final Backend backend;
    private final Arguments arguments;
    private final Consumer<Backend> body;

    private Call(KernelCheck check, Backend backend, long rows) {
      this.backend = backend;
      arguments = new Arguments(check.seed(), rows);
      body = check.maker.apply(arguments);
    }

    @Override
    public void run() {
      body.accept(backend);
    }

    /** Frees the arguments. */
    @Override
    public void close() {
      arguments.free();
    }
  }

  /** Sets the kernel up for measurements; {@code rows} gives the size of the problem. */
  public Call call(Backend backend, long rows) {
    return new Call(this, backend, rows);
  }

  /**
   * Runs the kernel on both back ends.
   *
   * @return the largest difference over the largest magnitude, result by result; NaN where one of
   *     {@code checked} is not a number and should be, or was not written
   */
  public double apart(Backend checked, Backend oracle) {
    return apart(checked, oracle, ROWS);
  }

  /** As {@link #apart(Backend, Backend)} with another number of rows. */
  public double apart(Backend checked, Backend oracle, long rows) {
    Arguments ours = new Arguments(seed(), rows);
    Arguments theirs = new Arguments(seed(), rows);
    try {
      maker.apply(ours).accept(checked);
      maker.apply(theirs).accept(oracle);
      double worst = 0;
      for (int i = 0; i < ours.results().size(); i++) {
        double apart = apart(ours.results().get(i), theirs.results().get(i));
        if (!(apart <= worst)) worst = apart;
        if (Double.isNaN(worst)) break;
      }
      return worst;
    } finally {
      ours.free();
      theirs.free();
    }
  }

  /** All of them; see {@link KernelChecks}. */
  public static List<KernelCheck> all() {
    return KernelChecks.all();
  }

  private long seed() {
    return name().hashCode();
  }

  private static double apart(Strided have, Strided wanted) {
    double difference = 0;
    double size = 0;
    DType dtype = have.dtype();
    for (long i = 0; i < have.size(); i++) {
      double a = Host.get(dtype, have.address(), i);
      double b = Host.get(dtype, wanted.address(), i);
      if (Double.isNaN(b) || Double.isNaN(a)) return Double.NaN;
      difference = Math.max(difference, Math.abs(a - b));
      size = Math.max(size, Math.abs(b));
    }
    return difference == 0 ? 0 : difference / size;
  }
}
