package dev.theriac.moe.audit;

import dev.theriac.io.FileException;
import dev.theriac.moe.audit.TrailLines.EndLine;
import dev.theriac.moe.audit.TrailLines.HeaderLine;
import dev.theriac.moe.audit.TrailLines.RouteLine;
import dev.theriac.moe.audit.TrailWriter.Closing;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.function.Function;
import tools.jackson.core.JacksonException;

/**
 * Reads a trail line by line, checking the chain, every value and the closing line. Nothing in the
 * file is executed, and at no time is more than one line of at most 1 MiB held.
 */
public final class TrailReader {
  private static final String RESTORE = "restore it from a copy, or record it again";

  private final Path file;
  private final InputStream in;
  private String chain = TrailLines.START;
  private long number;

  private TrailReader(Path file, InputStream in) {
    this.file = file;
    this.in = in;
  }

  /**
   * Reads a whole file.
   *
   * <p>Records are handed out as they are read, those before a damaged line too: draw no conclusion
   * before this has returned.
   *
   * @param sink given the header, says where the records go
   * @throws FileException naming the line, what is wrong with it and what to do, when the file
   *     cannot be read, was cut off or changed, or is no trail of a version known here
   */
  public static Closing read(Path file, Function<TrailHeader, RouteSink> sink) {
    try (InputStream in = Files.newInputStream(file)) {
      return new TrailReader(file, new java.io.BufferedInputStream(in, 1 << 16)).run(sink);
    } catch (NoSuchFileException e) {
      throw new FileException(
          file, "no such file; name a trail that --json or TrailWriter wrote", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read (%s)".formatted(e), e);
    }
  }

  /** Checks a whole file and keeps nothing of it; throws as {@link #read} does. */
  public static Closing verify(Path file) {
    return read(file, header -> record -> {});
  }

  private Closing run(Function<TrailHeader, RouteSink> sink) throws IOException {
    byte[] line = next();
    if (line == null) throw wrong("the file is empty; " + RESTORE);
    TrailHeader header = header(line);
    RouteSink to = sink.apply(header);
    long records = 0;
    long unusable = 0;
    while (true) {
      line = next();
      if (line == null) {
        throw wrong(
            "the file ends after %d records without its closing line: it was cut off; %s"
                .formatted(records, RESTORE));
      }
      checkChain(line);
      switch (TrailLines.type(line)) {
        case TrailLines.ROUTE -> {
          RouteRecord record = route(header, line);
          to.add(record);
          records++;
          if (record.unusable()) unusable++;
        }
        case TrailLines.END -> {
          return end(line, records, unusable);
        }
        default ->
            throw wrong("neither a record (\"type\":\"route\") nor the closing line; " + RESTORE);
      }
    }
  }

  private TrailHeader header(byte[] line) {
    if (!TrailLines.type(line).equals(TrailLines.HEADER)) {
      throw wrong("this is no header of a trail of routing; name a file that TrailWriter wrote");
    }
    checkChain(line);
    var tree = parse(line, tools.jackson.databind.JsonNode.class);
    if (!TrailLines.FORMAT.equals(tree.path("format").asString(""))) {
      throw wrong("format \"%s\" is wanted".formatted(TrailLines.FORMAT));
    }
    int version = tree.path("version").asInt(0);
    if (version != TrailLines.VERSION) {
      throw wrong(
          "version %d of the format, this library reads %d; use the version that wrote it, %s"
              .formatted(version, TrailLines.VERSION, tree.path("library").asString("unknown")));
    }
    HeaderLine parsed = parse(line, HeaderLine.class);
    try {
      return parsed.header();
    } catch (IllegalArgumentException | NullPointerException e) {
      throw wrong("not a possible header: " + e.getMessage(), e);
    }
  }

  private RouteRecord route(TrailHeader header, byte[] line) {
    RouteLine parsed = parse(line, RouteLine.class);
    try {
      RouteRecord record = parsed.record();
      header.require(record);
      return record;
    } catch (IllegalArgumentException e) {
      throw wrong("not a possible record: " + e.getMessage(), e);
    }
  }

  private Closing end(byte[] line, long records, long unusable) throws IOException {
    EndLine end = parse(line, EndLine.class);
    if (end.records() != records) {
      throw wrong(
          "the closing line counts %d records, the file has %d; %s"
              .formatted(end.records(), records, RESTORE));
    }
    long told = end.unusable() == null ? 0 : end.unusable();
    if (told != unusable) {
      throw wrong(
          "the closing line counts %d unusable records, the file has %d; %s"
              .formatted(told, unusable, RESTORE));
    }
    try {
      if (end.outputSha256() != null) TrailHeader.requireHash("output", end.outputSha256());
    } catch (IllegalArgumentException e) {
      throw wrong("not a possible closing line: " + e.getMessage(), e);
    }
    Closing closing = new Closing(records, unusable, end.outputSha256(), chain);
    if (next() != null) throw wrong("lines after the closing line; " + RESTORE);
    return closing;
  }

  private void checkChain(byte[] line) {
    String held = TrailLines.chain(line);
    if (held == null) {
      throw wrong(
          (line[line.length - 1] == '\r'
                  ? "it ends with a carriage return, so line ends were converted; "
                  : "it does not end with its chain (\"chain\":\"64 digits\"), so it was changed"
                      + " or cut off; ")
              + RESTORE);
    }
    String expected = TrailLines.expectedChain(chain, line);
    if (!held.equals(expected)) {
      throw wrong(
          "its chain is not the hash of this line and the one before: this line was changed, or one"
              + " before it was removed, added or moved; "
              + RESTORE);
    }
    chain = held;
  }

  private <T> T parse(byte[] line, Class<T> type) {
    try {
      return TrailLines.MAPPER.readValue(TrailLines.body(line), type);
    } catch (JacksonException e) {
      throw wrong(
          "not as version %d of the format has it: %s"
              .formatted(TrailLines.VERSION, e.getOriginalMessage()),
          e);
    }
  }

  /** The next line without its end, or null at the end of the file. */
  private byte[] next() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream(256);
    number++;
    while (true) {
      int b = in.read();
      if (b == '\n') break;
      if (b < 0) {
        if (line.size() == 0) return null;
        throw wrong("it has no line end, so the file was cut off here; " + RESTORE);
      }
      if (line.size() >= TrailLines.MAX_BYTES) {
        throw wrong(
            "longer than %d bytes, which no line of a trail is; name a file that TrailWriter wrote"
                .formatted(TrailLines.MAX_BYTES));
      }
      line.write(b);
    }
    if (line.size() == 0) throw wrong("empty; " + RESTORE);
    return line.toByteArray();
  }

  private FileException wrong(String what) {
    return wrong(what, null);
  }

  private FileException wrong(String what, Throwable cause) {
    return new FileException(file, "line %d: %s".formatted(number, what), cause);
  }
}
