package dev.theriac.tensor;

/**
 * How the weights of a {@link QuantisedMatrix} lie in memory. INT8 and INT4: whole numbers of 8 or
 * 4 bits, and one BF16 scale for each block of {@value #BLOCK} consecutive columns of a row. A
 * weight is its number times its block's scale, which F32 holds exactly. BF16 and F32: the weights
 * themselves, in the order in which kernels read them.
 *
 * <p><b>Bytes.</b> All words are little-endian. Rows are taken in groups of {@value #GROUP},
 * columns in tiles of {@value #TILE}, and the tile t of group g starts at byte {@code (g * tiles +
 * t) * tileBytes()}, with {@code tiles} the number of tiles in a row. A tile is
 *
 * <ul>
 *   <li>64 words of 32 bits: word r holds the scales of row r, in its lower half that of columns 0
 *       to 31 of the tile, in its upper half that of columns 32 to 63;
 *   <li>INT8: 64 lines of 64 bytes: byte r of line i holds column i of row r;
 *   <li>INT4: 32 lines of 64 bytes: byte r of line i holds column 2i of row r in its lower half,
 *       column 2i+1 in its upper half;
 *   <li>BF16 and F32: 64 lines of 64 numbers, and no scales: number r of line i is column i of row
 *       r.
 * </ul>
 *
 * Whole numbers are in two's complement. Scales are 0 (in blocks of zeros) or from 2^-100 to 2^100,
 * with a margin that lets kernels multiply them by powers of two. Rows and columns that only fill
 * up a group or a tile have the number 0 and the scale 0.
 *
 * <p>So 64 neighbouring rows are read as one stream, each vector of it holds the same columns of as
 * many rows as it has lanes, and no lane has to be moved.
 */
public enum QuantisedFormat {
  /** -127 to 127; 8.5 bits a weight. */
  INT8(8, 127),
  /** -7 to 7; 4.5 bits a weight. */
  INT4(4, 7),
  /** Rounded to BF16; of weights that are BF16, every bit. */
  BF16(16, 0),
  /** Every bit of F32 and half types. */
  F32(32, 0);

  /** Columns that share a scale. */
  public static final int BLOCK = 32;

  /** Rows that lie side by side. */
  public static final int GROUP = 64;

  /** Columns of a tile: those of two blocks, whose scales share a word. */
  public static final int TILE = 64;

  /** Bytes of a tile's scales. */
  public static final long SCALES = 4L * GROUP;

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

  /** Whether weights are whole numbers with a scale, not floating ones. */
  public boolean hasScales() {
    return largest != 0;
  }

  /** The largest whole number; the smallest is its negative. */
  public int largest() {
    return largest;
  }

  /** Bytes of the numbers in a block of 32 columns of a group. */
  public long blockBytes() {
    return (long) GROUP * BLOCK * bits / 8;
  }

  /** Bytes of a tile. */
  public long tileBytes() {
    return (hasScales() ? SCALES : 0) + 2 * blockBytes();
  }

  /** Bytes of one group of rows. */
  public long groupBytes(long columns) {
    return (columns + TILE - 1) / TILE * tileBytes();
  }

  /** Bytes of a matrix. */
  public long bytes(long rows, long columns) {
    return Math.multiplyExact((rows + GROUP - 1) / GROUP, groupBytes(columns));
  }

  /** The weight at a place of the matrix at address {@code matrix}. */
  public float weight(long matrix, long columns, long row, long column) {
    if (this == F32) return Host.getFloat(floatAddress(matrix, columns, row, column));
    if (this == BF16) {
      return Halves.fromBf16(Host.getShort(floatAddress(matrix, columns, row, column)));
    }
    short scale = Host.getShort(scaleAddress(matrix, columns, row, column));
    return number(matrix, columns, row, column) * Halves.fromBf16(scale);
  }

  /** Stores a weight in BF16, rounded to nearest even, or F32. */
  public void setWeight(long matrix, long columns, long row, long column, float weight) {
    long at = floatAddress(matrix, columns, row, column);
    if (this == F32) Host.setFloat(at, weight);
    else Host.setShort(at, Halves.toBf16(weight));
  }

  private long floatAddress(long matrix, long columns, long row, long column) {
    long group = matrix + row / GROUP * groupBytes(columns);
    return group + (column * GROUP + row % GROUP) * bits / 8;
  }

  /** Address of the BF16 scale of the block that holds an element. */
  public long scaleAddress(long matrix, long columns, long row, long column) {
    return tile(matrix, columns, row, column) + row % GROUP * 4 + column / BLOCK % 2 * 2;
  }

  /** The whole number at a place of the matrix at address {@code matrix}. */
  public int number(long matrix, long columns, long row, long column) {
    byte stored = Host.getByte(byteAddress(matrix, columns, row, column));
    if (bits == 8) return stored;
    return column % 2 == 0 ? (byte) (stored << 4) >> 4 : stored >> 4;
  }

  /** Stores a number; the other half of its byte stays. */
  public void setNumber(long matrix, long columns, long row, long column, int number) {
    long at = byteAddress(matrix, columns, row, column);
    int stored = number;
    if (bits == 4) {
      int shift = (int) (column % 2 * 4);
      stored = Host.getByte(at) & ~(15 << shift) | (number & 15) << shift;
    }
    Host.setByte(at, (byte) stored);
  }

  private long byteAddress(long matrix, long columns, long row, long column) {
    long line = column % TILE * bits / 8;
    return tile(matrix, columns, row, column) + SCALES + line * GROUP + row % GROUP;
  }

  private long tile(long matrix, long columns, long row, long column) {
    return matrix + row / GROUP * groupBytes(columns) + column / TILE * tileBytes();
  }
}
