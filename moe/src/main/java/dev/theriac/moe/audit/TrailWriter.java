package dev.theriac.moe.audit;

import dev.theriac.io.AtomicFile;
import dev.theriac.moe.audit.TrailLines.EndLine;
import dev.theriac.moe.audit.TrailLines.HeaderLine;
import dev.theriac.moe.audit.TrailLines.RouteLine;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;

/**
 * Writes a trail as JSON Lines: a header, a line for each token and layer, a closing line. Records
 * go to the file as they come and none is kept. The file appears under its name only when it is
 * complete and on disk; when recording fails, nothing is left and an earlier file is intact.
 */
public final class TrailWriter implements RouteSink {
  /** What fills a trail. */
  @FunctionalInterface
  public interface Body {
    /**
     * Hands every record to {@code sink}.
     *
     * @return a hash of what the model answered, 64 hexadecimal digits; or null
     */
    String record(RouteSink sink);
  }

  /**
   * How a trail ends.
   *
   * @param records their number
   * @param unusable how many of them their router could not decide
   * @param output hash of what the model answered, or null
   * @param chain that of the last line: whoever keeps it elsewhere can tell later that the file is
   *     still the same
   */
  public record Closing(long records, long unusable, String output, String chain) {}

  private final TrailHeader header;
  private final OutputStream out;
  private String chain = TrailLines.START;
  private long records;
  private long unusable;
  private boolean closed;

  private TrailWriter(TrailHeader header, OutputStream out) {
    this.header = header;
    this.out = out;
  }

  /**
   * Writes a file, replacing one of that name.
   *
   * @throws dev.theriac.io.FileException when it cannot be written
   * @throws IllegalArgumentException from {@code body} for a record that does not fit the header
   */
  public static Closing write(Path file, TrailHeader header, Body body) {
    Closing[] closing = new Closing[1];
    AtomicFile.write(
        file,
        out -> {
          TrailWriter writer =
              new TrailWriter(header, new BufferedOutputStream(out.stream(), 1 << 16));
          try {
            closing[0] = writer.run(body);
          } catch (UncheckedIOException e) {
            throw e.getCause();
          }
        });
    return closing[0];
  }

  private Closing run(Body body) throws IOException {
    line(HeaderLine.of(header));
    String output = body.record(this);
    if (output != null) TrailHeader.requireHash("output", output);
    line(new EndLine(TrailLines.END, records, unusable == 0 ? null : unusable, output));
    closed = true;
    out.flush();
    return new Closing(records, unusable, output, chain);
  }

  /**
   * @throws IllegalArgumentException when the record does not fit the header
   */
  @Override
  public void add(RouteRecord record) {
    if (closed) throw new IllegalStateException("trail: it is closed; record inside the body");
    header.require(record);
    try {
      line(RouteLine.of(record));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    records = Math.incrementExact(records);
    if (record.unusable()) unusable++;
  }

  private void line(Object line) throws IOException {
    byte[] sealed = TrailLines.seal(chain, line);
    if (sealed.length > TrailLines.MAX_BYTES) {
      throw new IllegalArgumentException(
          "trail: a line of %d bytes, the format allows %d; shorten settings or names"
              .formatted(sealed.length, TrailLines.MAX_BYTES));
    }
    out.write(sealed);
    out.write('\n');
    chain = TrailLines.chain(sealed);
  }
}
