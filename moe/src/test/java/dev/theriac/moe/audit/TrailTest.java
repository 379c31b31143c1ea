package dev.theriac.moe.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.theriac.io.FileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The file format: what is written is read back to the bit, and any change to it is found. */
class TrailTest {
  @TempDir Path folder;

  private Path file() {
    return folder.resolve("trail.jsonl");
  }

  private List<String> written(int positions) throws IOException {
    Trails.trail(positions).write(file());
    return new ArrayList<>(Files.readAllLines(file()));
  }

  private void put(List<String> lines) throws IOException {
    Files.writeString(file(), String.join("\n", lines) + "\n");
  }

  private void assertRefused(String... parts) {
    assertThatThrownBy(() -> TrailReader.verify(file()))
        .isInstanceOf(FileException.class)
        .hasMessageContainingAll(parts);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 300})
  void whatIsWrittenIsReadBackToTheBit(int positions) {
    Trail trail = Trails.trail(positions);
    TrailWriter.Closing closing = trail.write(file());
    Trail back = Trail.read(file());
    assertThat(back.header()).isEqualTo(trail.header());
    assertThat(back.records()).isEqualTo(trail.records());
    assertThat(back.output()).isEqualTo(trail.output());
    assertThat(closing.records()).isEqualTo(2L * positions);
    assertThat(TrailReader.verify(file())).isEqualTo(closing);
  }

  @Test
  void sameRecordsGiveTheSameBytes() throws IOException {
    written(5);
    byte[] first = Files.readAllBytes(file());
    written(5);
    assertThat(Files.readAllBytes(file())).isEqualTo(first);
  }

  @Test
  void eachLineIsJsonWithTheTypeFirst() throws IOException {
    List<String> lines = written(2);
    JsonMapper json = JsonMapper.builder().build();
    List<JsonNode> nodes = lines.stream().map(json::readTree).toList();
    assertThat(nodes)
        .extracting(n -> n.get("type").asString())
        .containsExactly("header", "route", "route", "route", "route", "end");
    assertThat(nodes.getFirst().get("format").asString()).isEqualTo("theriac-routing");
    assertThat(nodes.getFirst().get("layers").get(1).get("top_k").asInt()).isEqualTo(1);
    assertThat(nodes.get(1).get("sequence").asLong()).isEqualTo(5_000_000_000L);
    assertThat(nodes.getLast().get("records").asLong()).isEqualTo(4);
    assertThat(lines.get(3)).contains("\"dropped\":[null,\"capacity\"]");
    assertThat(lines).allMatch(l -> l.matches("\\{\"type\":.*,\"chain\":\"[0-9a-f]{64}\"\\}"));
  }

  @Test
  void unusableDecisionsAreMarkedAndCounted() throws IOException {
    int[] ids = {0, 1};
    float[] weights = {1, 0};
    List<RouteRecord> records = new ArrayList<>();
    for (int p = 0; p < 3; p++) {
      records.add(new RouteRecord(0, p, 0, null, null, ids, weights, 0.0, 0, null, p != 1));
    }
    TrailWriter.Closing closing = new Trail(Trails.header(), records, null).write(file());
    assertThat(closing.unusable()).isEqualTo(2);
    List<String> lines = Files.readAllLines(file());
    assertThat(lines.get(1)).contains("\"unusable\":true");
    assertThat(lines.get(2)).doesNotContain("unusable");
    assertThat(lines.get(4)).contains("\"records\":3,\"unusable\":2");
    assertThat(Trail.read(file()).records()).isEqualTo(records);
    assertThat(TrailReader.verify(file())).isEqualTo(closing);
    RouteRecord usable = new RouteRecord(0, 0, 0, null, null, ids, weights, 0.0, 0, null);
    assertThat(records.getFirst()).isNotEqualTo(usable).asString().endsWith("unusable");
    String chain = TrailLines.chain(lines.get(3).getBytes(StandardCharsets.UTF_8));
    var wrong = new TrailLines.EndLine(TrailLines.END, 3, 1L, null);
    lines.set(4, new String(TrailLines.seal(chain, wrong), StandardCharsets.UTF_8));
    Files.writeString(file(), String.join("\n", lines) + "\n");
    assertThatThrownBy(() -> TrailReader.verify(file()))
        .hasMessageContaining("counts 1 unusable records, the file has 2");
  }

  @Test
  void numbersThatAreNoneAreWrittenAsWords() throws IOException {
    float[] odd = {Float.NaN, Float.NEGATIVE_INFINITY};
    RouteRecord record =
        new RouteRecord(
            0, 0, 0, null, null, new int[] {0, 1}, odd, Double.POSITIVE_INFINITY, Double.NaN, null);
    RouteRecord zeros =
        new RouteRecord(
            0,
            1,
            0,
            null,
            null,
            new int[] {0, 1},
            new float[] {-0f, Float.MIN_VALUE},
            -0.0,
            0,
            null);
    new Trail(Trails.header(), List.of(record, zeros), null).write(file());
    assertThat(Files.readAllLines(file()).get(1))
        .contains(
            "\"weights\":[\"NaN\",\"-Infinity\"],\"margin\":\"Infinity\",\"entropy\":\"NaN\"");
    assertThat(Files.readAllLines(file()).get(2)).contains("\"weights\":[-0.0,1.4E-45]");
    assertThat(Trail.read(file()).records()).containsExactly(record, zeros);
    assertThat(Trail.read(file()).output()).isNull();
  }

  @ParameterizedTest
  @CsvSource({"0", "1", "4", "7"})
  void anyChangedByteIsFoundAtItsLine(int line) throws IOException {
    List<String> lines = written(3);
    String whole = lines.get(line);
    for (int at = 20; at < whole.length(); at += 13) {
      char c = whole.charAt(at);
      char other = c == '1' ? '2' : '1';
      lines.set(line, whole.substring(0, at) + other + whole.substring(at + 1));
      put(lines);
      assertRefused("line %d: ".formatted(line + 1));
    }
  }

  @Test
  void removedAddedAndMovedLinesAreFound() throws IOException {
    List<String> lines = written(3);
    List<String> removed = new ArrayList<>(lines);
    removed.remove(3);
    put(removed);
    assertRefused("line 4: its chain", "restore it");
    List<String> doubled = new ArrayList<>(lines);
    doubled.add(3, lines.get(2));
    put(doubled);
    assertRefused("line 4: its chain");
    List<String> moved = new ArrayList<>(lines);
    moved.add(2, moved.remove(3));
    put(moved);
    assertRefused("line 3: its chain");
    List<String> more = new ArrayList<>(lines);
    more.add(lines.getLast());
    put(more);
    assertRefused("line 9: lines after the closing line");
  }

  @Test
  void filesCutOffAnywhereAreFound() throws IOException {
    written(3);
    byte[] whole = Files.readAllBytes(file());
    for (int length = 0; length < whole.length; length += 37) {
      Files.write(file(), Arrays.copyOf(whole, length));
      assertThatThrownBy(() -> TrailReader.verify(file()))
          .isInstanceOf(FileException.class)
          .hasMessageMatching("(?s).*line \\d+: .*(restore|name a file).*");
    }
    Files.write(file(), Arrays.copyOf(whole, whole.length - 1));
    assertRefused("line 8: it has no line end", "cut off");
    List<String> lines = written(3);
    put(lines.subList(0, 5));
    assertRefused("line 6: the file ends after 4 records without its closing line");
  }

  @Test
  void convertedLineEndsAreNamed() throws IOException {
    Files.writeString(file(), String.join("\r\n", written(1)) + "\r\n");
    assertRefused("line 1: it ends with a carriage return");
  }

  @Test
  void otherFilesAreNoTrails() throws IOException {
    assertRefused("no such file");
    Files.writeString(file(), "");
    assertRefused("line 1: the file is empty");
    Files.writeString(file(), "{\"a\":1}\n");
    assertRefused("line 1: this is no header");
    Files.write(file(), new byte[TrailLines.MAX_BYTES + 2]);
    assertRefused("line 1: longer than 1048576 bytes");
    Files.writeString(file(), "\n");
    assertRefused("line 1: empty");
    assertThatThrownBy(() -> TrailReader.verify(folder))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("cannot be read");
  }

  /** Files whose chain is right, as other software might write them. */
  private void sealed(String... jsons) throws IOException {
    String chain = TrailLines.START;
    List<String> lines = new ArrayList<>();
    for (String json : jsons) {
      byte[] line = TrailLines.seal(chain, json);
      chain = TrailLines.chain(line);
      lines.add(new String(line, StandardCharsets.UTF_8));
    }
    put(lines);
  }

  private static String head() {
    return TrailLines.MAPPER.writeValueAsString(TrailLines.HeaderLine.of(Trails.header()));
  }

  private static String route(String rest) {
    return "{\"type\":\"route\",\"sequence\":0,\"position\":0,%s}".formatted(rest);
  }

  private static final String SOUND =
      route("\"layer\":2,\"experts\":[1],\"weights\":[0.5],\"margin\":0.1,\"entropy\":0.2");

  @Test
  void aSealedFileOfOtherSoftwareIsRead() throws IOException {
    sealed(head(), SOUND, "{\"type\":\"end\",\"records\":1}");
    assertThat(Trail.read(file()).records()).hasSize(1);
  }

  @Test
  void headersThatCannotBeAreRefused() throws IOException {
    sealed(head().replace("\"version\":1", "\"version\":2"));
    assertRefused("line 1: version 2 of the format, this library reads 1", "wrote it, 1.2.3");
    sealed(head().replace("theriac-routing", "other"));
    assertRefused("format \"theriac-routing\" is wanted");
    sealed(head().replace(Trails.HASH, "xyz"));
    assertRefused("line 1: not a possible header: model weights: \"xyz\" is no SHA-256");
    sealed(head().replace("\"layer\":2", "\"layer\":0"));
    assertRefused("layers 0 and 0 are out of order");
    sealed(head().replace("\"top_k\":2", "\"top_k\":5"));
    assertRefused("top-5 of 4 experts");
    sealed(head().replace("\"library\":\"1.2.3\",", ""));
    assertRefused("line 1: not as version 1 of the format has it", "library");
    sealed(head().replace("\"expert_names\":[\"CT\",", "\"expert_names\":["));
    assertRefused("3 names for 4 experts");
    sealed(head().replace("\"settings\":{", "\"more\":[[[[[[1]]]]]],\"settings\":{"));
    assertRefused("line 1: ");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"layer\":1,\"experts\":[1],\"weights\":[1],\"entropy\":0 | layer 1 is not among",
        "\"layer\":2,\"experts\":[3],\"weights\":[1],\"entropy\":0 | expert 3 is not in [0, 3)",
        "\"layer\":2,\"experts\":[-1],\"weights\":[1],\"entropy\":0 | ids must be 0 or more",
        "\"layer\":0,\"experts\":[1,1],\"weights\":[1,1],\"entropy\":0 | and differ",
        "\"layer\":0,\"experts\":[1],\"weights\":[1],\"entropy\":0 | layer 0 chooses 2 of 4",
        "\"layer\":0,\"experts\":[1,2],\"weights\":[1],\"entropy\":0 | 2 experts, 1 weights",
        "\"layer\":-2,\"experts\":[1],\"weights\":[1],\"entropy\":0 | none may be negative",
        "\"layer\":2,\"experts\":[1],\"weights\":[1] | entropy",
        "\"layer\":2,\"experts\":[1.5],\"weights\":[1],\"entropy\":0 | line 2: not as version 1",
        "\"layer\":2,\"experts\":[1],\"weights\":[\"much\"],\"entropy\":0 | line 2: not as version"
            + " 1",
        "\"layer\":2,\"experts\":null,\"weights\":[1],\"entropy\":0 | line 2: ",
        "\"layer\":2,\"experts\":[1],\"weights\":[1],\"entropy\":0,\"layer\":2 | line 2: not as",
        "\"layer\":2,\"experts\":[1],\"weights\":[1],\"entropy\":0,\"@class\":\"x\" | @class",
        "\"layer\":99999999999,\"experts\":[1],\"weights\":[1],\"entropy\":0 | line 2: not as"
            + " version",
        "\"layer\":2,\"experts\":[1],\"weights\":[1],\"entropy\":0,\"dropped\":[] | 0 drop reasons"
      })
  void recordsThatCannotBeAreRefused(String rest, String message) throws IOException {
    sealed(head(), route(rest), "{\"type\":\"end\",\"records\":1}");
    assertRefused("line 2: ", message);
  }

  @Test
  void closingLinesThatCannotBeAreRefused() throws IOException {
    sealed(head(), SOUND, "{\"type\":\"end\",\"records\":2}");
    assertRefused("line 3: the closing line counts 2 records, the file has 1");
    sealed(head(), SOUND, "{\"type\":\"other\",\"records\":1}");
    assertRefused("line 3: neither a record");
    sealed(head(), "{\"type\":\"end\",\"records\":0,\"output_sha256\":\"12\"}");
    assertRefused("line 2: not a possible closing line: output: \"12\" is no SHA-256");
  }

  @Test
  void memoryIsBoundedByTheCaller() throws IOException {
    written(10);
    assertThatThrownBy(() -> Trail.read(file(), 19))
        .hasMessageContainingAll("more than 19 records", "TrailReader");
    assertThat(Trail.read(file(), 20).records()).hasSize(20);
    sealed(head(), SOUND, SOUND, "{\"type\":\"end\",\"records\":2}");
    assertThatThrownBy(() -> Trail.read(file()))
        .isInstanceOf(FileException.class)
        .hasMessageContaining("two records of sequence 0, position 0, layer 2");
  }

  @Test
  void aFailedRecordingLeavesTheEarlierFile() throws IOException {
    written(1);
    byte[] before = Files.readAllBytes(file());
    assertThatThrownBy(() ->
            TrailWriter.write(
                file(),
                Trails.header(),
                sink -> {
                  Trails.records(1000, 1).forEach(sink::add);
                  throw new IllegalStateException("stopped");
                }))
        .hasMessage("stopped");
    assertThat(Files.readAllBytes(file())).isEqualTo(before);
    try (var files = Files.list(folder)) {
      assertThat(files).containsExactly(file());
    }
  }

  @Test
  void recordsThatDoNotFitAreNotWritten() {
    RouteRecord other =
        new RouteRecord(0, 0, 1, null, null, new int[] {0}, new float[] {1}, 0.0, 0, null);
    RouteSink[] kept = new RouteSink[1];
    assertThatThrownBy(() ->
            TrailWriter.write(
                file(),
                Trails.header(),
                sink -> {
                  sink.add(other);
                  return null;
                }))
        .hasMessageContaining("layer 1 is not among those of the header, [0, 2]");
    TrailWriter.write(
        file(),
        Trails.header(),
        sink -> {
          kept[0] = sink;
          return null;
        });
    assertThatThrownBy(() -> kept[0].add(Trails.records(1, 1).getFirst()))
        .hasMessageContaining("it is closed");
  }

  @Test
  void randomDamageNeverEscapesAsAnotherError() throws IOException {
    written(4);
    byte[] whole = Files.readAllBytes(file());
    var random = new SplittableRandom(11);
    for (int i = 0; i < 500; i++) {
      byte[] damaged = whole.clone();
      int at = random.nextInt(whole.length);
      damaged[at] = (byte) (damaged[at] ^ 1 + random.nextInt(255));
      Files.write(file(), damaged);
      assertThatThrownBy(() -> TrailReader.verify(file()))
          .as("byte %d", at)
          .isInstanceOf(FileException.class);
    }
  }
}
