package dev.theriac.io;

import dev.theriac.tensor.DType;
import dev.theriac.tensor.Layout;
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
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Named tensors in files of any format that is read: {@link SafeTensors} or {@link PyTorchFile},
 * one file or shards with an index. Files are mapped into memory: nothing is copied, tensors are
 * read-only views of the mapping, pages are loaded when touched, and a mapping is given back when
 * the garbage collector finds no tensor of it. A file must not be truncated while it is mapped;
 * {@link AtomicFile} never does that. Thread-safe.
 */
public abstract sealed class Weights permits SafeTensors, PyTorchFile, PartialWeights {
  private static final Set<String> FLOATING = Set.of("F32", "BF16", "F16", "F64");

  private final Path path;
  private final Map<String, String> metadata;
  private final Map<String, Stored> tensors = new LinkedHashMap<>();

  /**
   * What a file says of one tensor.
   *
   * @param file the file that holds it
   * @param key its name
   * @param dtype element type as safetensors spells it: one of {@link DType}, or another, which
   *     {@link #get} converts or refuses
   * @param shape sizes, outermost first
   * @param offset in the file, of the first byte of the element at index 0
   * @param bytes size of all elements; a view in which elements repeat has fewer in the file
   */
  public record Entry(Path file, String key, String dtype, long[] shape, long offset, long bytes) {
    /** Type and shape, such as {@code F32[2, 3]}. */
    public String describe() {
      return dtype + Arrays.toString(shape);
    }
  }

  /**
   * An entry and its bytes, from the first to the last that its elements touch.
   *
   * @param layout at offset 0
   */
  record Stored(
      Entry entry, ElementType type, MemorySegment bytes, Layout layout, boolean bigEndian) {
    /** True when a tensor of it is a view of the file. */
    boolean isMapped() {
      return type.isMapped(bigEndian);
    }
  }

  Weights(Path path, Map<String, String> metadata) {
    this.path = path;
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /**
   * Opens a file, a shard index or a model directory. Of several models in a directory the first of
   * {@code model.safetensors}, its index, {@code pytorch_model.bin}, its index is taken, as
   * transformers does; of a file its contents decide, whatever it is called.
   *
   * @throws FileException when it is missing or malformed in any way; nothing is read on trust
   */
  public static Weights open(Path path) {
    if (Files.isDirectory(path)) {
      if (SafeTensors.isIn(path)) return SafeTensors.open(path);
      if (PyTorchFile.isIn(path)) return PyTorchFile.open(path);
      throw new FileException(
          path,
          "no model here: none of %s, %s, %s and %s"
              .formatted(
                  SafeTensorsWriter.SINGLE,
                  SafeTensorsWriter.INDEX,
                  PyTorchFile.SINGLE,
                  PyTorchFile.INDEX));
    }
    if (isIndex(path)) {
      boolean safe =
          ShardIndex.read(path).shards().stream().allMatch(s -> s.endsWith(".safetensors"));
      return safe ? SafeTensors.open(path) : PyTorchFile.open(path);
    }
    return PyTorchFile.looksLike(map(path)) ? PyTorchFile.open(path) : SafeTensors.open(path);
  }

  static boolean isIndex(Path path) {
    return path.toString().endsWith(".index.json");
  }

  static MemorySegment map(Path file) {
    try (FileChannel channel = FileChannel.open(file)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file", e);
    } catch (IOException | UnsupportedOperationException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
  }

  final void put(Stored stored) {
    tensors.put(stored.entry.key, stored);
  }

  /** Takes a tensor of other weights. */
  final void put(Weights from, String key) {
    put(from.tensors.get(key));
  }

  /** Takes what the index names: a tensor that only a shard names is not seen. */
  final void putShards(ShardIndex shards, Function<Path, Weights> opener) {
    Map<String, Weights> open = new LinkedHashMap<>();
    shards
        .files()
        .forEach((key, name) -> {
          Path file = path.resolveSibling(name);
          if (!Files.exists(file)) {
            throw new FileException(
                path,
                "tensor \"%s\" is in %s, which is missing; download it too".formatted(key, name));
          }
          Stored stored = open.computeIfAbsent(name, _ -> opener.apply(file)).tensors.get(key);
          if (stored == null) {
            throw new FileException(
                path, "tensor \"%s\" should be in %s, but is not".formatted(key, name));
          }
          put(stored);
        });
  }

  private Stored find(String key) {
    Stored stored = tensors.get(key);
    if (stored == null) {
      throw new FileException(
          path, "no tensor \"%s\" among the %d here%s".formatted(key, tensors.size(), near(key)));
    }
    return stored;
  }

  private String near(String key) {
    String tail = key.substring(key.lastIndexOf('.', Math.max(0, key.lastIndexOf('.') - 1)) + 1);
    return tensors.keySet().stream()
        .filter(k -> k.endsWith(tail))
        .findFirst()
        .map(k -> "; there is \"" + k + "\"")
        .orElse("");
  }

  /** The file or index that was opened. */
  public final Path path() {
    return path;
  }

  /** Strings that the writer added, in file order; of the index when sharded. */
  public final Map<String, String> metadata() {
    return metadata;
  }

  /** Names of the tensors in file order. */
  public final Set<String> keys() {
    return Collections.unmodifiableSet(tensors.keySet());
  }

  /**
   * What the file says of a tensor.
   *
   * @throws FileException when there is none of that name; names one that is like it
   */
  public final Entry entry(String key) {
    return find(key).entry;
  }

  /**
   * The type that the tensor of {@link #get(String)} has, without making it.
   *
   * @throws FileException as {@link #get(String)}
   */
  public final DType dtype(String key) {
    Stored stored = find(key);
    requireType(stored);
    return stored.type.dtype();
  }

  /**
   * A tensor: zero copy and read-only where {@link DType} has its element type; else converted to a
   * copy that the current scope owns: I16 and U16 to I32, U32 to I64, and F64 to F32, rounded to
   * nearest even. Files that a big-endian machine wrote are copied too.
   *
   * @throws FileException when there is none, or no type holds its elements (U64, complex numbers,
   *     floats of 8 bits or fewer)
   */
  public final Tensor get(String key) {
    Stored stored = find(key);
    requireType(stored);
    return stored.type.tensor(
        stored.bytes, stored.layout, stored.bigEndian, stored.entry.file.getFileName() + ":" + key);
  }

  private static void requireType(Stored stored) {
    Entry entry = stored.entry;
    if (stored.type.dtype() == null) {
      throw new FileException(
          entry.file,
          "tensor \"%s\" is %s, which cannot be computed with; convert it to one of %s"
              .formatted(entry.key, entry.describe(), Arrays.toString(DType.values())));
    }
  }

  /**
   * A tensor of which the type that {@link #get(String)} gives and the shape are known.
   *
   * @throws FileException as {@link #get(String)}, and when the file has another; names key and
   *     both
   */
  public final Tensor get(String key, DType dtype, long... shape) {
    Stored stored = find(key);
    if (stored.type.dtype() != dtype || !Arrays.equals(stored.entry.shape, shape)) {
      throw new FileException(
          stored.entry.file,
          "tensor \"%s\" is %s, the model needs %s%s; does the file belong to this model?"
              .formatted(key, stored.entry.describe(), dtype, Arrays.toString(shape)));
    }
    return get(key);
  }

  /**
   * Checks that the tensors are those of a model, before one of its size is made.
   *
   * @param shapes of each that is wanted, by its key
   * @param ignored keys that may be there too, and are not looked at
   * @throws FileException when one is missing, unknown, of another shape or not floating; names one
   *     of each and how many there are
   */
  public final void expect(Map<String, long[]> shapes, Predicate<String> ignored) {
    TreeSet<String> missing = new TreeSet<>(shapes.keySet());
    missing.removeAll(tensors.keySet());
    TreeSet<String> extra = new TreeSet<>(tensors.keySet());
    extra.removeAll(shapes.keySet());
    extra.removeIf(ignored);
    if (!missing.isEmpty() || !extra.isEmpty()) {
      throw new FileException(
          path,
          "not the tensors that config.json describes: %s, %s"
              .formatted(some(missing, "missing"), some(extra, "unknown")));
    }
    shapes.forEach((key, shape) -> {
      Entry entry = entry(key);
      if (!FLOATING.contains(entry.dtype) || !Arrays.equals(entry.shape, shape)) {
        throw new FileException(
            entry.file,
            "tensor \"%s\" is %s, config.json describes F32%s (or BF16, F16)"
                .formatted(key, entry.describe(), Arrays.toString(shape)));
      }
    });
  }

  private static String some(TreeSet<String> keys, String what) {
    if (keys.isEmpty()) return "none " + what;
    return "%d %s, such as \"%s\"".formatted(keys.size(), what, keys.first());
  }

  /** Every tensor, in file order. */
  public final Map<String, Tensor> tensors() {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (String key : tensors.keySet()) out.put(key, get(key));
    return out;
  }
}
