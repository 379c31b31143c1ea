package dev.theriac.io;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
import dev.theriac.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Supplier;

/**
 * Tensors in the safetensors format: one file, or a directory with {@code model.safetensors} or
 * with shards and their {@code model.safetensors.index.json}. Reading maps the files, as {@link
 * Weights} says; writing is atomic. Thread-safe.
 *
 * @see <a href="https://huggingface.co/docs/safetensors">The format</a>
 */
public final class SafeTensors extends Weights {
  private SafeTensors(Path path, Map<String, String> metadata) {
    super(path, metadata);
  }

  static boolean isIn(Path directory) {
    return Files.exists(directory.resolve(SafeTensorsWriter.SINGLE))
        || Files.exists(directory.resolve(SafeTensorsWriter.INDEX));
  }

  /**
   * Opens a file, a shard index, or a directory that holds either.
   *
   * @throws FileException when it is missing or malformed in any way; nothing is read on trust
   */
  public static SafeTensors open(Path path) {
    if (Files.isDirectory(path)) {
      Path single = path.resolve(SafeTensorsWriter.SINGLE);
      if (Files.exists(single)) return openFile(single, map(single));
      Path index = path.resolve(SafeTensorsWriter.INDEX);
      if (Files.exists(index)) return openIndex(index);
      throw new FileException(
          path,
          "no model here: neither %s nor %s"
              .formatted(SafeTensorsWriter.SINGLE, SafeTensorsWriter.INDEX));
    }
    return isIndex(path) ? openIndex(path) : openFile(path, map(path));
  }

  private static SafeTensors openFile(Path file, MemorySegment bytes) {
    SafeTensorsHeader header = SafeTensorsHeader.parse(file, bytes);
    SafeTensors out = new SafeTensors(file, header.metadata());
    header
        .entries()
        .values()
        .forEach(e ->
            out.put(
                new Stored(
                    e,
                    ElementType.of(e.dtype()),
                    bytes.asSlice(e.offset(), e.bytes()),
                    Layout.contiguous(e.shape()),
                    false)));
    return out;
  }

  private static SafeTensors openIndex(Path index) {
    ShardIndex shards = ShardIndex.read(index);
    SafeTensors out = new SafeTensors(index, shards.metadata());
    out.putShards(shards, shard -> openFile(shard, map(shard)));
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
   * A model that was there before stays complete until the new one is, and is then removed, also
   * where it is {@code pytorch_model.bin} or shards of it: beside new weights it would be another
   * model, which tools that prefer it would read.
   */
  public static void writeModel(
      Path directory, Map<String, Tensor> tensors, Map<String, String> metadata, long maxBytes) {
    SafeTensorsWriter.writeModel(
        directory, SafeTensorsWriter.sources(tensors), metadata, maxBytes, false);
  }

  /**
   * A tensor that is made when its turn to be written has come, and freed then: so a model that is
   * larger than memory can be written.
   *
   * @param shape sizes, outermost first
   * @param tensor makes it, of that type and shape
   */
  public record Source(DType dtype, long[] shape, Supplier<Tensor> tensor) {
    /** One that is there. */
    public static Source of(Tensor tensor) {
      return new Source(tensor.dtype(), tensor.shape(), () -> tensor);
    }

    long bytes() {
      long bytes = dtype.bytes();
      for (long size : shape) bytes = Math.multiplyExact(bytes, size);
      return bytes;
    }

    /** Makes it, in the current scope. */
    Tensor make(String key) {
      Tensor made = tensor.get();
      if (made.dtype() != dtype || !Arrays.equals(made.shape(), shape)) {
        throw new IllegalStateException(
            "safetensors: tensor %s was announced as %s%s, made was %s%s"
                .formatted(key, dtype, Arrays.toString(shape), made.dtype(), made.layout()));
      }
      return made;
    }
  }

  /**
   * As {@link #writeModel}, of tensors that are made one after the other. In each file those of
   * whole multiples of 64 bytes come first and begin at such multiples, as wide loads from the
   * mapped file like it; the others follow in the order of the reference writer.
   */
  public static void writeSources(
      Path directory,
      SequencedMap<String, Source> sources,
      Map<String, String> metadata,
      long maxBytes) {
    SafeTensorsWriter.writeModel(directory, sources, metadata, maxBytes, true);
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
    MemorySegment bytes = map(file);
    SafeTensors opened = openFile(file, bytes);
    Checksum.verify(file, bytes);
    return opened;
  }

  /** The bytes of a contiguous tensor in host memory. */
  static MemorySegment bytes(Tensor t) {
    return dev.theriac.tensor.Host.ALL.asSlice(t.strided().address(), t.size() * t.dtype().bytes());
  }
}
