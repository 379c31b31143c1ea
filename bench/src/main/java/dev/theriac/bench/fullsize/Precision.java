package dev.theriac.bench.fullsize;

import dev.theriac.llm.Quantisation;
import dev.theriac.tensor.QuantisedFormat;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** In what the weights of a decoder's blocks lie; all else is in BF16. */
enum Precision {
  BF16(null, false),
  /** The same weights, head included, in the order in which kernels read them. */
  BF16_PACKED(QuantisedFormat.BF16, true),
  INT8(QuantisedFormat.INT8, false),
  INT4(QuantisedFormat.INT4, false);

  private final QuantisedFormat format;
  private final boolean head;

  Precision(QuantisedFormat format, boolean head) {
    this.format = format;
    this.head = head;
  }

  /** Whether weights, and so answers, are those of PyTorch's model. */
  boolean isExact() {
    return this == BF16 || this == BF16_PACKED;
  }

  /** As {@code --weights} takes it. */
  String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** What {@code theriac quantize --to} makes, or null for the model as it was written. */
  Quantisation quantisation() {
    return format == null ? null : new Quantisation(format, head);
  }

  /** How a copy of {@code source} comes about, for a note; not of BF16 as it was written. */
  String madeFrom(Path source) {
    return format.hasScales()
        ? "quantised from " + source
        : "copied from " + source + " in the order of the kernels";
  }

  /**
   * @param path of a parameter, from the decoder
   */
  long bytes(String path, long[] shape) {
    if (format != null && quantisation().covers(path)) return format.bytes(shape[0], shape[1]);
    long bytes = 2;
    for (long n : shape) bytes *= n;
    return bytes;
  }

  /** Those that were asked for, each once; where none were, BF16 in both orders. */
  static List<Precision> of(List<String> ids) {
    if (ids.isEmpty()) return List.of(BF16, BF16_PACKED);
    return ids.stream().map(Precision::of).distinct().toList();
  }

  private static Precision of(String id) {
    for (Precision p : values()) if (p.id().equals(id)) return p;
    throw new IllegalArgumentException(
        "full-size: no weights \"%s\"; there are %s"
            .formatted(id, Stream.of(values()).map(Precision::id).toList()));
  }
}
