package dev.theriac.moe.medmoe.metrics;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Brings an answer into the form in which words are compared, with all quirks of the usual VQA
 * scoring script, so that scores agree with published ones.
 *
 * <p>Safe for concurrent use.
 */
public final class WordNormalizer {
  private static final String MARKS = ";/[]\"{}()=+\\_-><@`,?!";
  private static final Pattern NUMBER_COMMA = Pattern.compile("\\d,\\d", unicode());
  private static final Pattern PERIOD = Pattern.compile("\\.(?!\\d)", unicode());

  /** The script passes a flag where a count belongs; so many periods go, and no more. */
  private static final int PERIODS_REMOVED = 32;

  private static final Set<String> ARTICLES = Set.of("a", "an", "the");
  private static final Map<String, String> NUMBERS =
      Map.ofEntries(
          Map.entry("none", "0"),
          Map.entry("zero", "0"),
          Map.entry("one", "1"),
          Map.entry("two", "2"),
          Map.entry("three", "3"),
          Map.entry("four", "4"),
          Map.entry("five", "5"),
          Map.entry("six", "6"),
          Map.entry("seven", "7"),
          Map.entry("eight", "8"),
          Map.entry("nine", "9"),
          Map.entry("ten", "10"));
  private static final Map<String, String> CONTRACTIONS = contractions();

  private WordNormalizer() {}

  private static int unicode() {
    return Pattern.UNICODE_CHARACTER_CLASS;
  }

  /** Words of {@code text} joined by single blanks; empty if nothing is left. */
  public static String normalize(String text) {
    String kept = removePeriods(replaceMarks(text));
    List<String> words = new ArrayList<>();
    for (String word : words(kept.toLowerCase(Locale.ROOT))) {
      String number = NUMBERS.getOrDefault(word, word);
      if (!ARTICLES.contains(number)) {
        words.add(CONTRACTIONS.getOrDefault(number, number));
      }
    }
    return String.join(" ", words).replace(",", "");
  }

  /** The parts of {@code text} between runs of white space. */
  static List<String> words(String text) {
    List<String> words = new ArrayList<>();
    int start = -1;
    for (int i = 0; i <= text.length(); i++) {
      boolean space = i == text.length() || isSpace(text.charAt(i));
      if (!space && start < 0) {
        start = i;
      } else if (space && start >= 0) {
        words.add(text.substring(start, i));
        start = -1;
      }
    }
    return words;
  }

  private static boolean isSpace(char c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
  }

  /** Whether a mark is deleted or leaves a blank depends on the text as it was at the start. */
  private static String replaceMarks(String text) {
    boolean number = NUMBER_COMMA.matcher(text).find();
    String result = text;
    for (int i = 0; i < MARKS.length(); i++) {
      String mark = MARKS.substring(i, i + 1);
      boolean atEdge = text.contains(mark + " ") || text.contains(" " + mark);
      result = result.replace(mark, atEdge || number ? "" : " ");
    }
    return result;
  }

  private static String removePeriods(String text) {
    Matcher period = PERIOD.matcher(text);
    StringBuilder result = new StringBuilder();
    int from = 0;
    for (int count = 0; count < PERIODS_REMOVED && period.find(); count++) {
      result.append(text, from, period.start());
      from = period.end();
    }
    return result.append(text, from, text.length()).toString();
  }

  private static Map<String, String> contractions() {
    Map<String, String> table = new HashMap<>();
    try (InputStream in = WordNormalizer.class.getResourceAsStream("contractions.txt");
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (!line.startsWith("#")) {
          int blank = line.indexOf(' ');
          table.put(line.substring(0, blank), line.substring(blank + 1));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Map.copyOf(table);
  }
}
