package dev.theriac.nn;

import dev.theriac.tensor.Tensor;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Which positions of a batch [B, T] hold a token, and which only fill up a row. A type of its own,
 * because a bare boolean tensor means "valid" in one function and "masked" in the next. Flat
 * positions count row by row: b * T + t. Immutable, thread-safe.
 */
public final class TokenMask {
  private final int batch;
  private final int length;
  private final BitSet valid;

  private TokenMask(long batch, long length, BitSet valid) {
    size(batch, length);
    this.batch = (int) batch;
    this.length = (int) length;
    this.valid = valid;
  }

  /** batch * length, refused where that is no number of positions; both must fit alone too. */
  private static int size(long batch, long length) {
    boolean fits =
        batch >= 0 && length >= 0 && batch <= Integer.MAX_VALUE && length <= Integer.MAX_VALUE;
    if (!fits || batch * length > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "tokenMask: %d rows of %d positions; there may be up to 2^31-1 positions"
              .formatted(batch, length));
    }
    return (int) (batch * length);
  }

  /** Every position holds a token. */
  public static TokenMask all(long batch, long length) {
    BitSet bits = new BitSet();
    bits.set(0, size(batch, length));
    return new TokenMask(batch, length, bits);
  }

  /**
   * Rows filled up at their end.
   *
   * @param lengths I64 [B], tokens of each row, in [0, length]
   */
  public static TokenMask ofLengths(Tensor lengths, long length) {
    if (lengths.rank() != 1) {
      throw new IllegalArgumentException(
          "tokenMask: lengths of shape %s; one for each row, [B], is wanted"
              .formatted(lengths.layout()));
    }
    long[] each = lengths.toLongs();
    size(each.length, length);
    BitSet bits = new BitSet();
    for (int b = 0; b < each.length; b++) {
      if (each[b] < 0 || each[b] > length) {
        throw new IllegalArgumentException(
            "tokenMask: row %d has length %d, there are %d positions"
                .formatted(b, each[b], length));
      }
      int from = Math.toIntExact(b * length);
      bits.set(from, from + (int) each[b]);
    }
    return new TokenMask(each.length, length, bits);
  }

  /**
   * @param valid [B * T] row by row, true where there is a token
   */
  public static TokenMask of(boolean[] valid, long batch, long length) {
    if (valid.length != size(batch, length)) {
      throw new IllegalArgumentException(
          "tokenMask: %d values for %d rows of %d positions"
              .formatted(valid.length, batch, length));
    }
    BitSet bits = new BitSet();
    for (int i = 0; i < valid.length; i++) bits.set(i, valid[i]);
    return new TokenMask(batch, length, bits);
  }

  /** Rows B. */
  public int batch() {
    return batch;
  }

  /** Positions T of a row. */
  public int length() {
    return length;
  }

  /** Number of positions, B * T. */
  public int size() {
    return batch * length;
  }

  /** Whether the flat position holds a token. */
  public boolean isValid(int position) {
    if (position < 0 || position >= size()) {
      throw new IndexOutOfBoundsException(
          "tokenMask: position %d of %d rows of %d".formatted(position, batch, length));
    }
    return valid.get(position);
  }

  /** Number of positions that hold a token. */
  public int count() {
    return valid.cardinality();
  }

  /** Whether no position is filling. */
  public boolean isAll() {
    return count() == size();
  }

  /** The flat positions that hold a token, ascending. */
  public long[] positions() {
    return valid.stream().asLongStream().toArray();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TokenMask m
        && m.batch == batch
        && m.length == length
        && m.valid.equals(valid);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(new int[] {batch, length, valid.hashCode()});
  }

  @Override
  public String toString() {
    return "TokenMask[%d x %d, %d tokens]".formatted(batch, length, count());
  }
}
