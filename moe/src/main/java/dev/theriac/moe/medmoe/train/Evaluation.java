package dev.theriac.moe.medmoe.train;

import dev.theriac.llm.GenerationConfig;
import dev.theriac.moe.medmoe.MedMoe;
import dev.theriac.moe.medmoe.data.AnswerType;
import dev.theriac.moe.medmoe.data.Dataset;
import dev.theriac.moe.medmoe.data.Modality;
import dev.theriac.moe.medmoe.data.Sample;
import dev.theriac.moe.medmoe.metrics.AnswerScore;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.Predicate;

/**
 * A model's answers to a data set, greedily decoded, and their scores. A closed question counts as
 * right by {@link AnswerScore#strict}: yes or no must be said as a word and the other one not, any
 * other reference must be the whole answer (stricter than the published script, in which "no" is
 * found in "normal").
 *
 * @param answers one for each sample, in order
 */
public record Evaluation(List<Answered> answers) {
  /** One sample with what the model said. */
  public record Answered(Sample sample, String answer, AnswerScore score) {
    public boolean closed() {
      return sample.answerType() == AnswerType.CLOSED;
    }

    /** For a closed question the strict score, for an open one that every reference word occurs. */
    public boolean right() {
      return closed() ? score.strict() : score.recall() >= 1;
    }
  }

  public Evaluation {
    answers = List.copyOf(answers);
  }

  /**
   * Asks every question of {@code data}.
   *
   * @param batchSize questions computed together
   * @param progress told the number of questions done
   */
  public static Evaluation of(
      MedMoe model, Dataset data, int batchSize, int maxNewTokens, IntConsumer progress) {
    PromptEncoder encoder = new PromptEncoder(model.tokenizer(), Template.PHI, Integer.MAX_VALUE);
    GenerationConfig greedy = GenerationConfig.greedy(maxNewTokens, model.endId());
    List<Answered> out = new ArrayList<>();
    for (int from = 0; from < data.size(); from += batchSize) {
      int to = Math.min(from + batchSize, data.size());
      List<int[]> prompts = new ArrayList<>();
      float[][] pixels = new float[to - from][];
      for (int i = from; i < to; i++) {
        Sample s = data.get(i);
        prompts.add(encoder.inference(s.conversation().asQuestion()));
        pixels[i - from] = model.preprocess(s.image().load());
      }
      List<int[]> ids = model.generate(prompts, pixels, greedy);
      for (int i = from; i < to; i++) {
        Sample s = data.get(i);
        String answer = model.tokenizer().decode(ids.get(i - from), true).strip();
        out.add(new Answered(s, answer, AnswerScore.of(answer, s.conversation().answer())));
      }
      progress.accept(to);
    }
    return new Evaluation(out);
  }

  /** Share of closed questions answered right; NaN without any. */
  public double closedAccuracy() {
    return closedAccuracy(a -> true);
  }

  /** The same over the answers that satisfy {@code wanted}. */
  public double closedAccuracy(Predicate<Answered> wanted) {
    return answers.stream()
        .filter(a -> a.closed() && wanted.test(a))
        .mapToDouble(a -> a.right() ? 1 : 0)
        .average()
        .orElse(Double.NaN);
  }

  /** Mean recall of open questions; NaN without any. */
  public double openRecall() {
    return openRecall(a -> true);
  }

  /** The same over the answers that satisfy {@code wanted}. */
  public double openRecall(Predicate<Answered> wanted) {
    return answers.stream()
        .filter(a -> !a.closed() && wanted.test(a))
        .mapToDouble(a -> a.score().recall())
        .average()
        .orElse(Double.NaN);
  }

  /** Mean over the reference answers of the accuracy on the questions that have it. */
  public double balancedAccuracy() {
    return answers.stream()
        .map(a -> a.sample().conversation().answer())
        .distinct()
        .sorted()
        .mapToDouble(
            reference -> closedAccuracy(a -> a.sample().conversation().answer().equals(reference)))
        .average()
        .orElse(Double.NaN);
  }

  /** Number of questions of a modality and type. */
  public int count(Modality modality, AnswerType type) {
    return (int)
        answers.stream()
            .filter(a -> a.sample().modality() == modality && a.sample().answerType() == type)
            .count();
  }
}
