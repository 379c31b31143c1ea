package dev.theriac.moe.medmoe.prompt;

import static java.lang.System.Logger.Level.WARNING;

import dev.theriac.llm.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Writes conversations out as token ids with label masks.
 *
 * <p>Safe for concurrent use if the tokenizer is.
 *
 * @param maxLength ids kept of an example, where a picture counts 1 (2048 in the published model)
 */
public record PromptEncoder(Tokenizer tokenizer, Template template, int maxLength) {
  private static final System.Logger LOG = System.getLogger(PromptEncoder.class.getName());

  /** Checks the arguments. */
  public PromptEncoder {
    Objects.requireNonNull(tokenizer, "tokenizer");
    Objects.requireNonNull(template, "template");
    if (maxLength < 1) {
      throw new IllegalArgumentException("maxLength is " + maxLength + ", must be 1 or more");
    }
  }

  /**
   * Ids and labels to train on, cut at {@code maxLength}. In a chat the answers are learnt, each
   * with its end token; with {@link Template#PLAIN} all but the picture is.
   */
  public Example training(Conversation conversation) {
    String prompt = template.training(conversation);
    int[] ids = ImageTokens.encode(tokenizer, prompt);
    int[] labels = ids.clone();
    if (template == Template.PLAIN) {
      Arrays.fill(labels, 0, tokens(ImageTokens.MARK), Example.IGNORE);
    } else {
      maskQuestions(prompt, ids, labels);
    }
    return new Example(ids, labels).truncated(maxLength);
  }

  /**
   * Ids after which the answer is to be written. They are not cut: the question stands at the end.
   */
  public int[] inference(Conversation conversation) {
    return ImageTokens.encode(tokenizer, template.inference(conversation));
  }

  /**
   * Keeps the answers in {@code labels} (equal to the ids at entry) and masks the rest. Lengths are
   * counted piece by piece; where they do not add up to the whole, nothing of the example is
   * learnt.
   */
  private void maskQuestions(String prompt, int[] ids, int[] labels) {
    int at = 0;
    int from = 0;
    while (from < prompt.length()) {
      int end = prompt.indexOf(Template.END, from);
      String round = prompt.substring(from, end < 0 ? prompt.length() : end);
      int answer = round.indexOf(Template.ANSWER_FOLLOWS);
      int afterMark = answer + Template.ANSWER_FOLLOWS.length();
      if (answer < 0 || round.indexOf(Template.ANSWER_FOLLOWS, afterMark) >= 0) {
        break;
      }
      // The blank that ends the instruction is one token alone, but joins the answer's first word.
      int instruction = tokens(round.substring(0, afterMark)) - 1;
      ignore(labels, at, at + instruction);
      at += tokens(round) + 1; // and the end token
      from = end < 0 ? prompt.length() : end + Template.END.length();
    }
    int counted = countWithoutPads(ids);
    ignore(labels, at, labels.length);
    if (at < maxLength && at != counted) {
      Arrays.fill(labels, Example.IGNORE);
      LOG.log(
          WARNING,
          "tokens of the parts ({0}) and of the whole ({1}) differ; nothing is learnt from: {2}",
          at,
          counted,
          prompt);
    }
  }

  private int countWithoutPads(int[] ids) {
    if (tokenizer.padId() == tokenizer.eosId()) {
      return ids.length;
    }
    return (int) IntStream.of(ids).filter(id -> id != tokenizer.padId()).count();
  }

  private static void ignore(int[] labels, int from, int to) {
    int end = Math.min(to, labels.length);
    if (from < end) {
      Arrays.fill(labels, from, end, Example.IGNORE);
    }
  }

  private int tokens(String text) {
    return ImageTokens.encode(tokenizer, text).length;
  }
}
