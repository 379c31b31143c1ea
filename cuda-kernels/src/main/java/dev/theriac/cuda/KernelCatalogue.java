package dev.theriac.cuda;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * On which cards each kernel has really run with the right results. Whatever is not listed has been
 * compared on the emulated device alone. The list, {@code cards.tsv} in this jar, has a line for
 * each kernel and card: name, tab, the driver's name of the card. {@code theriac bench gpu} writes
 * such lines on a machine with a card.
 */
public final class KernelCatalogue {
  private static final String RESOURCE = "cards.tsv";

  private final Map<String, Set<String>> cards;

  private KernelCatalogue(Map<String, Set<String>> cards) {
    this.cards = cards;
  }

  /** The list of this version. */
  public static KernelCatalogue load() {
    try (InputStream in = KernelCatalogue.class.getResourceAsStream(RESOURCE)) {
      if (in == null) throw new IllegalStateException("theriac-cuda lacks " + RESOURCE);
      return read(new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + RESOURCE, e);
    }
  }

  static KernelCatalogue read(BufferedReader lines) throws IOException {
    Map<String, Set<String>> cards = new TreeMap<>();
    int number = 0;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      number++;
      if (line.isBlank() || line.startsWith("#")) continue;
      String[] parts = line.split("\t");
      if (parts.length != 2 || parts[0].isBlank() || parts[1].isBlank()) {
        throw new IllegalStateException(
            "%s, line %d: \"%s\" is not a kernel, a tab and a card"
                .formatted(RESOURCE, number, line));
      }
      cards.computeIfAbsent(parts[0], _ -> new TreeSet<>()).add(parts[1]);
    }
    return new KernelCatalogue(cards);
  }

  /** Cards on which the kernel has run; empty for none. */
  public Set<String> cards(String kernel) {
    return cards.getOrDefault(kernel, Set.of());
  }

  /** Kernels that are listed. */
  public Set<String> kernels() {
    return cards.keySet();
  }

  /** A sentence on these kernels for people. */
  public String describe(Set<String> kernels) {
    long ran = kernels.stream().filter(cards::containsKey).count();
    Set<String> names = new TreeSet<>();
    kernels.forEach(kernel -> names.addAll(cards(kernel)));
    if (ran == 0) {
      return "%d loaded; none has ever run on a card, all were compared on an emulated device only"
          .formatted(kernels.size());
    }
    return "%d loaded; %d have run on a card (%s), %d on an emulated device only"
        .formatted(kernels.size(), ran, String.join(", ", names), kernels.size() - ran);
  }
}
