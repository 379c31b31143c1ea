package dev.theriac.moe.audit;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/**
 * The lines of a trail. Each is a JSON object whose first member is its type and whose last is the
 * chain: the SHA-256 of the previous line's chain (64 hexadecimal digits, zeros before the first
 * line) followed by the line's own bytes before {@code ,"chain":}.
 */
final class TrailLines {
  static final String FORMAT = "theriac-routing";
  static final int VERSION = 1;
  static final int MAX_BYTES = 1 << 20;
  static final String START = "0".repeat(64);

  static final String HEADER = "header";
  static final String ROUTE = "route";
  static final String END = "end";

  /** Floats are written so that reading them gives the same bits; NaN and infinities as text. */
  static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(4)
                          .maxNumberLength(64)
                          .maxStringLength(MAX_BYTES)
                          .build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
          .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
          .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private static final String CHAIN = ",\"chain\":\"";
  private static final int SEAL = CHAIN.length() + 64 + 2;

  private TrailLines() {}

  record HeaderLine(
      @JsonProperty(required = true) String type,
      @JsonProperty(required = true) String format,
      @JsonProperty(required = true) int version,
      @JsonProperty(required = true) String library,
      @JsonProperty(required = true) ModelLine model,
      @JsonProperty(required = true) String inputSha256,
      @JsonProperty(required = true) List<TrailHeader.Layer> layers,
      @JsonProperty(required = true) List<String> expertNames,
      @JsonProperty(required = true) LinkedHashMap<String, String> settings) {
    static HeaderLine of(TrailHeader h) {
      return new HeaderLine(
          HEADER,
          FORMAT,
          VERSION,
          h.library(),
          new ModelLine(h.model().weights(), h.model().routers()),
          h.input(),
          h.layers(),
          h.expertNames(),
          new LinkedHashMap<>(h.settings()));
    }

    TrailHeader header() {
      return new TrailHeader(
          library,
          new TrailHeader.Model(model.weightsSha256, model.routersSha256),
          inputSha256,
          layers,
          expertNames,
          settings);
    }
  }

  record ModelLine(
      @JsonProperty(required = true) String weightsSha256,
      @JsonProperty(required = true) String routersSha256) {}

  @JsonInclude(JsonInclude.Include.NON_NULL)
  record RouteLine(
      @JsonProperty(required = true) String type,
      @JsonProperty(required = true) long sequence,
      @JsonProperty(required = true) long position,
      @JsonProperty(required = true) int layer,
      Long token,
      String part,
      @JsonProperty(required = true) int[] experts,
      @JsonProperty(required = true) float[] weights,
      Double margin,
      @JsonProperty(required = true) double entropy,
      String[] dropped,
      Boolean unusable) {
    static RouteLine of(RouteRecord r) {
      return new RouteLine(
          ROUTE,
          r.sequence(),
          r.position(),
          r.layer(),
          r.token(),
          r.part(),
          r.experts(),
          r.weights(),
          r.margin(),
          r.entropy(),
          r.dropped(),
          r.unusable() ? true : null);
    }

    RouteRecord record() {
      return new RouteRecord(
          sequence,
          position,
          layer,
          token,
          part,
          experts,
          weights,
          margin,
          entropy,
          dropped,
          unusable != null && unusable);
    }
  }

  @JsonInclude(JsonInclude.Include.NON_NULL)
  record EndLine(
      @JsonProperty(required = true) String type,
      @JsonProperty(required = true) long records,
      Long unusable,
      String outputSha256) {}

  /** The type that a line says it has, or "". */
  static String type(byte[] line) {
    for (String type : new String[] {HEADER, ROUTE, END}) {
      byte[] lead = "{\"type\":\"%s\",".formatted(type).getBytes(StandardCharsets.US_ASCII);
      if (startsWith(line, lead)) return type;
    }
    return "";
  }

  private static boolean startsWith(byte[] bytes, byte[] lead) {
    return bytes.length >= lead.length
        && Arrays.equals(bytes, 0, lead.length, lead, 0, lead.length);
  }

  /** The object's line, sealed, without its line end. */
  static byte[] seal(String previous, Object line) {
    return seal(previous, MAPPER.writeValueAsString(line));
  }

  static byte[] seal(String previous, String json) {
    String body = json.substring(0, json.length() - 1);
    String chain = link(previous, body.getBytes(StandardCharsets.UTF_8));
    return (body + CHAIN + chain + "\"}").getBytes(StandardCharsets.UTF_8);
  }

  /** The chain that a sealed line holds, or null when it holds none. */
  static String chain(byte[] line) {
    if (line.length <= SEAL) return null;
    String seal = new String(line, line.length - SEAL, SEAL, StandardCharsets.ISO_8859_1);
    return seal.matches(",\"chain\":\"[0-9a-f]{64}\"\\}")
        ? seal.substring(CHAIN.length(), CHAIN.length() + 64)
        : null;
  }

  /** A sealed line without its seal, as JSON. */
  static byte[] body(byte[] line) {
    byte[] out = Arrays.copyOf(line, line.length - SEAL + 1);
    out[out.length - 1] = '}';
    return out;
  }

  /** The chain that a sealed line should hold. */
  static String link(String previous, byte[] line, int length) {
    MessageDigest digest = Fingerprint.sha256();
    digest.update(previous.getBytes(StandardCharsets.US_ASCII));
    digest.update(line, 0, length);
    return HexFormat.of().formatHex(digest.digest());
  }

  private static String link(String previous, byte[] body) {
    return link(previous, body, body.length);
  }

  static String expectedChain(String previous, byte[] line) {
    return link(previous, line, line.length - SEAL);
  }
}
