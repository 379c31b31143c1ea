package dev.theriac.tensor;

import java.util.IdentityHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * An explicit source of randomness: a seed, a stream and a position, all three of which a
 * checkpoint can store. Not thread-safe: give each user its own {@link #split}.
 */
public final class Rng {
  private static final ScopedValue<Map<Rng, Long>> DRAWN = ScopedValue.newInstance();

  private final long seed;
  private final long stream;
  private final boolean placeholders;
  private long position;

  public Rng(long seed, long stream, long position) {
    this(seed, stream, position, false);
  }

  private Rng(long seed, long stream, long position, boolean placeholders) {
    this.placeholders = placeholders;
    this.seed = seed;
    this.stream = stream;
    this.position = position;
  }

  public Rng(long seed) {
    this(seed, 0, 0);
  }

  /**
   * For models whose weights are about to be loaded: {@link Tensor#randn} and {@link
   * Tensor#uniform} draw nothing and give zeros of the wanted shape that take the memory of one
   * value, not to be written to. The position moves on as if they had drawn, so that what a module
   * splits from it stays the same. Everything else, {@link #split} included, draws as usual.
   */
  public static Rng placeholders(long seed) {
    return new Rng(seed, 0, 0, true);
  }

  boolean givesPlaceholders() {
    return placeholders;
  }

  public long seed() {
    return seed;
  }

  public long stream() {
    return stream;
  }

  /** Words drawn so far; part of the state to save. */
  public long position() {
    return position;
  }

  /** Goes to a position of the stream, as when a checkpoint is restored. */
  public void seek(long newPosition) {
    position = newPosition;
  }

  /** An independent generator with the same seed and another stream. */
  public Rng split(long newStream) {
    return new Rng(seed, newStream, 0);
  }

  /**
   * What {@code body} returns, and where the generators stood that it drew from.
   *
   * @param positions of each generator, before its first draw
   */
  public record Traced<T>(T result, Map<Rng, Long> positions) {}

  /**
   * Runs {@code body} and notes the generators that it draws from on this thread, so that it can be
   * run {@linkplain #repeat again} with the same numbers. May be nested.
   */
  public static <T> Traced<T> trace(Supplier<T> body) {
    Map<Rng, Long> mine = new IdentityHashMap<>();
    T result = ScopedValue.where(DRAWN, mine).call(body::get);
    if (DRAWN.isBound()) mine.forEach(DRAWN.get()::putIfAbsent);
    return new Traced<>(result, mine);
  }

  /**
   * Runs {@code body} with generators at the given positions; afterwards they stand where they
   * stood before, whether or not it returns.
   */
  public static <T> T repeat(Map<Rng, Long> positions, Supplier<T> body) {
    Map<Rng, Long> before = new IdentityHashMap<>();
    positions.forEach((rng, at) -> {
      before.put(rng, rng.position);
      rng.position = at;
    });
    try {
      return body.get();
    } finally {
      before.forEach(Rng::seek);
    }
  }

  /** Reserves {@code words} positions and returns the first: for kernels that draw in parallel. */
  public long reserve(long words) {
    if (DRAWN.isBound()) DRAWN.get().putIfAbsent(this, position);
    long at = position;
    position += words;
    return at;
  }

  public int nextInt() {
    return Philox.word(seed, stream, reserve(1));
  }

  /** Uniform in [0, bound), without modulo bias worth speaking of (64-bit multiply). */
  public int nextInt(int bound) {
    return (int) ((nextInt() & 0xffffffffL) * bound >>> 32);
  }

  /** Uniform in [0, 1). */
  public float nextFloat() {
    return Philox.uniform(nextInt());
  }

  /** Standard normal by Box-Muller in StrictMath, so that every machine gets the same bits. */
  public double nextGaussian() {
    double u = ((nextInt() >>> 8) + 1) * 0x1p-24;
    double v = (nextInt() >>> 8) * 0x1p-24;
    return StrictMath.sqrt(-2 * StrictMath.log(u)) * StrictMath.cos(2 * StrictMath.PI * v);
  }

  /** Fisher-Yates shuffle of 0..n-1. */
  public int[] permutation(int n) {
    int[] p = new int[n];
    for (int i = 0; i < n; i++) {
      int j = nextInt(i + 1);
      p[i] = p[j];
      p[j] = i;
    }
    return p;
  }
}
