package dev.theriac.backend.vector;

import dev.theriac.backend.Odometer;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;

/** Brings the elements of a strided F32 tensor into contiguous scratch, piece by piece. */
final class Staged {
  private final Odometer walk;
  private long run;
  private long at;

  /** Elements {@code from} to {@code to} of the row-major order. */
  Staged(long from, long to, Strided x) {
    walk = new Odometer(from, to, x);
  }

  /** Writes the next {@code n} elements to {@code to}. */
  void next(long to, int n) {
    while (n > 0) {
      if (run == 0) {
        walk.next();
        run = walk.length();
        at = walk.address(0);
      }
      int m = (int) Math.min(run, n);
      move(at, walk.step(0), to, m);
      at += m * walk.step(0);
      run -= m;
      to += 4L * m;
      n -= m;
    }
  }

  private static void move(long from, long step, long to, int n) {
    if (step == 4) {
      for (int i = 0; i < n; i++) Host.setInt(to + 4L * i, Host.getInt(from + 4L * i));
    } else if (step == 0) {
      int value = Host.getInt(from);
      for (int i = 0; i < n; i++) Host.setInt(to + 4L * i, value);
    } else {
      for (int i = 0; i < n; i++) Host.setInt(to + 4L * i, Host.getInt(from + step * i));
    }
  }

  /**
   * The number of elements after which a broadcast tensor repeats: trailing dimensions without gaps
   * (the period), then only dimensions of stride 0. 0 when it is not of that form.
   */
  static long period(Layout layout) {
    long period = 1;
    int d = layout.rank() - 1;
    while (d >= 0 && (layout.size(d) == 1 || layout.stride(d) == period)) {
      period *= layout.size(d--);
    }
    for (; d >= 0; d--) {
      if (layout.size(d) != 1 && layout.stride(d) != 0) return 0;
    }
    return period;
  }
}
