package dev.theriac.moe.medmoe;

import dev.theriac.llm.GenerationConfig;
import dev.theriac.llm.Generator;
import dev.theriac.llm.tokenizer.StreamingDecoder;
import dev.theriac.moe.audit.Fingerprint;
import dev.theriac.moe.audit.RouteRecord;
import dev.theriac.moe.audit.RoutingRecorder;
import dev.theriac.moe.audit.RoutingReplay;
import dev.theriac.moe.audit.Trail;
import dev.theriac.moe.audit.TrailHeader;
import dev.theriac.moe.medmoe.prompt.Conversation;
import dev.theriac.moe.medmoe.prompt.ImageTokens;
import dev.theriac.moe.medmoe.prompt.PromptEncoder;
import dev.theriac.moe.medmoe.prompt.Template;
import dev.theriac.vision.image.Image;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * An answer with the routing of every token that led to it.
 *
 * @param answer what the model says
 * @param positions what stands at each position that was computed: the prompt, with a position for
 *     each patch of the picture, then the answer, of which the model is not given the last token
 *     when it stops at the limit
 * @param trail the routing of all of them; sequence 0
 */
public record RoutedAnswer(String answer, List<Position> positions, Trail trail) {
  /** Parts of a sequence. */
  public enum Part {
    /** The template's words around the question. */
    FRAME,
    IMAGE,
    QUESTION,
    ANSWER;

    /** The name in a trail. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The parts in the order in which tables show them. */
  public static final List<Part> SHOWN =
      List.of(Part.IMAGE, Part.QUESTION, Part.ANSWER, Part.FRAME);

  /**
   * @param token id in the vocabulary, or {@link ImageTokens#ID}
   * @param text of the token; empty where it completes no character
   */
  public record Position(int token, String text, Part part) {}

  public RoutedAnswer {
    positions = List.copyOf(positions);
  }

  /**
   * Asks a model.
   *
   * @param expertNames by id, or empty; see {@link Provenance#experts}
   * @throws IllegalArgumentException for a model without experts, or an empty question
   */
  public static RoutedAnswer ask(
      MedMoe model,
      Image image,
      String question,
      GenerationConfig config,
      List<String> expertNames) {
    return new Run(model, image, question, config).recorded(expertNames);
  }

  /**
   * Asks again with the routing, and by the settings, of a trail. The result's trail is recorded
   * anew: {@link Trail#difference} says whether it is the same.
   *
   * @throws IllegalArgumentException when the trail is of another model, picture or question
   */
  public static RoutedAnswer replay(MedMoe model, Image image, String question, Trail trail) {
    GenerationConfig config = GenerationSettings.read(trail.header().settings(), model.endId());
    return new Run(model, image, question, config).replayed(trail);
  }

  /** One question to one model. */
  private static final class Run {
    private final MedMoe model;
    private final GenerationConfig config;
    private final Conversation asked;
    private final int[] prompt;
    private final float[] pixels;
    private final List<Position> positions = new ArrayList<>();
    private final List<RouteRecord> records = new ArrayList<>();
    private StreamingDecoder text;

    Run(MedMoe model, Image image, String question, GenerationConfig config) {
      if (model.moe() == null) {
        throw new IllegalArgumentException(
            "routing: this is a dense model, which has no experts; take one that stage 3 trained");
      }
      this.model = model;
      this.config = config;
      asked = Conversation.ask(question);
      pixels = model.preprocess(image);
      prompt =
          new PromptEncoder(model.tokenizer(), Template.PHI, Integer.MAX_VALUE).inference(asked);
      lay();
    }

    /** The prompt's positions; the question is found by where its text begins and ends. */
    private void lay() {
      text = model.tokenizer().streaming();
      int after = 0;
      // The text behind the picture's mark: a line break, the question, the template's end.
      int end = asked.turns().getLast().text().length() - ImageTokens.MARK.length();
      boolean pictured = false;
      for (int id : prompt) {
        if (id == ImageTokens.ID) {
          for (int p = 0; p < model.vision().config().features(); p++) {
            positions.add(new Position(id, "", Part.IMAGE));
          }
          pictured = true;
          text = model.tokenizer().streaming();
          continue;
        }
        String piece = text.add(id);
        boolean words = pictured && after >= 1 && after < end;
        positions.add(new Position(id, piece, words ? Part.QUESTION : Part.FRAME));
        if (pictured) after += piece.length();
      }
      text = model.tokenizer().streaming();
    }

    private String inputHash() {
      return new Fingerprint().add("prompt", prompt).add("pixels", pixels).hex();
    }

    RoutedAnswer recorded(List<String> expertNames) {
      TrailHeader header =
          new TrailHeader(
              Provenance.unknown().version(),
              TrailHeader.Model.of(model, model.language()),
              inputHash(),
              TrailHeader.layersOf(model.language()),
              expertNames,
              GenerationSettings.write(config, model.endId()));
      return run(header, new RoutingRecorder(records::add, this::label));
    }

    RoutedAnswer replayed(Trail trail) {
      RoutingReplay replay =
          RoutingReplay.of(trail, model.language(), TrailHeader.Model.of(model, model.language()));
      if (!trail.header().input().equals(inputHash())) {
        throw new IllegalArgumentException(
            ("replay: the trail was recorded for an input with hash %s, this one has %s; give the"
                    + " same picture and the same question, to the letter")
                .formatted(trail.header().input(), inputHash()));
      }
      return run(trail.header(), replay.recording(new RoutingRecorder(records::add, this::label)));
    }

    private RoutedAnswer run(TrailHeader header, Generator.PassListener passes) {
      List<int[]> ids =
          model.generate(
              List.of(prompt),
              new float[][] {pixels},
              config,
              (row, id) -> positions.add(new Position(id, text.add(id), Part.ANSWER)),
              passes);
      String output = new Fingerprint().add("answer", ids.getFirst()).hex();
      String answer = model.tokenizer().decode(ids.getFirst(), true).strip();
      long computed = records.stream().mapToLong(RouteRecord::position).max().orElse(-1) + 1;
      return new RoutedAnswer(
          answer,
          positions.subList(0, (int) Math.min(positions.size(), computed)),
          new Trail(header, records, output));
    }

    private RoutingRecorder.Label label(long sequence, long position) {
      Position at = positions.get(Math.toIntExact(position));
      return new RoutingRecorder.Label((long) at.token(), at.part().word());
    }
  }
}
