package dev.theriac.moe.config;

import dev.theriac.io.FileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The fields of an object in a JSON file; errors, {@link FileException}s, name the file, the field
 * and what it should be. Not thread-safe.
 */
public final class ConfigFields {
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private final Path file;
  private final String prefix;
  private final JsonNode node;
  private final Set<String> asked = new LinkedHashSet<>();

  private ConfigFields(Path file, String prefix, JsonNode node) {
    this.file = file;
    this.prefix = prefix;
    this.node = node;
  }

  /** Reads a file that holds one object. */
  public static ConfigFields read(Path file) {
    try {
      JsonNode root = JSON.readTree(Files.readAllBytes(file));
      if (!root.isObject()) throw new FileException(file, "is not a JSON object");
      return new ConfigFields(file, "", root);
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file; a model directory needs it", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    } catch (JacksonException e) {
      throw new FileException(file, "not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  /** Whether the field is there and not null. */
  public boolean has(String name) {
    asked.add(name);
    return node.hasNonNull(name);
  }

  /** The object in a field. */
  public ConfigFields object(String name) {
    JsonNode value = value(name, "an object");
    if (!value.isObject()) throw wrong(name, value, "an object");
    return new ConfigFields(file, prefix + name + ".", value);
  }

  /** The whole number in a field. */
  public int integer(String name) {
    return integer(name, value(name, "a whole number"));
  }

  private int integer(String name, JsonNode value) {
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw wrong(name, value, "a whole number");
    }
    return value.intValue();
  }

  /** The same, or {@code other} when the field is missing or null. */
  public int integer(String name, int other) {
    return has(name) ? integer(name) : other;
  }

  /** The number in a field. */
  public double number(String name) {
    return number(name, value(name, "a number"));
  }

  private double number(String name, JsonNode value) {
    if (!value.isNumber()) throw wrong(name, value, "a number");
    return value.doubleValue();
  }

  /** The same, or {@code other} when the field is missing or null. */
  public double number(String name, double other) {
    return has(name) ? number(name) : other;
  }

  /** The text in a field. */
  public String text(String name) {
    JsonNode value = value(name, "text");
    if (!value.isString()) throw wrong(name, value, "text");
    return value.stringValue();
  }

  /** The truth value in a field. */
  public boolean flag(String name) {
    JsonNode value = value(name, "true or false");
    if (!value.isBoolean()) throw wrong(name, value, "true or false");
    return value.booleanValue();
  }

  /** The same, or {@code other} when the field is missing or null. */
  public boolean flag(String name, boolean other) {
    return has(name) ? flag(name) : other;
  }

  /** The whole numbers in a field. */
  public List<Integer> integers(String name) {
    List<Integer> out = new ArrayList<>();
    for (JsonNode value : array(name, "a list of whole numbers")) out.add(integer(name, value));
    return out;
  }

  /** The whole number, or the whole numbers, in a field; none when it is missing or null. */
  public List<Integer> anyIntegers(String name) {
    if (!has(name)) return List.of();
    return node.get(name).isArray() ? integers(name) : List.of(integer(name));
  }

  /** The numbers in a field. */
  public float[] floats(String name) {
    JsonNode array = array(name, "a list of numbers");
    float[] out = new float[array.size()];
    for (int i = 0; i < out.length; i++) out[i] = (float) number(name, array.get(i));
    return out;
  }

  private JsonNode array(String name, String wanted) {
    JsonNode value = value(name, wanted);
    if (!value.isArray()) throw wrong(name, value, wanted);
    return value;
  }

  private JsonNode value(String name, String wanted) {
    if (has(name)) return node.get(name);
    throw new FileException(
        file, "field \"%s%s\" is missing; %s is wanted".formatted(prefix, name, wanted));
  }

  /** An error about a field that is there, to be thrown. */
  public FileException wrong(String name, String wanted) {
    return wrong(name, node.get(name), wanted);
  }

  private FileException wrong(String name, JsonNode value, String wanted) {
    return new FileException(
        file, "field \"%s%s\" is %s; %s is wanted".formatted(prefix, name, value, wanted));
  }

  /** Refuses fields that were not asked for, but for those named here. */
  public void nothingBut(String... ignored) {
    Set<String> known = new TreeSet<>(asked);
    known.addAll(List.of(ignored));
    for (String name : node.propertyNames()) {
      if (!known.contains(name)) {
        throw new FileException(
            file, "unknown field \"%s%s\"; known here are %s".formatted(prefix, name, known));
      }
    }
  }
}
