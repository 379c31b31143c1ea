package dev.theriac.tensor;

/**
 * How the weights of a {@link QuantisedMatrix} lie in memory: whole numbers of 8 or 4 bits, and one
 * BF16 scale for each block of {@value #BLOCK} consecutive columns of a row. A weight is its number
 * times its block's scale, which F32 holds exactly.
 *
 * <p><b>Bytes.</b> All words are little-endian. Rows are taken in groups of {@value #GROUP},
 * columns in tiles of {@value #TILE}, and the tile t of group g starts at byte {@code (g * tiles +
 * t) * tileBytes()}, with {@code tiles} the number of tiles in a row. A tile is
 *
 * <ul>
 *   <li>64 words of 32 bits: word r holds the scales of row r, in its lower half that of columns 0
 *       to 31 of the tile, in its upper half that of columns 32 to 63;
 *   <li>INT8: 16 times 64 words: word r of the i-th 64 holds columns 4i to 4i+3 of row r in its
 *       bytes, the lowest first;
 *   <li>INT4: 8 times 64 words: word r of the i-th 64 holds columns 8i to 8i+3 of row r in the
 *       lower halves of its bytes, columns 8i+4 to 8i+7 in the upper halves.
 * </ul>
 *
 * A byte is in two's complement; to a half byte 8 is added before it is stored. Scales are 0 (in
 * blocks of zeros) or from 2^-100 to 2^100, with a margin that lets kernels multiply them by powers
 * of two. Rows and columns that only fill up a group or a tile have the number 0 and the scale 0.
 *
 * <p>So 64 neighbouring rows are read as one stream, each vector of it holds the same columns of as
 * many rows as it has lanes, and no lane has to be moved.
 */
public enum QuantisedFormat {
  /** -127 to 127; 8.5 bits a weight. */
  INT8(8, 127),
  /** -7 to 7; 4.5 bits a weight. */
  INT4(4, 7);

  /** Columns that share a scale. */
  public static final int BLOCK = 32;

  /** Rows that lie side by side. */
  public static final int GROUP = 64;

  /** Columns of a tile: those of two blocks, whose scales share a word. */
  public static final int TILE = 64;

  /** Bytes of the 64 words that hold the same columns of a group's rows. */
  public static final long LINE = 4L * GROUP;

  private final int bits;
  private final int largest;

  QuantisedFormat(int bits, int largest) {
    this.bits = bits;
    this.largest = largest;
  }

  /** Bits of a number. */
  public int bits() {
    return bits;
  }

  /** The largest number; the smallest is its negative. */
  public int largest() {
    return largest;
  }

  /** Bytes of the numbers in a block of 32 columns of a group. */
  public long blockBytes() {
    return (long) GROUP * BLOCK * bits / 8;
  }

  /** Bytes of a tile. */
  public long tileBytes() {
    return LINE + 2 * blockBytes();
  }

  /** Bytes of one group of rows. */
  public long groupBytes(long columns) {
    return (columns + TILE - 1) / TILE * tileBytes();
  }

  /** Bytes of a matrix. */
  public long bytes(long rows, long columns) {
    return Math.multiplyExact((rows + GROUP - 1) / GROUP, groupBytes(columns));
  }

  /** Address of the BF16 scale of the block that holds an element. */
  public long scaleAddress(long matrix, long columns, long row, long column) {
    return tile(matrix, columns, row, column) + row % GROUP * 4 + column / BLOCK % 2 * 2;
  }

  /** The number at a place of the matrix at address {@code matrix}. */
  public int number(long matrix, long columns, long row, long column) {
    int stored = Host.getByte(byteAddress(matrix, columns, row, column)) & 0xff;
    return bits == 8 ? (byte) stored : (stored >>> shift(column) & 15) - 8;
  }

  /** Stores a number; the other half of its byte stays. */
  public void setNumber(long matrix, long columns, long row, long column, int number) {
    long at = byteAddress(matrix, columns, row, column);
    int stored = number;
    if (bits == 4) {
      int shift = shift(column);
      stored = Host.getByte(at) & ~(15 << shift) | number + 8 << shift;
    }
    Host.setByte(at, (byte) stored);
  }

  private static int shift(long column) {
    return (int) (column / 4 % 2 * 4);
  }

  private long byteAddress(long matrix, long columns, long row, long column) {
    long line = column % TILE * bits / 32;
    return tile(matrix, columns, row, column) + LINE * (1 + line) + row % GROUP * 4 + column % 4;
  }

  private long tile(long matrix, long columns, long row, long column) {
    return matrix + row / GROUP * groupBytes(columns) + column / TILE * tileBytes();
  }
}
