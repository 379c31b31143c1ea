package dev.theriac.io;

import dev.theriac.io.SafeTensors.Source;
import dev.theriac.op.Autograd;
import dev.theriac.tensor.Device;
import dev.theriac.tensor.Scope;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.lang.ref.Reference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;

/** The writing half of {@link SafeTensors}. */
final class SafeTensorsWriter {
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";

  private SafeTensorsWriter() {}

  /** In the map's order, or by key when it has none of its own. */
  static SequencedMap<String, Source> sources(Map<String, Tensor> tensors) {
    SequencedMap<String, Source> out = new LinkedHashMap<>();
    SafeTensorsHeader.ordered(tensors).forEach((key, t) -> out.put(key, Source.of(t)));
    return out;
  }

  static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
    write(file, sources(tensors), metadata, false);
  }

  /**
   * {@code aligned} puts what can be at multiples of {@value SafeTensorsHeader#ALIGNMENT} bytes.
   */
  private static void write(
      Path file,
      SequencedMap<String, Source> tensors,
      Map<String, String> metadata,
      boolean aligned) {
    List<String> order = SafeTensorsHeader.order(tensors, aligned);
    byte[] header = SafeTensorsHeader.format(file, tensors, order, metadata, aligned);
    AtomicFile.write(
        file,
        out -> {
          out.write(header);
          for (String key : order) {
            try (Scope _ = Scope.open()) {
              writeTensor(out, tensors.get(key).make(key));
            }
          }
        });
  }

  static void writeTensor(AtomicFile.Output out, Tensor t) throws IOException {
    try (Scope _ = Scope.open()) {
      Tensor rowMajor = Autograd.noGrad(() -> t.contiguous().to(Device.CPU));
      out.write(SafeTensors.bytes(rowMajor));
      Reference.reachabilityFence(rowMajor);
    }
  }

  static void writeModel(
      Path directory,
      SequencedMap<String, Source> tensors,
      Map<String, String> given,
      long maxBytes,
      boolean aligned) {
    // Metadata that was read from an index has the size of that model.
    Map<String, String> metadata = new LinkedHashMap<>(SafeTensorsHeader.ordered(given));
    metadata.remove(ShardIndex.TOTAL);
    Path single = directory.resolve(SINGLE);
    Path index = directory.resolve(INDEX);
    Set<String> old = new LinkedHashSet<>();
    if (Files.exists(index)) old.addAll(shardsOf(index));
    // An index may name any file, the one that is written now too.
    old.removeIf(name -> !name.endsWith(".safetensors") || name.equals(SINGLE));
    List<SequencedMap<String, Source>> parts = split(tensors, maxBytes);
    if (parts.size() == 1) {
      write(single, tensors, metadata, aligned);
      remove(directory, List.of(INDEX));
      remove(directory, old);
      removeTorch(directory);
      return;
    }
    Map<String, String> files = new LinkedHashMap<>();
    long total = 0;
    String stem = freeStem(directory, parts.size());
    for (int i = 0; i < parts.size(); i++) {
      String name = shardName(stem, i, parts.size());
      try {
        write(directory.resolve(name), parts.get(i), metadata, aligned);
      } catch (RuntimeException e) {
        // Gigabytes that nothing refers to would stay, on a disk that is full perhaps.
        discard(directory, files.values());
        throw e;
      }
      for (Map.Entry<String, Source> e : parts.get(i).entrySet()) {
        files.put(e.getKey(), name);
        total += e.getValue().bytes();
      }
    }
    AtomicFile.write(index, new ShardIndex(metadata, files).json(total));
    // Readers prefer the single file, so its removal is the step that makes the shards the model.
    remove(directory, List.of(SINGLE));
    old.removeAll(files.values());
    remove(directory, old);
    removeTorch(directory);
  }

  /**
   * The same model as PyTorch's files, which would be of an older one from now on. Readers prefer
   * safetensors, but not all of them do.
   */
  private static void removeTorch(Path directory) {
    Path index = directory.resolve(PyTorchFile.INDEX);
    Set<String> shards = new LinkedHashSet<>();
    if (Files.exists(index)) shards.addAll(shardsOf(index));
    shards.removeIf(name -> !name.endsWith(".bin"));
    remove(directory, List.of(PyTorchFile.SINGLE, PyTorchFile.INDEX));
    remove(directory, shards);
  }

  private static Set<String> shardsOf(Path index) {
    try {
      return ShardIndex.read(index).shards();
    } catch (FileException e) {
      // A damaged index names nothing that could be removed; it is replaced all the same.
      return Set.of();
    }
  }

  private static List<SequencedMap<String, Source>> split(
      SequencedMap<String, Source> tensors, long maxBytes) {
    List<SequencedMap<String, Source>> parts = new ArrayList<>();
    parts.add(new LinkedHashMap<>());
    long filled = 0;
    for (Map.Entry<String, Source> e : tensors.entrySet()) {
      long bytes = e.getValue().bytes();
      if (!parts.getLast().isEmpty() && filled + bytes > maxBytes) {
        parts.add(new LinkedHashMap<>());
        filled = 0;
      }
      parts.getLast().put(e.getKey(), e.getValue());
      filled += bytes;
    }
    return parts;
  }

  /**
   * "model", or with a number when shards of that name exist: a live model is never overwritten.
   */
  private static String freeStem(Path directory, int parts) {
    String stem = "model";
    for (int n = 2; ; n++) {
      boolean taken = false;
      for (int i = 0; i < parts; i++) {
        taken |= Files.exists(directory.resolve(shardName(stem, i, parts)));
      }
      if (!taken) return stem;
      stem = "model-" + n;
    }
  }

  private static String shardName(String stem, int part, int parts) {
    return "%s-%05d-of-%05d.safetensors".formatted(stem, part + 1, parts);
  }

  private static void discard(Path directory, Iterable<String> names) {
    try {
      remove(directory, names);
    } catch (FileException e) {
      // What led here matters more.
    }
  }

  private static void remove(Path directory, Iterable<String> names) {
    for (String name : names) {
      try {
        Files.deleteIfExists(directory.resolve(name));
      } catch (IOException e) {
        throw new FileException(
            directory.resolve(name),
            "belongs to an older model and cannot be removed: %s; remove it".formatted(e),
            e);
      }
    }
    AtomicFile.syncDirectory(directory);
  }
}
