package dev.theriac.fuzz;

import dev.theriac.io.FileException;
import dev.theriac.tensor.Rng;
import dev.theriac.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Puts values that make no sense, one after the other, into the fields of a good JSON file: each is
 * refused with a {@link FileException} that names file and field. Some of the values are drawn, by
 * a seed. What is no JSON at all, such as a bare NaN, is refused by the file's name.
 *
 * <pre>{@code
 * new WrongValues(dir.resolve("config.json")).fields(Kind.SIZE, "vocab_size").run(CausalLm::load);
 * }</pre>
 */
public final class WrongValues {
  private static final List<String> NOT_FINITE = List.of("1e999", "-1e999");
  private static final List<String> NOT_WHOLE =
      List.of(
          "0.5",
          "-3.25",
          "1e-3",
          "1e30",
          "4294967296",
          "-4294967297",
          "9223372036854775808",
          "-9223372036854775809",
          "100000000000000000000000");
  private static final List<String> NO_NUMBER =
      List.of(
          "\"x\"", "\"7\"", "\"NaN\"", "\"Infinity\"", "\"\"", "[]", "[1]", "{}", "true", "false");

  /** Numbers that JSON does not know. */
  private static final List<String> NO_JSON =
      List.of(
          "NaN", "-NaN", "Infinity", "-Infinity", "+1", "0x10", "01", ".5", "1.", "1e", "--1", "");

  private final Path file;
  private final Map<String, Kind> fields = new LinkedHashMap<>();
  private final Rng rng = new Rng(Long.getLong("theriac.fuzz.seed", 5));

  /** What a field takes. */
  public enum Kind {
    /** A whole number from 1 to far less than what 32 bits hold. */
    SIZE(
        List.of(NO_NUMBER, NOT_FINITE, NOT_WHOLE, List.of("-1", "0", "-2147483648", "2147483647"))),
    /** A whole number from 1. */
    COUNT(List.of(NO_NUMBER, NOT_FINITE, NOT_WHOLE, List.of("-1", "0", "-2147483648"))),
    /** A whole number that may be negative. */
    INDEX(List.of(NO_NUMBER, NOT_FINITE, NOT_WHOLE, List.of("-2147483648", "2147483647", "5000"))),
    /** A number from 0 to 1. */
    SHARE(List.of(NO_NUMBER, NOT_FINITE, List.of("-1", "-1e-9", "1.5", "2", "1e30", "4294967296"))),
    /** A number from 0 to below 1. */
    PROBABILITY(
        List.of(NO_NUMBER, NOT_FINITE, List.of("-1", "-1e-9", "1", "1.5", "1e30", "4294967296"))),
    /** A number above 0. */
    POSITIVE(List.of(NO_NUMBER, NOT_FINITE, List.of("-1", "-1e-9", "0", "-1e30"))),
    /** A base of frequencies. */
    BASE(List.of(NO_NUMBER, NOT_FINITE, List.of("-1", "-1e-9", "0", "0.5", "1e30"))),
    /** A factor from 0. */
    FACTOR(List.of(NO_NUMBER, NOT_FINITE, List.of("-1", "-1e-9", "1e30"))),
    /** True or false. */
    FLAG(List.of(List.of("0", "1", "\"x\"", "\"true\"", "[]", "{}", "1e999"))),
    /** One of a few words. */
    WORD(List.of(List.of("0", "true", "\"x\"", "\"\"", "[]", "{}", "1e999"))),
    /** A list of one number or more, whole and from 1. */
    SIZES(
        List.of(
            List.of("[]", "[0]", "[-1]", "[0.5]", "[1e999]", "[4294967296]", "[2147483647]"),
            List.of("[\"x\"]", "[\"2\"]", "[true]", "[null]", "[[2]]", "[{}]", "{}", "\"x\""))),
    /** A list of numbers. */
    NUMBERS(
        List.of(
            List.of("[]", "[0.5, 0.5]", "[0.5, 1e999, 0.5]", "[-1, 0.5, 0.5]"),
            List.of("[\"x\", 1, 1]", "[\"0.5\", 0.5, 0.5]", "[true, 1, 1]", "[null, 1, 1]"),
            List.of("[[1], 1, 1]", "{}", "\"x\"", "true")));

    private final List<String> wrong;

    Kind(List<List<String>> wrong) {
      this.wrong = wrong.stream().flatMap(List::stream).toList();
    }
  }

  /** Uses the file as a user would. */
  @FunctionalInterface
  public interface Reader {
    void read(Path file) throws IOException;
  }

  /** Values for the fields of a good file, which is put back. */
  public WrongValues(Path file) {
    this.file = file;
  }

  /** Further fields, wherever in the file they are. */
  public WrongValues fields(Kind kind, String... names) {
    for (String name : names) fields.put(name, kind);
    return this;
  }

  /**
   * Tries them all.
   *
   * @return how many values were refused
   * @throws AssertionError listing those that were not, or not by file and field
   */
  public int run(Reader reader) throws IOException {
    String good = Files.readString(file);
    List<String> faults = new ArrayList<>();
    int refused = 0;
    try (Scope _ = Scope.open()) {
      reader.read(file);
      for (var field : fields.entrySet()) {
        Matcher at =
            Pattern.compile("\"" + field.getKey() + "\"\\s*:\\s*(\\[[^]]*]|[^,}\\]\\s]+)")
                .matcher(good);
        boolean there = false;
        while (at.find()) {
          there = true;
          String before = good.substring(0, at.start(1));
          String behind = good.substring(at.end(1));
          for (String value : values(field.getValue())) {
            Files.writeString(file, before + value + behind);
            String fault = fault(reader, NO_JSON.contains(value) ? "" : field.getKey());
            if (fault == null) refused++;
            else
              faults.add(
                  "\"%s\": %s at %d: %s".formatted(field.getKey(), value, at.start(), fault));
          }
        }
        if (!there) faults.add("no field \"%s\"".formatted(field.getKey()));
      }
    } finally {
      Files.writeString(file, good);
    }
    if (faults.isEmpty()) return refused;
    throw new AssertionError(
        "%s, %d values:%n%s".formatted(file, faults.size(), String.join("\n", faults)));
  }

  private String fault(Reader reader, String name) {
    try {
      reader.read(file);
      return "read";
    } catch (FileException e) {
      String said = String.valueOf(e.getMessage());
      return said.contains(file.toString()) && said.contains(name) ? null : said;
    } catch (IOException | RuntimeException e) {
      return e.toString();
    }
  }

  private List<String> values(Kind kind) {
    List<String> out = new ArrayList<>(kind.wrong);
    out.addAll(NO_JSON);
    boolean whole = kind == Kind.SIZE || kind == Kind.COUNT || kind == Kind.INDEX;
    for (int i = 0; i < 4; i++) {
      // Beyond 32 bits, with a fraction, and below any size.
      if (whole)
        out.add(
            "%d"
                .formatted(
                    (1L << 32) + (Integer.toUnsignedLong(rng.nextInt()) << rng.nextInt(30))));
      if (whole) out.add("%d.%d".formatted(rng.nextInt(1 << 20), 1 + rng.nextInt(9)));
      if (kind != Kind.FLAG && kind != Kind.INDEX)
        out.add("-%d".formatted(1 + rng.nextInt(1 << 30)));
    }
    return out;
  }
}
