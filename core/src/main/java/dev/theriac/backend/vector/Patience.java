package dev.theriac.backend.vector;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * What all warm-ups do about kernels that the compiler does not get up to speed: a minute of rounds
 * as fast as they go, then a warning, once, and a rest of a second after each round.
 */
final class Patience {

  private static final System.Logger LOG = System.getLogger(Patience.class.getName());

  private final String message;
  private final long end;
  private final long pause;
  private boolean warned;

  /**
   * @param kernels what does not get up to speed, after "the vector kernels of"
   * @param meanwhile what stands in for it
   */
  Patience(String kernels, String meanwhile) {
    this(kernels, meanwhile, TimeUnit.SECONDS.toNanos(60), TimeUnit.SECONDS.toNanos(1));
  }

  Patience(String kernels, String meanwhile, long nanos, long pause) {
    message =
        "the compiler has not got the vector kernels of %s up to speed yet: %s"
            .formatted(kernels, meanwhile);
    end = System.nanoTime() + nanos;
    this.pause = pause;
  }

  /** Called after each round that leaves something to do. */
  void round() {
    if (System.nanoTime() - end < 0) return;
    if (!warned) LOG.log(System.Logger.Level.WARNING, message);
    warned = true;
    LockSupport.parkNanos(pause);
  }
}
