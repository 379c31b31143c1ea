package dev.theriac.io;

import static org.assertj.core.api.Assertions.assertThat;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tensors beyond 4 GiB of a file, in files of which all but the ends are holes: they take no space
 * on the disk where the file system has holes.
 */
@DisabledOnOs(OS.WINDOWS)
class LargeFilesTest {
  private static final long LARGE = (1L << 32) + 72;

  @TempDir Path dir;

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void write(FileChannel out, long at, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) at += out.write(bytes, at);
  }

  private static void assertTensors(Path file) {
    try (Scope _ = Scope.open()) {
      Weights weights = Weights.open(file);
      assertThat(weights.entry("large").bytes()).isEqualTo(LARGE);
      Tensor large = weights.get("large", DType.U8, LARGE);
      assertThat(large.slice(0, LARGE - 2, LARGE).toLongs()).containsExactly(7, 9);
      assertThat(weights.get("small", DType.F32, 2).toFloats()).containsExactly(1.5f, -2);
      assertThat(weights.entry("small").offset()).isGreaterThan(LARGE);
    }
  }

  @Test
  void safetensors() throws IOException {
    String header =
        """
        {"large":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},\
        "small":{"dtype":"F32","shape":[2],"data_offsets":[%d,%d]}}\
        """
            .formatted(LARGE, LARGE, LARGE, LARGE + 8);
    byte[] utf8 = header.getBytes(StandardCharsets.UTF_8);
    Path file = dir.resolve("large.safetensors");
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      write(out, 0, buffer(8 + utf8.length).putLong(utf8.length).put(utf8).flip());
      write(out, 8 + utf8.length + LARGE - 2, values());
    }
    assertTensors(file);
  }

  private static ByteBuffer values() {
    return buffer(10).put((byte) 7).put((byte) 9).putFloat(1.5f).putFloat(-2).flip();
  }

  /** An archive whose sizes and places do not fit 32 bits. */
  @Test
  void pytorch() throws IOException {
    byte[] pickle = pickle();
    Path file = dir.resolve("large.pt");
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      String[] names = {"large/data.pkl", "large/data/0", "large/data/1"};
      long[] sizes = {pickle.length, LARGE, 8};
      ByteBuffer directory = buffer(1000);
      long at = 0;
      for (int i = 0; i < 3; i++) {
        byte[] name = names[i].getBytes(StandardCharsets.UTF_8);
        CRC32 crc = new CRC32();
        if (i == 0) crc.update(pickle);
        directory.putInt(0x02014b50).putShort((short) 45).putShort((short) 45).putLong(0);
        directory.putInt((int) crc.getValue()).putInt(-1).putInt(-1).putShort((short) name.length);
        directory.putShort((short) 28).putShort((short) 0).putShort((short) 0).putShort((short) 0);
        directory.putInt(0).putInt(-1).put(name).putShort((short) 1).putShort((short) 24);
        directory.putLong(sizes[i]).putLong(sizes[i]).putLong(at);
        ByteBuffer local = buffer(30 + name.length).putInt(ZipPlaces.LOCAL).putShort((short) 45);
        local.putShort(26, (short) name.length).position(30).put(name);
        write(out, at, local.flip());
        at += 30 + name.length;
        if (i == 0) write(out, at, ByteBuffer.wrap(pickle));
        if (i == 1) write(out, at + LARGE - 2, values().limit(2));
        if (i == 2) write(out, at, values().position(2));
        at += sizes[i];
      }
      int length = directory.flip().limit();
      write(out, at, directory);
      ByteBuffer end = buffer(56 + 20 + 22);
      end.putInt(0x06064b50).putLong(44).putShort((short) 45).putShort((short) 45).putLong(0);
      end.putLong(3).putLong(3).putLong(length).putLong(at);
      end.putInt(0x07064b50).putInt(0).putLong(at + length).putInt(1);
      end.putInt(0x06054b50).putInt(0).putInt(-1).putInt(-1).putInt(-1).putShort((short) 0);
      write(out, at + length, end.flip());
    }
    assertTensors(file);
  }

  private static byte[] pickle() {
    String text =
        "\u0080\2}(%s%s%s%su."
            .formatted(
                text("large"), tensor("Byte", "0", LARGE), text("small"), tensor("Float", "1", 2));
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static String tensor(String type, String key, long size) {
    String reference =
        "(%sctorch\n%sStorage\n%s%s%stQ"
            .formatted(text("storage"), type, text(key), text("cpu"), number(size));
    return "ctorch._utils\n_rebuild_tensor_v2\n(%sK\0%s\u0085K\1\u0085\u0089NtR"
        .formatted(reference, number(size));
  }

  private static String text(String s) {
    return "X" + (char) s.length() + "\0\0\0" + s;
  }

  private static String number(long n) {
    StringBuilder out = new StringBuilder("\u008a\u0008");
    for (int i = 0; i < 8; i++) out.append((char) (n >>> 8 * i & 255));
    return out.toString();
  }
}
