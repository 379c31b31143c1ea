package dev.theriac.io;

import dev.theriac.io.TorchPickle.View;
import dev.theriac.io.TorchPickle.Word;
import dev.theriac.io.Unpickler.Tuple;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a pickle holds, by path: tensors and plain values. Containers may be reached in several
 * ways, and even contain themselves, so a small pickle can stand for a tree without end; depth,
 * values and the length of paths are bounded.
 */
final class TorchTree {
  private static final int MAX_DEPTH = 64;

  private final Path file;
  private final Map<String, View> tensors = new LinkedHashMap<>();
  private final Map<String, String> plain = new LinkedHashMap<>();
  private final long mostVisited;
  private final long mostLetters;
  private long visited;
  private long letters;

  /**
   * @param bytes of the pickle
   */
  TorchTree(Path file, Object root, long bytes) {
    this.file = file;
    this.mostVisited = 8 * Unpickler.most(bytes);
    this.mostLetters = Math.min(1L << 28, 100_000 + 64 * bytes);
    visit("", root, 0);
  }

  Map<String, View> tensors() {
    return tensors;
  }

  Map<String, String> plain() {
    return plain;
  }

  private void visit(String path, Object value, int depth) {
    if (depth > MAX_DEPTH) throw bad(path, "nested deeper than " + MAX_DEPTH);
    if (++visited > mostVisited) {
      throw bad(path, "more than %d values, repeated ones counted".formatted(mostVisited));
    }
    switch (value) {
      case View view -> keep(tensors, path, view);
      case Map<?, ?> map -> map.forEach((k, v) -> visit(join(path, k), v, depth + 1));
      case Tuple tuple -> items(path, tuple.items, depth);
      case List<?> list -> items(path, list, depth);
      case java.util.Set<?> set -> items(path, set, depth);
      case byte[] _ -> {}
      case Word word -> keep(plain, path, word.text());
      case Object scalar when Unpickler.isScalar(scalar) -> keep(plain, path, scalar.toString());
      case null -> keep(plain, path, "null");
      default -> throw bad(path, "%s, which is no value".formatted(Unpickler.kind(value)));
    }
  }

  private void items(String path, Collection<?> items, int depth) {
    long i = 0;
    for (Object item : items) visit(join(path, i++), item, depth + 1);
  }

  private String join(String path, Object key) {
    String out = path.isEmpty() ? String.valueOf(key) : path + "." + key;
    letters += out.length();
    if (letters > mostLetters) {
      throw bad(out, "keys of more than %d letters".formatted(mostLetters));
    }
    return out;
  }

  /** Two ways to spell one key, such as "a.b" beside "a" that holds "b", are a loss if not told. */
  private <T> void keep(Map<String, T> map, String path, T value) {
    if (map.putIfAbsent(path, value) != null) throw bad(path, "there are two of that key");
  }

  private FileException bad(String path, String why) {
    return new FileException(file, "data.pkl: \"%s\": %s".formatted(Unpickler.brief(path), why));
  }
}
