package dev.theriac.io;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/** Archives as torch.save writes them, with other contents. */
final class TorchZip {
  private TorchZip() {}

  /** The entries of an archive. */
  static Map<String, byte[]> entries(Path zip) throws IOException {
    Map<String, byte[]> out = new LinkedHashMap<>();
    try (ZipFile in = new ZipFile(zip.toFile())) {
      for (ZipEntry e : in.stream().toList()) {
        out.put(e.getName(), in.getInputStream(e).readAllBytes());
      }
    }
    return out;
  }

  /** An archive of these entries, stored, with the checksums that they have. */
  static byte[] of(Map<String, byte[]> entries) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream out = new ZipOutputStream(bytes)) {
      out.setMethod(ZipOutputStream.STORED);
      for (Map.Entry<String, byte[]> e : entries.entrySet()) {
        ZipEntry entry = new ZipEntry(e.getKey());
        CRC32 crc = new CRC32();
        crc.update(e.getValue());
        entry.setCrc(crc.getValue());
        entry.setSize(e.getValue().length);
        out.putNextEntry(entry);
        out.write(e.getValue());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  /** The same archive with another entry of that name. */
  static byte[] with(Map<String, byte[]> entries, String name, byte[] other) {
    Map<String, byte[]> changed = new LinkedHashMap<>(entries);
    changed.put(name, other);
    return of(changed);
  }
}
