package dev.theriac.bench.fullsize;

import dev.theriac.llm.Quantisation;
import dev.theriac.tensor.QuantisedFormat;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** In what the weights of a decoder's blocks lie; all else is in BF16. */
enum Precision {
  BF16(null),
  INT8(QuantisedFormat.INT8),
  INT4(QuantisedFormat.INT4);

  private final QuantisedFormat format;

  Precision(QuantisedFormat format) {
    this.format = format;
  }

  /** As {@code --weights} takes it. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** What {@code theriac quantize --to} makes, or null where nothing is quantised. */
  Quantisation quantisation() {
    return format == null ? null : new Quantisation(format, false);
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

  /** Those that were asked for, each once; BF16 alone where none were. */
  static List<Precision> of(List<String> ids) {
    if (ids.isEmpty()) return List.of(BF16);
    return ids.stream().map(Precision::of).distinct().toList();
  }

  private static Precision of(String id) {
    for (Precision p : values()) if (p.id().equals(id)) return p;
    throw new IllegalArgumentException(
        "full-size: no weights \"%s\"; there are %s"
            .formatted(id, Stream.of(values()).map(Precision::id).toList()));
  }
}
