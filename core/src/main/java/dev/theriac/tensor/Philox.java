package dev.theriac.tensor;

/**
 * Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011): the value at a counter is a pure function of (seed, stream, counter), the
 * same on every device and for any order of evaluation.
 */
public final class Philox {
  private static final int M0 = 0xD2511F53;
  private static final int M1 = 0xCD9E8D57;
  private static final int W0 = 0x9E3779B9;
  private static final int W1 = 0xBB67AE85;

  private Philox() {}

  /** Writes the four words of block {@code counter} to {@code out}. */
  public static void block(long seed, long stream, long counter, int[] out) {
    int c0 = (int) counter;
    int c1 = (int) (counter >>> 32);
    int c2 = (int) stream;
    int c3 = (int) (stream >>> 32);
    int k0 = (int) seed;
    int k1 = (int) (seed >>> 32);
    for (int round = 0; round < 10; round++) {
      long p0 = (M0 & 0xffffffffL) * (c0 & 0xffffffffL);
      long p1 = (M1 & 0xffffffffL) * (c2 & 0xffffffffL);
      int n0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      int n2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c1 = (int) p1;
      c3 = (int) p0;
      c0 = n0;
      c2 = n2;
      k0 += W0;
      k1 += W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
  }

  /** Word {@code index} of the stream: word index % 4 of block index / 4. */
  public static int word(long seed, long stream, long index) {
    int[] out = new int[4];
    block(seed, stream, index >>> 2, out);
    return out[(int) (index & 3)];
  }

  /** A word as a float in [0, 1), of 24 bits. */
  public static float uniform(int word) {
    return (word >>> 8) * 0x1p-24f;
  }
}
