package dev.theriac.bench.fullsize;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What one program took for an answer, in a process of its own.
 *
 * @param name of the program
 * @param load seconds from its start until the model could be asked
 * @param picture seconds for encoding the picture
 * @param prompt seconds for the prompt, up to the first new token
 * @param positions of the prompt
 * @param decode seconds for the tokens after the first
 * @param steps how many these are
 * @param resident the most memory that was resident, in bytes; NaN where not known
 * @param text of the answer
 * @param tokens of the answer; empty where the program prints its text alone
 */
public record Answer(
    String name,
    double load,
    double picture,
    double prompt,
    int positions,
    double decode,
    int steps,
    double resident,
    String text,
    List<Integer> tokens) {
  private static final String NUMBER = "([0-9.]+)";
  private static final Pattern LOADED = Pattern.compile("model loaded " + NUMBER + " s");
  private static final Pattern PARTS =
      Pattern.compile(
          "picture N s; prompt of ([0-9]+) positions N s, N a second; ([0-9]+) more tokens N s"
              .replace("N", NUMBER));
  private static final Pattern RESIDENT = Pattern.compile("at most " + NUMBER + " GiB resident");

  public Answer {
    tokens = List.copyOf(tokens);
  }

  /**
   * Reads what {@code theriac ask --times} prints.
   *
   * @param errors its standard error
   * @throws IllegalStateException when the times are not there
   */
  public static Answer of(String errors, String text) {
    Matcher loaded = LOADED.matcher(errors);
    Matcher parts = PARTS.matcher(errors);
    if (!loaded.find() || !parts.find()) {
      throw new IllegalStateException("theriac ask --times printed no times:\n" + errors);
    }
    Matcher resident = RESIDENT.matcher(errors);
    return new Answer(
        "theriac",
        number(loaded, 1),
        number(parts, 1),
        number(parts, 3),
        Integer.parseInt(parts.group(2)),
        number(parts, 6),
        Integer.parseInt(parts.group(5)),
        resident.find() ? number(resident, 1) * (1L << 30) : Double.NaN,
        text.strip(),
        List.of());
  }

  private static double number(Matcher found, int group) {
    return Double.parseDouble(found.group(group));
  }

  /** Microseconds for each token after the first. */
  double stepMicros() {
    return decode * 1e6 / steps;
  }
}
