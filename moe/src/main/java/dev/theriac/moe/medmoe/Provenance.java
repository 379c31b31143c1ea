package dev.theriac.moe.medmoe;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Where a model comes from, kept in the metadata of its weights. Nothing in it differs between two
 * runs of the same configuration, so that they write the same bytes.
 *
 * @param version of Theriac
 * @param seed of the run, or null where there was none
 * @param configuration of the run, as the caller wrote it; may be empty
 * @param data hash of the training data, or empty
 * @param experts what each expert was made for, by id, such as a modality; empty when nobody said
 */
public record Provenance(
    String version, Long seed, String configuration, String data, List<String> experts) {
  private static final String VERSION = "theriac.version";
  private static final String SEED = "theriac.seed";
  private static final String CONFIGURATION = "theriac.config";
  private static final String DATA = "theriac.data";
  private static final String EXPERTS = "theriac.experts";
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String LIBRARY = libraryVersion();

  public Provenance {
    experts = List.copyOf(experts);
  }

  /** That of a model of which nothing is known but the library's version. */
  public static Provenance unknown() {
    return new Provenance(LIBRARY, null, "", "", List.of());
  }

  /** With this library's version. */
  public static Provenance of(long seed, String configuration, String data) {
    return new Provenance(LIBRARY, seed, configuration, data, List.of());
  }

  /** The same with names for the experts. */
  public Provenance withExperts(List<String> names) {
    return new Provenance(version, seed, configuration, data, names);
  }

  private static String libraryVersion() {
    try (var in = Provenance.class.getResourceAsStream("version.properties")) {
      if (in == null) {
        throw new IllegalStateException("version.properties is missing from the theriac-moe jar");
      }
      var properties = new Properties();
      properties.load(in);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Map<String, String> metadata() {
    Map<String, String> out = new LinkedHashMap<>();
    out.put("format", "pt");
    out.put(VERSION, version);
    if (seed != null) out.put(SEED, seed.toString());
    if (!configuration.isEmpty()) out.put(CONFIGURATION, configuration);
    if (!data.isEmpty()) out.put(DATA, data);
    if (!experts.isEmpty()) out.put(EXPERTS, JSON.writeValueAsString(experts));
    return out;
  }

  /** The version is empty for weights that Theriac did not write. */
  static Provenance of(Map<String, String> metadata) {
    Long seed;
    try {
      seed = metadata.get(SEED) == null ? null : Long.valueOf(metadata.get(SEED));
    } catch (NumberFormatException e) {
      seed = null;
    }
    return new Provenance(
        metadata.getOrDefault(VERSION, ""),
        seed,
        metadata.getOrDefault(CONFIGURATION, ""),
        metadata.getOrDefault(DATA, ""),
        experts(metadata.getOrDefault(EXPERTS, "[]")));
  }

  /** Names are for people alone, so whatever else stands there gives none. */
  private static List<String> experts(String json) {
    try {
      return List.of(JSON.readValue(json, String[].class));
    } catch (JacksonException | NullPointerException e) {
      return List.of();
    }
  }
}
