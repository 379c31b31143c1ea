package dev.theriac.io;

import dev.theriac.tensor.Layout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Tensors in the zip files that {@code torch.save} writes since PyTorch 1.6 ({@code .pt}, {@code
 * .pth}, {@code .bin}), or in shards of them with an index. Nothing in such a file is executed: its
 * pickle is read as data, and a name in it that stands for anything but tensors and plain
 * containers is an error that says so. Thread-safe.
 *
 * <p>A state dict gives its own keys. In nested containers the keys and indices on the way to a
 * tensor are joined by dots ({@code optimizer.state.0.exp_avg}); a lone tensor has the empty key.
 * {@link #metadata} holds the numbers, texts, and other plain values beside them under the same
 * kind of path; byte strings, attributes and hooks of tensors are left out. Tensors that share a
 * storage, whatever their strides, are views of the same mapped bytes.
 *
 * @see <a href="https://docs.pytorch.org/docs/stable/notes/serialization.html">The format</a>
 */
public final class PyTorchFile extends Weights {
  static final String SINGLE = "pytorch_model.bin";
  static final String INDEX = "pytorch_model.bin.index.json";

  /** Bytes converted for each byte of the file: any number of tensors may share a storage. */
  private static final long MAX_CONVERTED = 8;

  private PyTorchFile(Path path, Map<String, String> metadata) {
    super(path, metadata);
  }

  static boolean isIn(Path directory) {
    return Files.exists(directory.resolve(SINGLE)) || Files.exists(directory.resolve(INDEX));
  }

  /** True for a zip file, and for what PyTorch wrote before it wrote those. */
  static boolean looksLike(MemorySegment bytes) {
    return startsWith(bytes, 'P', 'K') || isLegacy(bytes);
  }

  private static boolean startsWith(MemorySegment bytes, int... start) {
    if (bytes.byteSize() < start.length) return false;
    for (int i = 0; i < start.length; i++) {
      if ((bytes.get(ValueLayout.JAVA_BYTE, i) & 0xff) != start[i]) return false;
    }
    return true;
  }

  /** A bare pickle that begins with a number of ten bytes, or a tar archive. */
  private static boolean isLegacy(MemorySegment bytes) {
    if (startsWith(bytes, 0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20)) return true;
    return bytes.byteSize() > 512 && startsWith(bytes.asSlice(257), 'u', 's', 't', 'a', 'r');
  }

  /**
   * Opens a file, a shard index, or a directory that holds {@code pytorch_model.bin} or its index.
   *
   * @throws FileException when it is missing, malformed in any way, of the format before PyTorch
   *     1.6, or holds something other than tensors and plain values; names what
   */
  public static PyTorchFile open(Path path) {
    if (Files.isDirectory(path)) {
      Path single = path.resolve(SINGLE);
      if (Files.exists(single)) return openFile(single);
      Path index = path.resolve(INDEX);
      if (Files.exists(index)) return openIndex(index);
      throw new FileException(path, "no model here: neither %s nor %s".formatted(SINGLE, INDEX));
    }
    return isIndex(path) ? openIndex(path) : openFile(path);
  }

  private static PyTorchFile openIndex(Path index) {
    ShardIndex shards = ShardIndex.read(index);
    PyTorchFile out = new PyTorchFile(index, shards.metadata());
    out.putShards(shards, PyTorchFile::openFile);
    return out;
  }

  private static PyTorchFile openFile(Path file) {
    MemorySegment bytes = map(file);
    if (isLegacy(bytes)) {
      throw new FileException(
          file,
          "written in the format before PyTorch 1.6, which is not read; load it in PyTorch and"
              + " save it again: torch.save(torch.load(FILE), FILE2)");
    }
    if (!startsWith(bytes, 'P', 'K')) {
      throw new FileException(file, "not a PyTorch file: it is no zip file, as torch.save writes");
    }
    ZipPlaces zip = new ZipPlaces(file, bytes);
    ZipPlaces.Place pickle = pickle(file, zip);
    String folder = pickle.name().substring(0, pickle.name().length() - "data.pkl".length());
    boolean bigEndian = isBigEndian(file, zip, folder);
    Object root =
        Unpickler.read(file, "data.pkl", zip.checked(pickle), new TorchPickle(file, "data.pkl"));
    TorchTree tree = new TorchTree(file, root, pickle.size());
    PyTorchFile out = new PyTorchFile(file, tree.plain());
    Storages storages = new Storages(file, zip, folder);
    long[] converted = {0};
    tree.tensors()
        .forEach((key, view) -> {
          Stored stored = storages.stored(key, view, bigEndian);
          if (!stored.isMapped()) converted[0] += stored.bytes().byteSize();
          if (converted[0] > MAX_CONVERTED * bytes.byteSize()) {
            throw new FileException(
                file,
                "its tensors overlap so much that converting them takes more than %d times the"
                        .formatted(MAX_CONVERTED)
                    + " file's size; save clones of them");
          }
          out.put(stored);
        });
    return out;
  }

  /** The entry data.pkl in the archive's only folder. */
  private static ZipPlaces.Place pickle(Path file, ZipPlaces zip) {
    List<ZipPlaces.Place> found =
        zip.places().values().stream()
            .filter(p -> p.name().matches("([^/]*/)?data\\.pkl"))
            .limit(2)
            .toList();
    if (found.size() != 1) {
      throw new FileException(
          file,
          "not a PyTorch file: a zip file with %s data.pkl; torch.save writes one"
              .formatted(found.isEmpty() ? "no" : "more than one"));
    }
    ZipPlaces.Place pickle = found.getFirst();
    String constants = pickle.name().replace("data.pkl", "constants.pkl");
    if (zip.places().containsKey(constants)) {
      throw new FileException(
          file,
          "a TorchScript program, of which only PyTorch can read the weights; save those:"
              + " torch.save(torch.jit.load(FILE).state_dict(), FILE2)");
    }
    return pickle;
  }

  private static boolean isBigEndian(Path file, ZipPlaces zip, String folder) {
    ZipPlaces.Place place = zip.places().get(folder + "byteorder");
    if (place == null) return false;
    MemorySegment text = zip.checked(place);
    String order =
        text.byteSize() > 10
            ? ""
            : new String(text.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    return switch (order) {
      case "little" -> false;
      case "big" -> true;
      default -> throw new FileException(file, "byteorder is \"%s\"".formatted(order));
    };
  }

  /** The entries of an archive that hold elements. */
  private record Storages(Path file, ZipPlaces zip, String folder) {
    Stored stored(String key, TorchPickle.View view, boolean bigEndian) {
      ZipPlaces.Place place = zip.places().get(folder + "data/" + view.storage().key());
      if (place == null) throw bad(key, view, "is missing: damaged, or a part was left out");
      if (place.wholeSize() != view.storage().bytes()) {
        throw bad(
            key,
            view,
            "has %d bytes, data.pkl says %d".formatted(place.wholeSize(), view.storage().bytes()));
      }
      MemorySegment all = zip.stored(place);
      ElementType type = view.type();
      Layout layout = view.layout();
      long size = type.bits() / 8;
      long from = layout.offset() * size;
      Entry entry =
          new Entry(
              file,
              key,
              type.name(),
              layout.shape(),
              zip.dataStart(place) + from,
              layout.size() * size);
      MemorySegment bytes = all.asSlice(from, layout.span() * size);
      return new Stored(entry, type, bytes, atStart(layout), bigEndian);
    }

    private FileException bad(String key, TorchPickle.View view, String why) {
      return new FileException(
          file,
          "tensor \"%s\": storage \"%s\" %s"
              .formatted(key, Unpickler.brief(view.storage().key()), why));
    }
  }

  /** Without the offset, and without strides that are never taken and may be anything. */
  private static Layout atStart(Layout layout) {
    long[] shape = layout.shape();
    long[] strides = layout.strides();
    long step = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      if (shape[i] == 1) strides[i] = step;
      step = strides[i] * Math.max(shape[i], 1);
    }
    return Layout.strided(shape, strides, 0);
  }
}
