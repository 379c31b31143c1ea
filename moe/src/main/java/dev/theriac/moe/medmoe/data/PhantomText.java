package dev.theriac.moe.medmoe.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Captions and questions for a phantom. A yes/no question about one thing is asked as often of
 * pictures that have it as of pictures that have not, so its wording gives nothing away.
 */
final class PhantomText {
  private PhantomText() {}

  static List<Finding> findingsOf(Modality modality) {
    return Arrays.stream(Finding.values()).filter(f -> f.appearsIn(modality)).toList();
  }

  private static String kind(Modality modality) {
    return switch (modality) {
      case X_RAY -> "X-ray projection";
      case CT -> "CT slice";
      case MRI -> "MRI slice";
      case PATHOLOGY -> "pathology field";
    };
  }

  private static String indefinite(Modality modality) {
    return switch (modality) {
      case X_RAY, MRI -> "an " + kind(modality);
      case CT, PATHOLOGY -> "a " + kind(modality);
    };
  }

  private static String capital(String sentence) {
    return Character.toUpperCase(sentence.charAt(0)) + sentence.substring(1);
  }

  private static String number(int count) {
    return switch (count) {
      case 1 -> "one";
      case 2 -> "two";
      case 3 -> "three";
      default -> throw new IllegalArgumentException("no word for the count " + count);
    };
  }

  static String caption(
      Modality modality, Finding finding, Side side, int count, PhantomRandom random) {
    String where = side == Side.NONE ? "" : " in the " + finding.location(side);
    String what = finding.phrase();
    if (finding == Finding.MITOSIS) {
      what = number(count) + (count == 1 ? " mitosis" : " mitoses");
    }
    return switch (random.below(3)) {
      case 0 -> capital(indefinite(modality)) + " with " + what + where + ".";
      case 1 -> "The " + kind(modality) + " shows " + what + where + ".";
      default -> capital(what) + where + " on " + indefinite(modality) + ".";
    };
  }

  static String shortCaption(Phantom phantom) {
    Finding finding = phantom.finding();
    String where = phantom.side() == Side.NONE ? "" : ", " + finding.location(phantom.side());
    String many = finding == Finding.MITOSIS ? ", " + number(phantom.count()) : "";
    return phantom.modality().word() + ": " + finding.word() + where + many + ".";
  }

  static List<Question> questions(
      Modality modality, Finding finding, Side side, int count, PhantomRandom random) {
    List<Question> questions = new ArrayList<>();
    Modality askedModality = yesOrOther(modality, List.of(Modality.values()), random);
    String article = askedModality == Modality.X_RAY || askedModality == Modality.MRI ? "an" : "a";
    questions.add(
        closed(
            random.coin()
                ? "Is this %s %s image?".formatted(article, askedModality.word())
                : "Was this image made by %s?".formatted(askedModality.word()),
            askedModality == modality));
    Finding askedFinding = yesOrOther(finding, findingsOf(modality), random);
    questions.add(closed(findingQuestion(askedFinding, random), askedFinding == finding));
    if (side != Side.NONE) {
      Side asked = random.coin() ? Side.LEFT : Side.RIGHT;
      questions.add(closed("Is the finding on the %s?".formatted(asked.word()), asked == side));
    }
    questions.add(
        open(
            random.pick(List.of("Which imaging modality is this?", "What kind of image is this?")),
            modality.word()));
    questions.add(
        open(
            random.pick(List.of("What is the finding?", "What does the image show?")),
            finding.word()));
    if (side != Side.NONE) {
      questions.add(open("Where is the finding?", finding.location(side)));
    }
    if (finding == Finding.MITOSIS) {
      questions.add(open("How many mitoses are there?", number(count)));
    }
    return questions;
  }

  private static String findingQuestion(Finding asked, PhantomRandom random) {
    boolean first = random.coin();
    if (asked == Finding.NONE) {
      return first ? "Does the image look normal?" : "Is the image free of findings?";
    }
    String verb = asked == Finding.LARGE_VENTRICLES ? "Are" : "Is";
    return first
        ? "%s there %s?".formatted(verb, asked.phrase())
        : "Does the image show %s?".formatted(asked.phrase());
  }

  /** The truth with probability one half, else one of the others, each as likely. */
  private static <T> T yesOrOther(T truth, List<T> all, PhantomRandom random) {
    if (random.coin()) {
      return truth;
    }
    return random.pick(all.stream().filter(other -> other != truth).toList());
  }

  private static Question closed(String text, boolean yes) {
    return new Question(text, yes ? "yes" : "no", AnswerType.CLOSED);
  }

  private static Question open(String text, String answer) {
    return new Question(text, answer, AnswerType.OPEN);
  }
}
