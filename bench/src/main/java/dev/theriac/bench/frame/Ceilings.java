package dev.theriac.bench.frame;

/** What this machine can do at most, measured: arithmetic between registers, reading, copying. */
public final class Ceilings {
  private Ceilings() {}

  /**
   * Fused multiply-adds in F32 on {@code threads} threads at once, for about {@code millis}
   * milliseconds after half a second of warm-up.
   *
   * @return 10^9 operations per second, two for each multiply-add
   * @throws IllegalStateException where the Vector API is not there
   */
  public static double fma(int threads, int millis) throws InterruptedException {
    // By name: the class is there only where the Vector API is.
    try {
      return (double)
          Class.forName("dev.theriac.backend.vector.FmaPeak")
              .getMethod("gflops", int.class, int.class)
              .invoke(null, threads, millis);
    } catch (ReflectiveOperationException | LinkageError e) {
      throw new IllegalStateException("the peak cannot be measured", e);
    }
  }

  /** 10^9 bytes per second summed from tensor memory, of which it needs 256 MiB. */
  public static double read(int threads, int millis) throws InterruptedException {
    return MemoryBandwidth.gigabytes(threads, millis);
  }

  /** 10^9 bytes per second read and written by a copy in tensor memory; needs 256 MiB of it. */
  public static double copy(int threads, int millis) throws InterruptedException {
    return MemoryBandwidth.copied(threads, millis);
  }
}
