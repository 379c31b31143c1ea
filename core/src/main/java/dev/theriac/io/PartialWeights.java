package dev.theriac.io;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The weights of a directory as far as they are there, to say what is not: shards that are missing
 * or damaged leave the others readable. Where a directory has none of the names that {@link
 * Weights#open} looks for, every weight file in it is taken. Only headers are read. Thread-safe.
 */
public final class PartialWeights extends Weights {
  private static final Pattern PART =
      Pattern.compile("(.+)-(\\d{5})-of-(\\d{5})\\.(safetensors|bin)");
  private static final int MOST_FILES = 1000;

  private final List<Fault> faults = new ArrayList<>();
  private final Map<String, Path> lost = new LinkedHashMap<>();
  private final Set<Path> files = new LinkedHashSet<>();
  private final List<Path> unread = new ArrayList<>();
  private final List<Path> misnamed = new ArrayList<>();

  /** Something that is wrong with a file of weights, for people. */
  public record Fault(Path file, String what) {}

  private PartialWeights(Path path, Map<String, String> metadata) {
    super(path, metadata);
  }

  /**
   * Opens what can be opened in a directory, or a file as {@link Weights#open} does.
   *
   * @throws FileException when the path is missing, is a file that is no weights, or is a directory
   *     that cannot be listed
   */
  public static PartialWeights open(Path path) {
    if (!Files.isDirectory(path)) return ofFile(path);
    List<String> names = names(path);
    for (String name :
        List.of(
            SafeTensorsWriter.SINGLE,
            SafeTensorsWriter.INDEX,
            PyTorchFile.SINGLE,
            PyTorchFile.INDEX)) {
      if (!names.contains(name)) continue;
      PartialWeights out = main(path.resolve(name));
      for (String other : names) {
        Path file = path.resolve(other);
        boolean ofModel = other.startsWith("pytorch_model") || other.startsWith("model");
        if (ofModel && isWeights(other) && !out.files.contains(file)) out.unread.add(file);
      }
      return out;
    }
    return loose(path, names);
  }

  private static PartialWeights ofFile(Path file) {
    if (!Files.exists(file)) throw new FileException(file, "no such file or directory");
    Weights all = Weights.open(file);
    PartialWeights out = new PartialWeights(file, all.metadata());
    out.take(all, all.keys());
    all.keys().forEach(key -> out.files.add(all.entry(key).file()));
    return out;
  }

  private static List<String> names(Path directory) {
    try (Stream<Path> list = Files.list(directory)) {
      return list.filter(Files::isRegularFile)
          .map(file -> file.getFileName().toString())
          .sorted()
          .limit(100_000)
          .toList();
    } catch (IOException e) {
      throw new FileException(directory, "cannot be listed: " + e.getMessage(), e);
    }
  }

  private static boolean isWeights(String name) {
    return Stream.of(".safetensors", ".bin", ".pth", ".pt").anyMatch(name::endsWith);
  }

  private static PartialWeights main(Path file) {
    if (!isIndex(file)) {
      try {
        return ofFile(file);
      } catch (FileException e) {
        PartialWeights out = new PartialWeights(file, Map.of());
        out.files.add(file);
        out.fault(file, e);
        return out;
      }
    }
    ShardIndex index;
    try {
      index = ShardIndex.read(file);
    } catch (FileException e) {
      Path directory = file.toAbsolutePath().getParent();
      PartialWeights out = loose(directory, names(directory));
      out.fault(file, e);
      return out;
    }
    PartialWeights out = new PartialWeights(file, index.metadata());
    Map<String, Set<String>> byShard = new LinkedHashMap<>();
    index
        .files()
        .forEach(
            (key, shard) -> byShard.computeIfAbsent(shard, _ -> new LinkedHashSet<>()).add(key));
    byShard.forEach((shard, keys) -> out.shard(file.resolveSibling(shard), keys));
    return out;
  }

  private void shard(Path file, Set<String> keys) {
    files.add(file);
    Weights opened = null;
    if (!Files.exists(file)) {
      fault(file, "missing, with the %d tensors that the index puts there".formatted(keys.size()));
    } else {
      try {
        opened = Weights.open(file);
      } catch (FileException e) {
        fault(file, e);
      }
    }
    Set<String> there = opened == null ? Set.of() : opened.keys();
    List<String> gone = keys.stream().filter(key -> !there.contains(key)).toList();
    gone.forEach(key -> lost.put(key, file));
    if (opened == null) return;
    take(opened, keys.stream().filter(there::contains).toList());
    if (!gone.isEmpty()) {
      fault(
          file,
          "%d tensors that the index puts there are not, such as \"%s\""
              .formatted(gone.size(), gone.getFirst()));
    }
    List<String> more = there.stream().filter(key -> !keys.contains(key)).toList();
    if (!more.isEmpty()) {
      fault(
          file,
          "%d tensors are not in the index, such as \"%s\", and are not read"
              .formatted(more.size(), more.getFirst()));
    }
  }

  /** Every weight file of a directory without a model's usual names. */
  private static PartialWeights loose(Path directory, List<String> names) {
    PartialWeights out = new PartialWeights(directory, Map.of());
    List<String> weights = names.stream().filter(PartialWeights::isWeights).toList();
    for (String name : weights.subList(0, Math.min(MOST_FILES, weights.size()))) {
      Path file = directory.resolve(name);
      try {
        Weights opened = Weights.open(file);
        out.files.add(file);
        // Of shards without an index that is what is missing.
        boolean usual = name.equals(SafeTensorsWriter.SINGLE) || name.equals(PyTorchFile.SINGLE);
        if (!usual && !PART.matcher(name).matches()) out.misnamed.add(file);
        Predicate<String> known = out.keys()::contains;
        List<String> twice = opened.keys().stream().filter(known).toList();
        out.take(opened, opened.keys().stream().filter(known.negate()).toList());
        if (!twice.isEmpty()) {
          out.fault(
              file,
              "%d tensors are in another file too, such as \"%s\""
                  .formatted(twice.size(), twice.getFirst()));
        }
      } catch (FileException e) {
        out.fault(file, e);
      }
    }
    out.parts(directory, weights);
    return out;
  }

  /** Shards whose names say how many there are, without an index. */
  private void parts(Path directory, List<String> names) {
    Map<String, Set<Integer>> found = new TreeMap<>();
    for (String name : names) {
      Matcher m = PART.matcher(name);
      if (!m.matches()) continue;
      String all =
          "%s-%%05d-of-%s.%s".formatted(m.group(1).replace("%", "%%"), m.group(3), m.group(4));
      found.computeIfAbsent(all, _ -> new LinkedHashSet<>()).add(Integer.valueOf(m.group(2)));
      String index = m.group(1) + "." + m.group(4) + ".index.json";
      Fault missing = new Fault(directory.resolve(index), "missing, which lists the shards");
      if (!Files.exists(missing.file) && !faults.contains(missing)) faults.add(missing);
    }
    found.forEach((pattern, numbers) -> {
      int count = Integer.parseInt(pattern.replaceAll(".*-of-(\\d{5})\\..*", "$1"));
      for (int i = 1; i <= Math.min(count, MOST_FILES); i++) {
        if (!numbers.contains(i)) fault(directory.resolve(pattern.formatted(i)), "missing");
      }
    });
  }

  private void take(Weights from, Iterable<String> keys) {
    keys.forEach(key -> put(from, key));
  }

  private void fault(Path file, String what) {
    faults.add(new Fault(file, what));
  }

  private void fault(Path file, FileException e) {
    String start = file + ": ";
    String message = e.getMessage();
    fault(file, message.startsWith(start) ? message.substring(start.length()) : message);
  }

  /** What is wrong with the files, in the order in which they were opened. */
  public List<Fault> faults() {
    return Collections.unmodifiableList(faults);
  }

  /** Tensors that the index names and no file gives, with the file that should. */
  public Map<String, Path> lost() {
    return Collections.unmodifiableMap(lost);
  }

  /** The weight files that were looked into, or should have been there. */
  public Set<Path> files() {
    return Collections.unmodifiableSet(files);
  }

  /**
   * Weight files that were taken although {@link Weights#open} would not find them in the directory
   * by their names.
   */
  public List<Path> misnamed() {
    return Collections.unmodifiableList(misnamed);
  }

  /** Weight files under a model's names that a reader leaves alone, beside those that it takes. */
  public List<Path> unread() {
    return Collections.unmodifiableList(unread);
  }
}
