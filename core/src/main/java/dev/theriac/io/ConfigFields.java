package dev.theriac.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The fields of an object in a JSON file, such as a model's {@code config.json}; errors, {@link
 * FileException}s, name the file, the field and what it should be. Not thread-safe.
 */
public final class ConfigFields {
  private static final long MAX_BYTES = 1 << 24;
  private static final int SHOWN = 120;

  private final Path file;
  private final String prefix;
  private final Map<?, ?> node;
  private final Set<String> asked = new LinkedHashSet<>();

  private ConfigFields(Path file, String prefix, Map<?, ?> node) {
    this.file = file;
    this.prefix = prefix;
    this.node = node;
  }

  /** Reads a file that holds one object, of at most 16 MiB. */
  public static ConfigFields read(Path file) {
    byte[] bytes;
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new FileException(
            file,
            "%d bytes; a configuration has at most %d".formatted(Files.size(file), MAX_BYTES));
      }
      bytes = Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new FileException(file, "no such file; a model directory needs it", e);
    } catch (IOException e) {
      throw new FileException(file, "cannot be read: " + e.getMessage(), e);
    }
    if (Json.parse(file, "configuration", ByteBuffer.wrap(bytes)) instanceof Map<?, ?> root) {
      return new ConfigFields(file, "", root);
    }
    throw new FileException(file, "is not a JSON object");
  }

  /** An object without fields, for one that a file may leave out: all its fields are missing. */
  public static ConfigFields empty(Path file, String prefix) {
    return new ConfigFields(file, prefix, Map.of());
  }

  /** The file that is read. */
  public Path file() {
    return file;
  }

  /** Whether the field is there and not null. */
  public boolean has(String name) {
    asked.add(name);
    return node.get(name) != null;
  }

  /** Whether the field is there and null. */
  public boolean isNull(String name) {
    return !has(name) && node.containsKey(name);
  }

  /** The object in a field. */
  public ConfigFields object(String name) {
    Object value = value(name, "an object");
    if (value instanceof Map<?, ?> map) return new ConfigFields(file, prefix + name + ".", map);
    throw wrong(name, value, "an object");
  }

  /** Whether the field holds an object. */
  public boolean isObject(String name) {
    return has(name) && node.get(name) instanceof Map;
  }

  /** The whole number in a field. */
  public int integer(String name) {
    return integer(name, value(name, "a whole number"));
  }

  private int integer(String name, Object value) {
    if (value instanceof Long n && n == n.intValue()) return n.intValue();
    throw wrong(name, value, "a whole number");
  }

  /** The same, or {@code other} when the field is missing or null. */
  public int integer(String name, int other) {
    return has(name) ? integer(name) : other;
  }

  /** The whole number in a field, no less than {@code least} and no more than {@code most}. */
  public int integer(String name, int least, int most) {
    int value = integer(name);
    if (value >= least && value <= most) return value;
    throw wrong(name, "a whole number from %d to %d".formatted(least, most));
  }

  /** The same, or {@code other} when the field is missing or null. */
  public int integer(String name, int other, int least, int most) {
    return has(name) ? integer(name, least, most) : other;
  }

  /** The number in a field. */
  public double number(String name) {
    return number(name, value(name, "a number"));
  }

  private double number(String name, Object value) {
    if (value instanceof Number n) return n.doubleValue();
    throw wrong(name, value, "a number");
  }

  /** The same, or {@code other} when the field is missing or null. */
  public double number(String name, double other) {
    return has(name) ? number(name) : other;
  }

  /** The number in a field, no less than {@code least} and no more than {@code most}. */
  public double number(String name, double least, double most) {
    double value = number(name);
    if (value >= least && value <= most) return value;
    throw wrong(name, "a number from %s to %s".formatted(shown(least), shown(most)));
  }

  /** The same, or {@code other} when the field is missing or null. */
  public double number(String name, double other, double least, double most) {
    return has(name) ? number(name, least, most) : other;
  }

  private static String shown(double number) {
    return number == (long) number ? Long.toString((long) number) : Double.toString(number);
  }

  /** The text in a field. */
  public String text(String name) {
    Object value = value(name, "text");
    if (value instanceof String s) return s;
    throw wrong(name, value, "text");
  }

  /** The same, or {@code other} when the field is missing or null. */
  public String text(String name, String other) {
    return has(name) ? text(name) : other;
  }

  /** The truth value in a field. */
  public boolean flag(String name) {
    Object value = value(name, "true or false");
    if (value instanceof Boolean b) return b;
    throw wrong(name, value, "true or false");
  }

  /** The same, or {@code other} when the field is missing or null. */
  public boolean flag(String name, boolean other) {
    return has(name) ? flag(name) : other;
  }

  /** The whole numbers in a field. */
  public List<Integer> integers(String name) {
    List<Integer> out = new ArrayList<>();
    for (Object value : array(name, "a list of whole numbers")) out.add(integer(name, value));
    return out;
  }

  /** The whole number, or the whole numbers, in a field; none when it is missing or null. */
  public List<Integer> anyIntegers(String name) {
    if (!has(name)) return List.of();
    return node.get(name) instanceof List ? integers(name) : List.of(integer(name));
  }

  /** The numbers in a field. */
  public List<Double> numbers(String name) {
    List<Double> out = new ArrayList<>();
    for (Object value : array(name, "a list of numbers")) out.add(number(name, value));
    return out;
  }

  /** The numbers in a field, rounded to F32. */
  public float[] floats(String name) {
    List<?> array = array(name, "a list of numbers");
    float[] out = new float[array.size()];
    for (int i = 0; i < out.length; i++) out[i] = (float) number(name, array.get(i));
    return out;
  }

  /** The number, or the numbers, in a field; none when it is missing or null. */
  public float[] anyFloats(String name) {
    if (!has(name)) return new float[0];
    return node.get(name) instanceof List ? floats(name) : new float[] {(float) number(name)};
  }

  /** The texts in a field; none when it is missing or null. */
  public List<String> texts(String name) {
    if (!has(name)) return List.of();
    List<String> out = new ArrayList<>();
    for (Object value : array(name, "a list of texts")) {
      if (!(value instanceof String s)) throw wrong(name, value, "a list of texts");
      out.add(s);
    }
    return out;
  }

  /** The text, or the texts, in a field; none when it is missing or null. */
  public List<String> anyTexts(String name) {
    return has(name) && node.get(name) instanceof String text ? List.of(text) : texts(name);
  }

  private List<?> array(String name, String wanted) {
    Object value = value(name, wanted);
    if (value instanceof List<?> list) return list;
    throw wrong(name, value, wanted);
  }

  private Object value(String name, String wanted) {
    if (has(name)) return node.get(name);
    throw new FileException(
        file, "field \"%s%s\" is missing; %s is wanted".formatted(prefix, name, wanted));
  }

  /** An error about a field that is there, to be thrown. */
  public FileException wrong(String name, String wanted) {
    return wrong(name, node.get(name), wanted);
  }

  private FileException wrong(String name, Object value, String wanted) {
    String shown = Json.write(value);
    if (shown.length() > SHOWN) shown = shown.substring(0, SHOWN) + "...";
    return new FileException(
        file, "field \"%s%s\" is %s; %s is wanted".formatted(prefix, name, shown, wanted));
  }

  /** Refuses fields that were not asked for, but for those named here. */
  public void nothingBut(String... ignored) {
    Set<String> known = new TreeSet<>(asked);
    known.addAll(List.of(ignored));
    for (Object name : node.keySet()) {
      if (!known.contains(name)) {
        throw new FileException(
            file, "unknown field \"%s%s\"; known here are %s".formatted(prefix, name, known));
      }
    }
  }
}
