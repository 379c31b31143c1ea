package dev.theriac.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/**
 * {@code model.safetensors.index.json} and its like: which shard holds which tensor.
 *
 * @param metadata what the writer added, values as text
 * @param files from key to file name, in file order
 */
record ShardIndex(Map<String, String> metadata, Map<String, String> files) {
  /** The metadata that every index has: bytes of all tensors. */
  static final String TOTAL = "total_size";

  private static final long MAX_BYTES = 100_000_000;

  static ShardIndex read(Path index) {
    byte[] bytes;
    try {
      if (Files.size(index) > MAX_BYTES) {
        throw new FileException(
            index, "%d bytes of index; allowed are %d".formatted(Files.size(index), MAX_BYTES));
      }
      bytes = Files.readAllBytes(index);
    } catch (IOException e) {
      throw new FileException(index, "cannot be read: " + e.getMessage(), e);
    }
    Object root = Json.parse(index, "index", ByteBuffer.wrap(bytes));
    Map<?, ?> map = SafeTensorsHeader.object(index, "index", root);
    Map<String, String> files =
        SafeTensorsHeader.strings(index, "weight_map", map.get("weight_map"));
    files.forEach((key, name) -> {
      if (!isPlainName(name)) {
        throw new FileException(
            index,
            "weight_map: tensor \"%s\" is in \"%s\", which is not a plain file name"
                .formatted(key, name));
      }
    });
    Map<String, String> metadata = new LinkedHashMap<>();
    if (map.get("metadata") != null) {
      SafeTensorsHeader.object(index, "metadata", map.get("metadata"))
          .forEach((k, v) -> metadata.put((String) k, String.valueOf(v)));
    }
    return new ShardIndex(metadata, files);
  }

  /** A name with a path in it could reach any file of the machine. */
  private static boolean isPlainName(String name) {
    if (name.isEmpty() || name.contains("/") || name.contains("\\") || name.startsWith(".")) {
      return false;
    }
    try {
      return Path.of(name).getNameCount() == 1;
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /** The names of the shards. */
  Set<String> shards() {
    return new LinkedHashSet<>(files.values());
  }

  String json(long totalBytes) {
    StringBuilder out = new StringBuilder("{\n  \"metadata\": {\n    ");
    out.append(Json.quote(TOTAL)).append(": ").append(totalBytes);
    metadata.forEach(
        (k, v) -> out.append(",\n    ").append(Json.quote(k)).append(": ").append(Json.quote(v)));
    out.append("\n  },\n  \"weight_map\": {");
    String comma = "\n    ";
    for (Map.Entry<String, String> e : files.entrySet()) {
      out.append(comma)
          .append(Json.quote(e.getKey()))
          .append(": ")
          .append(Json.quote(e.getValue()));
      comma = ",\n    ";
    }
    return out.append("\n  }\n}\n").toString();
  }
}
