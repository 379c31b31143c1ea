package dev.theriac.io;

import dev.theriac.tensor.Tensor;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.CheckedInputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Reads NumPy's {@code .npz} (stored or deflated) and {@code .npy}. Element types become U8, I8,
 * BOOL, I32, I64, F16 and F32; float64 is rounded to F32; others are refused by name. An array in
 * Fortran order comes as a transposed view. Tensors are copies, owned by the current scope.
 */
public final class Npz implements AutoCloseable {
  /** Deflate cannot shrink further than this; whoever claims more lies. */
  private static final long MAX_RATIO = 1032;

  private final Path file;
  private final ZipFile zip;

  private Npz(Path file, ZipFile zip) {
    this.file = file;
    this.zip = zip;
  }

  /**
   * Opens an archive; arrays are read when asked for.
   *
   * @throws FileException when it is missing or not a zip file
   */
  public static Npz open(Path file) {
    if (!Files.exists(file)) throw new FileException(file, "no such file");
    try {
      return new Npz(file, new ZipFile(file.toFile()));
    } catch (IOException e) {
      throw new FileException(file, "not a readable .npz file: " + e.getMessage(), e);
    }
  }

  /** Every array of an archive by name. */
  public static Map<String, Tensor> read(Path file) {
    try (Npz npz = open(file)) {
      Map<String, Tensor> out = new LinkedHashMap<>();
      for (String name : npz.names()) out.put(name, npz.get(name));
      return out;
    }
  }

  /** The array of a {@code .npy} file. */
  public static Tensor readNpy(Path file) {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
      return new NpyReader(file, "", in, Files.size(file)).read();
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  /** Names of the arrays, without {@code .npy}, in the archive's order. */
  public List<String> names() {
    return zip.stream()
        .map(ZipEntry::getName)
        .filter(n -> n.endsWith(".npy"))
        .map(n -> n.substring(0, n.length() - 4))
        .toList();
  }

  /**
   * One array.
   *
   * @throws FileException when there is none of that name, or it is damaged or of another type
   */
  public Tensor get(String name) {
    ZipEntry entry = zip.getEntry(name + ".npy");
    if (entry == null) {
      throw new FileException(file, "no array \"%s\"; there are %s".formatted(name, names()));
    }
    String what = "array \"" + name + "\": ";
    if (entry.getSize() > MAX_RATIO * entry.getCompressedSize() + 64) {
      throw new FileException(
          file,
          "%s%d bytes cannot come from %d compressed ones"
              .formatted(what, entry.getSize(), entry.getCompressedSize()));
    }
    CRC32 crc = new CRC32();
    Tensor t = null;
    try (InputStream in = new CheckedInputStream(zip.getInputStream(entry), crc)) {
      t = new NpyReader(file, what, in, entry.getSize()).read();
      if (in.read() >= 0) throw new FileException(file, what + "longer than it says");
      if (crc.getValue() != entry.getCrc()) {
        throw new FileException(
            file,
            "%sdamaged: CRC %08x, should be %08x".formatted(what, crc.getValue(), entry.getCrc()));
      }
      return t;
    } catch (IOException e) {
      if (t != null) t.close();
      throw new FileException(file, what + "cannot be read: " + e.getMessage(), e);
    } catch (FileException e) {
      if (t != null) t.close();
      throw e;
    }
  }

  @Override
  public void close() {
    try {
      zip.close();
    } catch (IOException e) {
      throw new FileException(file, "cannot be closed: " + e.getMessage(), e);
    }
  }
}
