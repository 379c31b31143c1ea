package dev.theriac.io;

import dev.theriac.op.Autograd;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A SHA-256 over a whole safetensors file, header included, kept in the file itself: the first
 * metadata value, 64 hexadecimal digits at a fixed place, which count as zeros in the sum.
 */
final class Checksum {
  private static final String KEY = "sha256";
  private static final String ZEROS = "0".repeat(64);
  private static final byte[] LEAD =
      ("{\"__metadata__\":{\"" + KEY + "\":\"").getBytes(StandardCharsets.UTF_8);
  private static final int PLACE = 8 + LEAD.length;
  private static final long CHUNK = 1 << 20;

  private Checksum() {}

  static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
    Map<String, String> all = new LinkedHashMap<>();
    all.put(KEY, ZEROS);
    SafeTensorsHeader.ordered(metadata)
        .forEach((key, value) -> {
          if (all.put(key, value) != null) {
            throw new FileException(file, "metadata key " + KEY + " is the checksum's");
          }
        });
    Map<String, SafeTensors.Source> sources = SafeTensorsWriter.sources(tensors);
    List<String> order = SafeTensorsHeader.order(sources, false);
    byte[] header = SafeTensorsHeader.format(file, sources, order, all, false);
    AtomicFile.write(
        file,
        out -> {
          MessageDigest digest = digest();
          digest.update(header);
          out.write(header);
          for (String key : order) {
            try (Scope _ = Scope.open()) {
              Tensor t = Autograd.noGrad(() -> tensors.get(key).contiguous().to(Device.CPU));
              update(digest, SafeTensors.bytes(t));
              SafeTensorsWriter.writeTensor(out, t);
            }
          }
          out.patch(
              PLACE, HexFormat.of().formatHex(digest.digest()).getBytes(StandardCharsets.UTF_8));
        });
  }

  /** Throws unless the file's bytes give the checksum that it holds. */
  static void verify(Path file, MemorySegment bytes) {
    if (bytes.byteSize() < PLACE + 64
        || !Arrays.equals(
            bytes.asSlice(8, LEAD.length).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE), LEAD)) {
      throw new FileException(file, "holds no checksum");
    }
    MessageDigest digest = digest();
    update(digest, bytes.asSlice(0, PLACE));
    digest.update(ZEROS.getBytes(StandardCharsets.UTF_8));
    update(digest, bytes.asSlice(PLACE + 64));
    String found = HexFormat.of().formatHex(digest.digest());
    byte[] stored = bytes.asSlice(PLACE, 64).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    if (!found.equals(new String(stored, StandardCharsets.ISO_8859_1))) {
      throw new FileException(
          file, "damaged: its bytes have SHA-256 %s, not the one that it names".formatted(found));
    }
  }

  private static void update(MessageDigest digest, MemorySegment bytes) {
    for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
      digest.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer());
    }
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
