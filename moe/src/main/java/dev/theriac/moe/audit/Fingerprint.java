package dev.theriac.moe.audit;

import dev.theriac.nn.Module;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Host;
import dev.theriac.tensor.QuantisedMatrix;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.TreeMap;

/**
 * A SHA-256 over named values, by which a trail tells what it was recorded from. Each value is
 * preceded by its name, its kind and its size, so that no two different sequences of values give
 * the same bytes; numbers are little-endian. For one thread.
 */
public final class Fingerprint {
  private static final int CHUNK = 1 << 20;

  private final MessageDigest digest = sha256();

  /** An empty one. */
  public Fingerprint() {}

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  /** Of all parameters of a module, by path; equal weights give equal hashes in any process. */
  public static String of(Module module) {
    return new Fingerprint().add("", module).hex();
  }

  public Fingerprint add(String name, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    begin(name, "text", bytes.length);
    digest.update(bytes);
    return this;
  }

  public Fingerprint add(String name, int[] values) {
    begin(name, "i32", values.length);
    ByteBuffer buffer = littleEndian(values.length, Integer.BYTES);
    for (int v : values) flushed(buffer).putInt(v);
    return finish(buffer);
  }

  public Fingerprint add(String name, float[] values) {
    begin(name, "f32", values.length);
    ByteBuffer buffer = littleEndian(values.length, Float.BYTES);
    for (float v : values) flushed(buffer).putInt(Float.floatToRawIntBits(v));
    return finish(buffer);
  }

  /** Adds dtype, shape and bytes of a tensor, on whichever device. */
  public Fingerprint add(String name, Tensor tensor) {
    try (Scope _ = Scope.open()) {
      Tensor t = Autograd.noGrad(() -> tensor.detach().contiguous().to(Device.CPU));
      begin(name, t.dtype().name() + Arrays.toString(t.shape()), t.size());
      MemorySegment bytes = Host.ALL.asSlice(t.strided().address(), t.size() * t.dtype().bytes());
      for (long at = 0; at < bytes.byteSize(); at += CHUNK) {
        digest.update(bytes.asSlice(at, Math.min(CHUNK, bytes.byteSize() - at)).asByteBuffer());
      }
    }
    return this;
  }

  /**
   * Adds every parameter of a module, {@code prefix} before its path, in the order of the paths; of
   * quantised ones each matrix, with its format and size.
   */
  public Fingerprint add(String prefix, Module module) {
    new TreeMap<>(module.parameters())
        .forEach((path, p) -> {
          String name = prefix + path;
          if (!p.isQuantised()) add(name, p.value());
          for (QuantisedMatrix m : p.quantised()) add(name + " " + m, m.bytes());
        });
    return this;
  }

  /** The hash so far, 64 hexadecimal digits; ends this object's use. */
  public String hex() {
    return HexFormat.of().formatHex(digest.digest());
  }

  private void begin(String name, String kind, long size) {
    byte[] head =
        "%d %s %s %d\n".formatted(name.length(), name, kind, size).getBytes(StandardCharsets.UTF_8);
    digest.update(head);
  }

  private static ByteBuffer littleEndian(int count, int width) {
    int size = (int) Math.min(CHUNK, Math.max(8, (long) count * width));
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private ByteBuffer flushed(ByteBuffer buffer) {
    if (buffer.remaining() < Long.BYTES) finish(buffer);
    return buffer;
  }

  private Fingerprint finish(ByteBuffer buffer) {
    digest.update(buffer.flip());
    buffer.clear();
    return this;
  }
}
