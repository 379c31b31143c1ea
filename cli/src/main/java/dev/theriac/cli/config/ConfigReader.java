package dev.theriac.cli.config;

import dev.theriac.tensor.Device;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads a JSON file into records. The keys are the components' names in snake_case; {@link Setting}
 * gives defaults and ranges. Every problem of the file is reported at once, each with its JSON
 * path: unknown keys (with the nearest known one), missing keys, wrong types, numbers out of range,
 * and what the records' own constructors object to.
 *
 * <p>Values may be boolean, int, long, double, String, enums (in any case), Device, Path (relative
 * to the folder of the file) and records.
 */
public final class ConfigReader {
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private final String name;
  private final Path folder;
  private final List<String> problems = new ArrayList<>();

  private ConfigReader(String name, Path folder) {
    this.name = name;
    this.folder = folder;
  }

  /**
   * Reads a file.
   *
   * @throws ConfigException if it is missing, no JSON, or does not fit the record
   */
  public static <T extends Record> T read(Path file, Class<T> type) {
    String json;
    try {
      json = Files.readString(file);
    } catch (IOException e) {
      throw new ConfigException(file.toString(), List.of("cannot be read (" + e + ")"));
    }
    return parse(json, file.toString(), file.toAbsolutePath().getParent(), type);
  }

  /**
   * Reads the text of a file.
   *
   * @param name what errors call it
   * @param folder where relative paths start
   */
  public static <T extends Record> T parse(String json, String name, Path folder, Class<T> type) {
    JsonNode root;
    try {
      root = JSON.readTree(json);
    } catch (JacksonException e) {
      throw new ConfigException(
          name,
          List.of(
              "line %d, column %d: not valid JSON: %s"
                  .formatted(
                      e.getLocation().getLineNr(),
                      e.getLocation().getColumnNr(),
                      e.getOriginalMessage())));
    }
    ConfigReader reader = new ConfigReader(name, folder);
    T result = reader.record(root, "$", type);
    if (!reader.problems.isEmpty()) {
      throw new ConfigException(name, reader.problems);
    }
    return result;
  }

  private void problem(String path, String what) {
    problems.add(path + ": " + what);
  }

  private <T extends Record> T record(JsonNode node, String path, Class<T> type) {
    if (!node.isObject()) {
      problem(path, "expected an object { ... }, got " + node);
      return null;
    }
    RecordComponent[] components = type.getRecordComponents();
    List<String> known = Arrays.stream(components).map(c -> key(c.getName())).toList();
    node.propertyNames().stream()
        .filter(key -> !known.contains(key))
        .forEach(key -> problem(path + "." + key, unknown(key, known)));
    int before = problems.size();
    Object[] values = new Object[components.length];
    for (int i = 0; i < components.length; i++) {
      values[i] = component(node, path + "." + known.get(i), known.get(i), components[i]);
    }
    return problems.size() == before ? construct(type, components, values, path) : null;
  }

  private static String unknown(String key, List<String> known) {
    return Nearest.to(key, known)
        .map(near -> "unknown key; did you mean '" + near + "'?")
        .orElse("unknown key; known here: " + String.join(", ", known));
  }

  private <T> T construct(
      Class<T> type, RecordComponent[] components, Object[] values, String path) {
    Class<?>[] types =
        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      var constructor = type.getDeclaredConstructor(types);
      constructor.setAccessible(true);
      return constructor.newInstance(values);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof IllegalArgumentException objection) {
        problem(path, objection.getMessage());
        return null;
      }
      throw new IllegalStateException(type + " cannot be made", e.getCause());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(type + " cannot be made", e);
    }
  }

  private Object component(JsonNode parent, String path, String key, RecordComponent component) {
    Setting setting = component.getAnnotation(Setting.class);
    JsonNode node = parent.path(key);
    if (node.isMissingNode() || node.isNull()) {
      if (setting != null && setting.optional()) {
        return null;
      }
      if (setting != null && !setting.value().equals(Setting.NONE)) {
        node = literal(setting.value(), component.getType());
      } else if (isObject(component.getType())) {
        node = JSON.createObjectNode();
      } else {
        problem(path, "missing; expected " + expected(component.getType(), setting));
        return null;
      }
    }
    return isObject(component.getType())
        ? record(node, path, component.getType().asSubclass(Record.class))
        : value(node, path, component.getType(), setting);
  }

  /** A device is written as a text. */
  private static boolean isObject(Class<?> type) {
    return type.isRecord() && type != Device.class;
  }

  private static JsonNode literal(String text, Class<?> type) {
    boolean quoted = type == String.class || type == Path.class || type.isEnum();
    return quoted ? JSON.getNodeFactory().stringNode(text) : JSON.readTree(text);
  }

  private Object value(JsonNode node, String path, Class<?> type, Setting setting) {
    Object value = convert(node, type);
    boolean inRange =
        !(value instanceof Number number)
            || setting == null
            || (number.doubleValue() >= setting.min() && number.doubleValue() <= setting.max());
    if (value == null || !inRange) {
      problem(path, "expected " + expected(type, setting) + ", got " + node);
      return null;
    }
    return value;
  }

  /** The value, or null if the node is of another type. */
  private Object convert(JsonNode node, Class<?> type) {
    if (type == boolean.class || type == Boolean.class) {
      return node.isBoolean() ? node.asBoolean() : null;
    } else if (type == int.class || type == Integer.class) {
      return node.isIntegralNumber() && node.canConvertToInt() ? node.asInt() : null;
    } else if (type == long.class || type == Long.class) {
      return node.isIntegralNumber() && node.canConvertToLong() ? node.asLong() : null;
    } else if (type == double.class || type == Double.class) {
      return node.isNumber() ? node.asDouble() : null;
    } else if (type == String.class) {
      return node.isString() ? node.asString() : null;
    } else if (type == Path.class) {
      return node.isString() && !node.asString().isBlank()
          ? folder.resolve(node.asString()).normalize()
          : null;
    } else if (type == Device.class) {
      return node.isString() ? device(node.asString()) : null;
    } else if (type.isEnum()) {
      return Arrays.stream(type.getEnumConstants())
          .filter(c -> node.isString() && c.toString().equalsIgnoreCase(node.asString()))
          .findFirst()
          .orElse(null);
    }
    throw new IllegalStateException("no configuration values of type " + type);
  }

  private static Device device(String text) {
    try {
      return Device.of(text);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static String expected(Class<?> type, Setting setting) {
    if (type.isEnum()) {
      return "one of "
          + String.join(
              ", ",
              Arrays.stream(type.getEnumConstants())
                  .map(c -> "\"" + c.toString().toLowerCase(Locale.ROOT) + "\"")
                  .toList());
    }
    String kind =
        switch (type.getSimpleName()) {
          case "boolean", "Boolean" -> "true or false";
          case "int", "Integer", "long", "Long" -> "a whole number";
          case "double", "Double" -> "a number";
          case "Path" -> "a path in quotes";
          case "Device" -> "\"cpu\", \"cuda\" or \"cuda:N\"";
          default -> "text in quotes";
        };
    return setting == null ? kind : kind + range(setting);
  }

  private static String range(Setting setting) {
    boolean low = setting.min() != Double.NEGATIVE_INFINITY;
    boolean high = setting.max() != Double.POSITIVE_INFINITY;
    if (low && high) {
      return " from " + number(setting.min()) + " to " + number(setting.max());
    }
    return low
        ? ", " + number(setting.min()) + " or more"
        : high ? ", " + number(setting.max()) + " or less" : "";
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Double.toString(value);
  }

  /** {@code batchSize} as {@code batch_size}. */
  private static String key(String component) {
    return component.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
  }
}
