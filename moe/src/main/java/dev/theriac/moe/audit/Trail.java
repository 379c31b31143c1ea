package dev.theriac.moe.audit;

import dev.theriac.io.FileException;
import dev.theriac.moe.audit.TrailWriter.Closing;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A trail in memory: a header, its records, and a hash of what the model answered. Immutable, and
 * safe for concurrent use. For trails too long for that there is {@link TrailReader}.
 */
public final class Trail {
  /** Most records that {@link #read(Path)} keeps: about 1 GB. */
  public static final long MAX_RECORDS = 4_000_000;

  private final TrailHeader header;
  private final List<RouteRecord> records;
  private final String output;
  private final Map<Place, RouteRecord> byPlace = new HashMap<>();

  private record Place(long sequence, long position, int layer) {}

  /**
   * @param output hash of what the model answered, or null
   * @throws IllegalArgumentException when a record does not fit the header, or two have one place
   */
  public Trail(TrailHeader header, List<RouteRecord> records, String output) {
    this.header = header;
    this.records = List.copyOf(records);
    this.output = output;
    for (RouteRecord r : records) {
      header.require(r);
      if (byPlace.put(new Place(r.sequence(), r.position(), r.layer()), r) != null) {
        throw new IllegalArgumentException(
            "two records of sequence %d, position %d, layer %d"
                .formatted(r.sequence(), r.position(), r.layer()));
      }
    }
  }

  /**
   * Reads and checks a file.
   *
   * @throws FileException as {@link TrailReader#read}, and when it has more than {@link
   *     #MAX_RECORDS} records
   */
  public static Trail read(Path file) {
    return read(file, MAX_RECORDS);
  }

  /** The same with another limit. */
  public static Trail read(Path file, long maxRecords) {
    TrailHeader[] header = new TrailHeader[1];
    List<RouteRecord> records = new ArrayList<>();
    Closing closing =
        TrailReader.read(
            file,
            h -> {
              header[0] = h;
              return record -> {
                if (records.size() >= maxRecords) {
                  throw new FileException(
                      file,
                      "more than %d records; raise the limit, or stream it with TrailReader"
                          .formatted(maxRecords));
                }
                records.add(record);
              };
            });
    try {
      return new Trail(header[0], records, closing.output());
    } catch (IllegalArgumentException e) {
      throw new FileException(file, e.getMessage() + "; record it again", e);
    }
  }

  /** Writes this to a file; see {@link TrailWriter#write}. */
  public Closing write(Path file) {
    return TrailWriter.write(
        file,
        header,
        sink -> {
          records.forEach(sink::add);
          return output;
        });
  }

  public TrailHeader header() {
    return header;
  }

  /** The records in the order in which they were recorded. */
  public List<RouteRecord> records() {
    return records;
  }

  /** Hash of what the model answered, or null. */
  public String output() {
    return output;
  }

  /**
   * What sets {@code again} apart from this trail, or null when records and answer are the same to
   * the bit. Headers are not compared.
   */
  public String difference(Trail again) {
    int different = 0;
    String first = null;
    for (RouteRecord mine : records) {
      RouteRecord other = again.find(mine.sequence(), mine.position(), mine.layer());
      if (mine.equals(other)) continue;
      different++;
      if (first == null) first = "%s was recorded, now %s".formatted(mine, other);
    }
    if (different > 0) {
      return "%d of %d records differ, first: %s".formatted(different, records.size(), first);
    }
    if (again.records.size() != records.size()) {
      return "%d records were recorded, now there are %d"
          .formatted(records.size(), again.records.size());
    }
    if (!Objects.equals(output, again.output)) {
      return "the answer differs: hash %s was recorded, now %s".formatted(output, again.output);
    }
    return null;
  }

  /** The record of a place, or null. */
  public RouteRecord find(long sequence, long position, int layer) {
    return byPlace.get(new Place(sequence, position, layer));
  }
}
