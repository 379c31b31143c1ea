package dev.theriac.moe.medmoe.metrics;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * One answer against its reference; all values lie in 0 to 1.
 *
 * <p>Texts are lower-cased, and normalised by {@link WordNormalizer} unless said otherwise.
 *
 * @param exactMatch share of the answer's words that are distinct words of the reference (a ratio,
 *     despite its name)
 * @param f1 harmonic mean of precision and recall
 * @param precision share of the answer's words that occur in the reference
 * @param recall matching words of the answer over those and the reference's missing words; since
 *     the answer's counts are used, a repeated right word raises it
 * @param bleu1 BLEU of order 1 over words as they are, without normalisation
 * @param bleu2 the same of order 2 alone
 * @param bleu3 the same of order 3 alone
 * @param contained whether the reference is a substring of the answer, without normalisation: "no"
 *     is in "normal"
 * @param strict whether the answer says what the reference says: for yes or no, that word and not
 *     the other; otherwise the same words in the same order
 */
public record AnswerScore(
    double exactMatch,
    double f1,
    double precision,
    double recall,
    double bleu1,
    double bleu2,
    double bleu3,
    boolean contained,
    boolean strict) {

  /** Scores {@code answer}, which may be empty, against {@code reference}. */
  public static AnswerScore of(String answer, String reference) {
    String said = answer.toLowerCase(Locale.ROOT);
    String wanted = reference.toLowerCase(Locale.ROOT);
    List<String> saidWords = WordNormalizer.words(WordNormalizer.normalize(said));
    List<String> wantedWords = WordNormalizer.words(WordNormalizer.normalize(wanted));
    Map<String, Integer> counts = counts(saidWords);
    Map<String, Integer> wantedCounts = counts(wantedWords);

    int truePositive = sum(counts, wantedCounts, true);
    int falsePositive = sum(counts, wantedCounts, false);
    int falseNegative = sum(wantedCounts, counts, false);
    double precision = ratio(truePositive, truePositive + falsePositive);
    double recall = ratio(truePositive, truePositive + falseNegative);
    long distinct = wantedCounts.keySet().stream().filter(counts::containsKey).count();

    List<String> saidRaw = WordNormalizer.words(said);
    List<String> wantedRaw = WordNormalizer.words(wanted);
    return new AnswerScore(
        ratio(distinct, saidWords.size()),
        truePositive == 0 ? 0 : 2 * precision * recall / (precision + recall),
        precision,
        recall,
        Bleu.score(saidRaw, wantedRaw, 1),
        Bleu.score(saidRaw, wantedRaw, 2),
        Bleu.score(saidRaw, wantedRaw, 3),
        said.contains(wanted),
        strict(saidWords, wantedWords));
  }

  private static boolean strict(List<String> said, List<String> wanted) {
    Set<String> verdicts = new LinkedHashSet<>(said);
    verdicts.retainAll(Set.of("yes", "no"));
    if (wanted.equals(List.of("yes")) || wanted.equals(List.of("no"))) {
      return verdicts.equals(Set.copyOf(wanted));
    }
    return said.equals(wanted);
  }

  private static double ratio(long part, long whole) {
    return whole == 0 ? 0 : (double) part / whole;
  }

  private static Map<String, Integer> counts(List<String> words) {
    Map<String, Integer> counts = new HashMap<>();
    words.forEach(word -> counts.merge(word, 1, Integer::sum));
    return counts;
  }

  private static int sum(Map<String, Integer> counts, Map<String, Integer> other, boolean shared) {
    return counts.entrySet().stream()
        .filter(entry -> other.containsKey(entry.getKey()) == shared)
        .mapToInt(Map.Entry::getValue)
        .sum();
  }
}
