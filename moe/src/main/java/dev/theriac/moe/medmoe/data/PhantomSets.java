package dev.theriac.moe.medmoe.data;

import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.ImageTokens;
import dev.theriac.moe.medmoe.prompt.Role;
import dev.theriac.moe.medmoe.prompt.Turn;
import dev.theriac.tensor.Rng;
import java.util.ArrayList;
import java.util.List;

/** Phantoms as the data sets of the three stages, the router's training and the evaluation. */
public final class PhantomSets {
  private static final long ORDERS = 7;

  private PhantomSets() {}

  /** One sample per phantom: picture and caption. For {@code ALIGN}. */
  public static Dataset captions(List<Phantom> phantoms) {
    List<Sample> samples = new ArrayList<>();
    for (Phantom phantom : phantoms) {
      Conversation caption = Conversation.of(ImageTokens.MARK, phantom.caption());
      samples.add(sample("phantom-" + samples.size(), phantom, caption, null));
    }
    return Dataset.of(samples);
  }

  /**
   * One sample per phantom: picture and a few words, always in the same form ("CT: ring lesion,
   * right flank."), so that all that varies is what the picture shows. For {@code ALIGN} where the
   * encoder is trained too.
   */
  public static Dataset shortCaptions(List<Phantom> phantoms) {
    List<Sample> samples = new ArrayList<>();
    for (Phantom phantom : phantoms) {
      Conversation caption = Conversation.of(ImageTokens.MARK, PhantomText.shortCaption(phantom));
      samples.add(sample("phantom-" + samples.size(), phantom, caption, null));
    }
    return Dataset.of(samples);
  }

  /**
   * One sample per phantom: all its questions, one after the other, in one conversation. Learns
   * more per picture than {@link #questions}. The order differs from phantom to phantom, so that no
   * answer can lean on an earlier one. For {@code INSTRUCT} and {@code MOE}.
   */
  public static Dataset conversations(List<Phantom> phantoms) {
    List<Sample> samples = new ArrayList<>();
    for (Phantom phantom : phantoms) {
      List<Turn> turns = new ArrayList<>();
      int[] order = new Rng(ORDERS, samples.size(), 0).permutation(phantom.questions().size());
      for (int next : order) {
        Question question = phantom.questions().get(next);
        String text = question.text();
        turns.add(new Turn(Role.USER, turns.isEmpty() ? Conversation.imageFirst(text) : text));
        turns.add(new Turn(Role.ASSISTANT, question.answer()));
      }
      samples.add(sample("phantom-" + samples.size(), phantom, new Conversation(turns), null));
    }
    return Dataset.of(samples);
  }

  /**
   * One sample per question, the picture in front. For {@code INSTRUCT}, {@code MOE}, the router
   * and the evaluation.
   */
  public static Dataset questions(List<Phantom> phantoms) {
    List<Sample> samples = new ArrayList<>();
    for (int i = 0; i < phantoms.size(); i++) {
      Phantom phantom = phantoms.get(i);
      for (int q = 0; q < phantom.questions().size(); q++) {
        Question question = phantom.questions().get(q);
        samples.add(
            sample(
                "phantom-" + i + "-" + q,
                phantom,
                Conversation.aboutImage(question.text(), question.answer()),
                question.type()));
      }
    }
    return Dataset.of(samples);
  }

  private static Sample sample(String id, Phantom phantom, Conversation text, AnswerType type) {
    ImageSource image = new ImageSource.InMemory(phantom.image());
    return new Sample(id, image, phantom.modality(), text, type);
  }
}
