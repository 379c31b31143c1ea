package dev.theriac.io;

import dev.theriac.tensor.CpuStorage;
import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Strided;
import dev.theriac.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Tensors in the safetensors format: one file, or a directory with {@code model.safetensors} or
 * with shards and their {@code model.safetensors.index.json}. Reading maps the files into memory:
 * nothing is copied, tensors are read-only views of the mapping, pages are loaded when touched, and
 * a mapping is given back when the garbage collector finds no tensor of it. A file must not be
 * truncated while it is mapped; {@link AtomicFile} never does that. Thread-safe.
 *
 * @see <a href="https://huggingface.co/docs/safetensors">The format</a>
 */
public final class SafeTensors {
  private final Path path;
  private final Map<String, String> metadata;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<Path, MemorySegment> mapped = new LinkedHashMap<>();

  /**
   * What a header says of one tensor.
   *
   * @param file the file that holds it
   * @param key its name
   * @param dtype element type as the file spells it; {@link #get} takes those of {@link DType}
   * @param shape sizes, outermost first
   * @param offset first byte in the file
   * @param bytes length
   */
  public record Entry(Path file, String key, String dtype, long[] shape, long offset, long bytes) {
    /** Type and shape, such as {@code F32[2, 3]}. */
    public String describe() {
      return dtype + Arrays.toString(shape);
    }
  }

  private SafeTensors(Path path, Map<String, String> metadata) {
    this.path = path;
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /**
   * Opens a file, a shard index, or a directory that holds either.
   *
   * @throws FileException when it is missing or malformed in any way; nothing is read on trust
   */
  public static SafeTensors open(Path path) {
    if (Files.isDirectory(path)) {
      Path single = path.resolve(SafeTensorsWriter.SINGLE);
      if (Files.exists(single)) return openFile(single);
      Path index = path.resolve(SafeTensorsWriter.INDEX);
      if (Files.exists(index)) return openIndex(index);
      throw new FileException(
          path,
          "no model here: neither %s nor %s"
              .formatted(SafeTensorsWriter.SINGLE, SafeTensorsWriter.INDEX));
    }
    return path.toString().endsWith(".index.json") ? openIndex(path) : openFile(path);
  }

  private static SafeTensors openFile(Path file) {
    MemorySegment bytes = map(file);
    SafeTensorsHeader header = SafeTensorsHeader.parse(file, bytes);
    SafeTensors out = new SafeTensors(file, header.metadata());
    out.mapped.put(file, bytes);
    out.entries.putAll(header.entries());
    return out;
  }

  /** The index decides what exists: a tensor that only a shard names is not seen. */
  private static SafeTensors openIndex(Path index) {
    ShardIndex shards = ShardIndex.read(index);
    SafeTensors out = new SafeTensors(index, shards.metadata());
    Map<String, SafeTensorsHeader> headers = new LinkedHashMap<>();
    shards
        .files()
        .forEach((key, name) -> {
          Path shard = index.resolveSibling(name);
          SafeTensorsHeader header =
              headers.computeIfAbsent(
                  name,
                  n -> {
                    if (!Files.exists(shard)) {
                      throw new FileException(
                          index,
                          "tensor \"%s\" is in %s, which is missing; download it too"
                              .formatted(key, name));
                    }
                    MemorySegment bytes = map(shard);
                    out.mapped.put(shard, bytes);
                    return SafeTensorsHeader.parse(shard, bytes);
                  });
          Entry entry = header.entries().get(key);
          if (entry == null) {
            throw new FileException(
                index, "tensor \"%s\" should be in %s, but is not".formatted(key, name));
          }
          out.entries.put(key, entry);
        });
    return out;
  }

  static MemorySegment map(Path file) {
    try (FileChannel channel = FileChannel.open(file)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  /** The file or index that was opened. */
  public Path path() {
    return path;
  }

  /** Strings that the writer added, in file order; of the index when sharded. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** Names of the tensors in file order. */
  public Set<String> keys() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  /** What the header says of a tensor. */
  public Entry entry(String key) {
    Entry entry = entries.get(key);
    if (entry == null) {
      throw new FileException(
          path, "no tensor \"%s\" among the %d here%s".formatted(key, entries.size(), near(key)));
    }
    return entry;
  }

  private String near(String key) {
    String tail = key.substring(key.lastIndexOf('.', Math.max(0, key.lastIndexOf('.') - 1)) + 1);
    return entries.keySet().stream()
        .filter(k -> k.endsWith(tail))
        .findFirst()
        .map(k -> "; there is \"" + k + "\"")
        .orElse("");
  }

  /**
   * A tensor, zero copy and read-only.
   *
   * @throws FileException when there is none, or its dtype is not one of {@link DType}
   */
  public Tensor get(String key) {
    Entry entry = entry(key);
    DType dtype;
    try {
      dtype = DType.valueOf(entry.dtype);
    } catch (IllegalArgumentException e) {
      throw new FileException(
          entry.file,
          "tensor \"%s\" is %s, which cannot be computed with; convert it to one of %s"
              .formatted(key, entry.describe(), Arrays.toString(DType.values())),
          e);
    }
    MemorySegment bytes = mapped.get(entry.file).asSlice(entry.offset, entry.bytes);
    CpuStorage storage = CpuStorage.wrap(bytes, entry.file.getFileName() + ":" + key);
    return Tensor.wrap(new Strided(storage, dtype, Layout.contiguous(entry.shape)));
  }

  /**
   * A tensor of which type and shape are known.
   *
   * @throws FileException as {@link #get(String)}, and when it is another; names key and both
   */
  public Tensor get(String key, DType dtype, long... shape) {
    Entry entry = entry(key);
    if (!entry.dtype.equals(dtype.name()) || !Arrays.equals(entry.shape, shape)) {
      throw new FileException(
          entry.file,
          "tensor \"%s\" is %s, the model needs %s%s; does the file belong to this model?"
              .formatted(key, entry.describe(), dtype, Arrays.toString(shape)));
    }
    return get(key);
  }

  /** Every tensor, in file order. */
  public Map<String, Tensor> tensors() {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (String key : entries.keySet()) out.put(key, get(key));
    return out;
  }

  /**
   * Writes one file, atomically. The order of the tensors in it is that of the reference writer (by
   * element size, then by key), so equal contents give equal bytes.
   *
   * @param metadata strings to store along, in this order, or by key when the map has none; Hugging
   *     Face tools want "format" = "pt"
   * @throws FileException when it cannot be written; an earlier file is then intact
   */
  public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
    SafeTensorsWriter.write(file, tensors, metadata);
  }

  /**
   * Writes a model directory: {@code model.safetensors}, or shards and their index when there are
   * more than {@code maxBytes} of data, filled in the order of the map, or by key when it has none.
   * A model that was there before stays complete until the new one is, and is then removed.
   */
  public static void writeModel(
      Path directory, Map<String, Tensor> tensors, Map<String, String> metadata, long maxBytes) {
    SafeTensorsWriter.writeModel(directory, tensors, metadata, maxBytes);
  }

  /** As {@link #write}, with a SHA-256 of the whole file in its metadata. */
  public static void writeChecked(
      Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
    Checksum.write(file, tensors, metadata);
  }

  /**
   * As {@link #open} for a file of {@link #writeChecked}, but reads all of it and compares.
   *
   * @throws FileException when there is no checksum or a byte differs
   */
  public static SafeTensors openChecked(Path file) {
    SafeTensors opened = openFile(file);
    Checksum.verify(file, opened.mapped.get(file));
    return opened;
  }

  /** The bytes of a contiguous tensor in host memory. */
  static MemorySegment bytes(Tensor t) {
    return dev.theriac.tensor.Host.ALL.asSlice(t.strided().address(), t.size() * t.dtype().bytes());
  }
}
