package dev.theriac.fuzz;

import dev.theriac.tensor.Rng;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * Damages bytes as broken disks, cut transfers and ill will do: flipped bits, other values, lengths
 * that lie, parts that are missing, doubled or exchanged, words of the format in the wrong place,
 * and ends that never came. The same generator gives the same damage.
 */
final class Damage {
  private static final long[] LENGTHS = {
    0,
    1,
    -1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffffL,
    0x8000_0000L,
    0xffff_ffffL,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    1L << 32,
    1L << 40,
    1L << 62
  };

  private final Rng rng;
  private final List<byte[]> words;

  Damage(Rng rng, List<String> words) {
    this.rng = rng;
    this.words = words.stream().map(w -> w.getBytes(StandardCharsets.ISO_8859_1)).toList();
  }

  /** A damaged copy; may be empty, and may differ in nothing that a reader looks at. */
  byte[] of(byte[] good) {
    byte[] bytes = good.clone();
    // One in eight is only cut, since that is what happens most.
    if (rng.nextInt(8) == 0) return Arrays.copyOf(bytes, rng.nextInt(Math.max(1, bytes.length)));
    for (int n = 1 + rng.nextInt(4); n > 0 && bytes.length > 0; n--) bytes = once(bytes);
    return bytes;
  }

  private byte[] once(byte[] bytes) {
    int at = place(bytes.length);
    switch (rng.nextInt(words.isEmpty() ? 9 : 11)) {
      case 0, 1 -> bytes[at] ^= (byte) (1 << rng.nextInt(8));
      case 2 -> bytes[at] = (byte) rng.nextInt(256);
      case 3 -> bytes[at] = bytes[rng.nextInt(bytes.length)];
      case 4 -> length(bytes, at);
      case 5 -> bytes = replace(bytes, at, length(bytes.length - at), new byte[0]);
      case 6 -> {
        int from = rng.nextInt(bytes.length);
        byte[] part = Arrays.copyOfRange(bytes, from, from + length(bytes.length - from));
        bytes = replace(bytes, at, 0, part);
      }
      case 7 -> {
        int other = rng.nextInt(bytes.length);
        int count = length(bytes.length - Math.max(at, other));
        byte[] part = Arrays.copyOfRange(bytes, at, at + count);
        System.arraycopy(bytes, other, bytes, at, count);
        System.arraycopy(part, 0, bytes, other, count);
      }
      case 8 -> {
        byte[] noise = new byte[1 + rng.nextInt(16)];
        for (int i = 0; i < noise.length; i++) noise[i] = (byte) rng.nextInt(256);
        bytes = replace(bytes, at, 0, noise);
      }
      default -> {
        byte[] word = words.get(rng.nextInt(words.size()));
        int over = rng.nextInt(2) == 0 ? 0 : Math.min(word.length, bytes.length - at);
        bytes = replace(bytes, at, over, word);
      }
    }
    return bytes;
  }

  /** Anywhere, or near the start or the end, where headers and directories lie. */
  private int place(int length) {
    int window = Math.min(length, 1000);
    return switch (rng.nextInt(4)) {
      case 0 -> rng.nextInt(window);
      case 1 -> length - 1 - rng.nextInt(window);
      default -> rng.nextInt(length);
    };
  }

  private int length(int most) {
    if (most <= 0) return 0;
    return 1 + rng.nextInt(rng.nextInt(4) == 0 ? most : Math.min(most, 8));
  }

  private void length(byte[] bytes, int at) {
    ByteBuffer out = ByteBuffer.wrap(new byte[8]);
    int size = 1 << 1 + rng.nextInt(3);
    boolean little = rng.nextInt(4) != 0;
    out.order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    out.putLong(0, LENGTHS[rng.nextInt(LENGTHS.length)]);
    int from = little ? 0 : 8 - size;
    System.arraycopy(out.array(), from, bytes, at, Math.min(size, bytes.length - at));
  }

  private static byte[] replace(byte[] bytes, int at, int count, byte[] with) {
    byte[] out = new byte[bytes.length - count + with.length];
    System.arraycopy(bytes, 0, out, 0, at);
    System.arraycopy(with, 0, out, at, with.length);
    System.arraycopy(bytes, at + count, out, at + with.length, bytes.length - at - count);
    return out;
  }
}
